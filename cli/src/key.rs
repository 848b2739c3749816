//! `devp2p key`: makes key files, and prints what belongs to the key in one.
//!
//! Source: geth `cmd/devp2p/keycmd.go`, whose output it repeats.

use core::net::IpAddr;
use std::path::Path;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::{Enode, NodeId};
use devp2p_smol::host::nodekey;

use crate::args::{Key, ToEnode};
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(command: Key) -> Result<(), Failure> {
    match command {
        Key::Generate { file } => {
            nodekey::generate(&file)?;
            Ok(())
        }
        Key::ToId { file } => {
            let key = load(&file)?;
            output::line(&NodeId::from(&key.public_key()))
        }
        Key::ToEnode(arguments) => output::line(&to_enode(&arguments)?),
    }
}

/// The key in a file, with a warning if others than its owner can read it.
pub(crate) fn load(file: &Path) -> Result<SecretKey, Failure> {
    let found = nodekey::load(file)?;
    if found.exposed {
        tracing::warn!("node key file {} is open to others: chmod 600 it", file.display());
    }
    Ok(found.key)
}

fn to_enode(arguments: &ToEnode) -> Result<Enode, Failure> {
    let ToEnode { file, ip, tcp, udp } = arguments;
    let public = load(file)?.public_key();
    if ip.is_empty() {
        return Ok(Enode::incomplete(public));
    }
    let ip: IpAddr = ip.parse().map_err(|_| Failure::NotAnIp(ip.clone()))?;
    Ok(Enode::new(public, ip, *tcp, *udp))
}
