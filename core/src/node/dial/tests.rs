//! The dial scheduler by itself.
