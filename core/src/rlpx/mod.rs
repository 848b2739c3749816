//! RLPx, the transport: an encryption handshake, then frames.
//!
//! Specification: <https://github.com/ethereum/devp2p/blob/master/rlpx.md>;
//! handshake messages as EIP-8 has them. What the protocol itself cannot give
//! (the two directions share a key stream, the initiator's identity has no
//! forward secrecy) is the specification's; see its "known issues".

pub mod ecies;
pub mod frame;
pub mod handshake;
mod mac;
mod secrets;
#[cfg(test)]
mod tests;

pub use frame::{Frame, FrameCodec, FrameError, frame_length};
pub use handshake::{Accepted, HandshakeError, Initiator, Recipient, message_length};
pub use secrets::Secrets;
