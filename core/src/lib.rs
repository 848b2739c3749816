//! Ethereum's peer-to-peer stack (devp2p) as pure state machines.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(feature = "secp256k1"), forbid(unsafe_code))]
#![cfg_attr(feature = "secp256k1", deny(unsafe_code))]
#![deny(clippy::alloc_instead_of_core, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod application;
pub mod crypto;
pub mod discv4;
pub mod driver;
pub mod entropy;
pub mod error;
pub mod identity;
pub mod kademlia;
pub mod limits;
pub mod machine;
pub mod nat;
pub mod node;
pub mod p2p;
mod rlp;
pub mod rlpx;
pub mod session;
pub mod store;
pub mod time;
