//! Tests of the table and of look-ups.
