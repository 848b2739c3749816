//! `devp2p key`: makes key files, and prints what belongs to the key in one.
//!
//! Source: geth `cmd/devp2p/keycmd.go`, whose output it repeats.

use core::net::IpAddr;
use std::path::Path;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::{Enode, NodeId, Record, RecordBuilder};
use devp2p_smol::host::nodekey::{self, NodeKey};

use crate::args::{Address, Key};
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
        Key::ToEnode(address) => output::line(&to_enode(&address)?),
        Key::ToEnr(address) => output::line(&to_enr(&address)?),
    }
}

/// The key in a file, with a warning if others than its owner can read it.
pub(crate) fn load(file: &Path) -> Result<SecretKey, Failure> {
    Ok(warned(file, nodekey::load(file)?))
}

/// The same, or a new key in a new file.
pub(crate) fn load_or_generate(file: &Path) -> Result<SecretKey, Failure> {
    Ok(warned(file, nodekey::load_or_generate(file)?))
}

fn warned(file: &Path, found: NodeKey) -> SecretKey {
    if found.exposed {
        tracing::warn!("node key file {} is open to others: chmod 600 it", file.display());
    }
    found.key
}

/// The key that 64 hex digits spell.
pub(crate) fn from_hex(digits: &str) -> Result<SecretKey, Failure> {
    let mut bytes = [0; 32];
    let decoded = base16ct::mixed::decode(digits, &mut bytes).map_err(|_| Failure::NotAKey)?;
    if decoded.len() != 32 {
        return Err(Failure::NotAKey);
    }
    SecretKey::from_bytes(&bytes).map_err(|_| Failure::NotAKey)
}

fn to_enode(address: &Address) -> Result<Enode, Failure> {
    let public = load(&address.file)?.public_key();
    Ok(match ip(address)? {
        None => Enode::incomplete(public),
        Some(ip) => Enode::new(public, ip, address.tcp, address.udp),
    })
}

/// With the sequence number 0, as geth's tool has it.
fn to_enr(address: &Address) -> Result<Record, Failure> {
    let key = load(&address.file)?;
    let mut record = RecordBuilder::new(0);
    if let Some(ip) = ip(address)? {
        record = record.ip(ip);
    }
    if address.udp != 0 {
        record = record.udp(address.udp);
    }
    if address.tcp != 0 {
        record = record.tcp(address.tcp);
    }
    record.sign(&key).map_err(Failure::NotARecord)
}

fn ip(address: &Address) -> Result<Option<IpAddr>, Failure> {
    if address.ip.is_empty() {
        return Ok(None);
    }
    address.ip.parse().map(Some).map_err(|_| Failure::NotAnIp(address.ip.clone()))
}
