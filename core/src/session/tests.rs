//! Pairs of sessions in virtual time.
