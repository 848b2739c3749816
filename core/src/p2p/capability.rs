//! Capabilities: what we offer, what the other offers, what we share, and
//! which message codes belong to which.
//!
//! Of each name the highest version that both have is used; the names share
//! the codes from 16 on in alphabetical order, each as many as its length.
//! Specification: rlpx.md, "Capability Messaging"; geth `matchProtocols`.

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::compression;
use crate::error::Misuse;
use crate::{limits, rlp};

/// A capability as a hello names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Capability {
    /// Its name, such as `eth`. In a hello of the other's it may be anything.
    pub name: String,
    /// Its version.
    pub version: u64,
}

impl Capability {
    /// A capability by name and version.
    pub fn new(name: impl Into<String>, version: u64) -> Self {
        Self { name: name.into(), version }
    }
}

impl fmt::Display for Capability {
    /// `eth/69`. The name is the other's: escape it before a terminal sees it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

/// A capability that we offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalCapability {
    /// Name and version.
    pub capability: Capability,
    /// How many message codes it has: they are `0..length`.
    pub length: u64,
}

impl LocalCapability {
    /// A capability with the message codes `0..length`.
    pub fn new(name: impl Into<String>, version: u64, length: u64) -> Self {
        Self { capability: Capability::new(name, version), length }
    }
}

/// All that we offer: checked, and sorted by name and version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalCapabilities(Vec<LocalCapability>);

impl LocalCapabilities {
    /// Checks and sorts an offer. Names are 1 to [`limits::CAPABILITY_NAME`]
    /// printable ASCII characters; the same name may come in several versions.
    ///
    /// Fails with [`Misuse::TooManyCapabilities`],
    /// [`Misuse::DuplicateCapability`] or [`Misuse::CapabilityName`].
    pub fn new(offer: impl IntoIterator<Item = LocalCapability>) -> Result<Self, Misuse> {
        let mut offer: Vec<_> = offer.into_iter().take(limits::LOCAL_CAPABILITIES + 1).collect();
        if offer.len() > limits::LOCAL_CAPABILITIES {
            return Err(Misuse::TooManyCapabilities);
        }
        for LocalCapability { capability: Capability { name, .. }, .. } in &offer {
            let fits = (1..=limits::CAPABILITY_NAME).contains(&name.len());
            if !fits || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Misuse::CapabilityName);
            }
        }
        offer.sort_by(|a, b| a.capability.cmp(&b.capability));
        if offer.windows(2).any(|pair| pair[0].capability == pair[1].capability) {
            return Err(Misuse::DuplicateCapability);
        }
        Ok(Self(offer))
    }

    /// The offer, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &LocalCapability> {
        self.0.iter()
    }

    /// Whether nothing is offered. Such a node takes any peer, as in geth.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What we share with a node that offers `remote`.
    pub fn shared_with(&self, remote: &[Capability]) -> Shared {
        let mut shared: Vec<SharedCapability> = Vec::new();
        // Sorted by name, then version: a later match of a name is a higher one.
        for LocalCapability { capability, length } in &self.0 {
            if !remote.contains(capability) {
                continue;
            }
            let offset = match shared.last() {
                Some(last) if last.capability.name == capability.name => {
                    let offset = last.offset;
                    shared.pop();
                    offset
                }
                Some(last) => last.offset.saturating_add(last.length),
                None => limits::BASE_PROTOCOL_LENGTH,
            };
            shared.push(SharedCapability {
                capability: capability.clone(),
                offset,
                length: *length,
            });
        }
        Shared { capabilities: shared, compressed: false }
    }
}

/// A capability that both sides have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedCapability {
    /// Name and the highest version that both have.
    pub capability: Capability,
    /// The code on the wire of its message 0.
    pub offset: u64,
    /// How many message codes it has.
    pub length: u64,
}

/// All capabilities of one connection, by index in alphabetical order, and
/// whether their messages are compressed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shared {
    capabilities: Vec<SharedCapability>,
    compressed: bool,
}

impl Shared {
    /// One range for all codes there are, for a caller that wants to receive
    /// messages without knowing their capability.
    pub(crate) fn everything() -> Self {
        let capability = Capability::new("", 0);
        let offset = limits::BASE_PROTOCOL_LENGTH;
        let length = u64::MAX - offset;
        let capabilities = alloc::vec![SharedCapability { capability, offset, length }];
        Self { capabilities, compressed: false }
    }

    /// The same for a connection whose messages are compressed, or are not.
    pub(crate) fn compressed(self, compressed: bool) -> Self {
        Self { compressed, ..self }
    }

    /// Whether messages are compressed: the two hellos decide it.
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Whether there is nothing to talk about.
    pub fn is_empty(&self) -> bool {
        self.capabilities.is_empty()
    }

    /// How many there are: indices are `0..len`.
    pub fn len(&self) -> usize {
        self.capabilities.len()
    }

    /// The capability at `index`.
    pub fn get(&self, index: usize) -> Option<&SharedCapability> {
        self.capabilities.get(index)
    }

    /// The index of the capability called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.capabilities.iter().position(|shared| shared.capability.name == name)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &SharedCapability> {
        self.capabilities.iter()
    }

    /// A message to send, checked: `code` is relative to the capability at
    /// `index`, the payload any bytes up to [`limits::MESSAGE`] that a frame
    /// holds with the code.
    ///
    /// That can be asked of a payload of more than some 14 MB only by
    /// compressing it, which costs as much as sending it; random bytes fit up
    /// to about a kilobyte less than the limit.
    ///
    /// Fails with [`Misuse::CodeOutOfRange`] or [`Misuse::MessageTooLarge`].
    pub fn message(&self, index: usize, code: u64, payload: Bytes) -> Result<Message, Misuse> {
        let message = Message { capability: index, code, payload };
        let wire_code = self.wire_code(&message).ok_or(Misuse::CodeOutOfRange)?;
        if message.payload.len() > limits::MESSAGE || !self.fits(wire_code, &message.payload) {
            return Err(Misuse::MessageTooLarge);
        }
        Ok(message)
    }

    /// Whether a frame holds it.
    fn fits(&self, wire_code: u64, payload: &[u8]) -> bool {
        let room = limits::FRAME - rlp::uint_length(wire_code);
        if self.compressed {
            compression::compresses_to(payload, room)
        } else {
            payload.len() <= room
        }
    }

    /// Whose the code `wire_code` is: index and the code relative to it.
    pub(crate) fn route(&self, wire_code: u64) -> Option<(usize, u64)> {
        self.capabilities.iter().enumerate().find_map(|(index, shared)| {
            let code = wire_code.checked_sub(shared.offset)?;
            (code < shared.length).then_some((index, code))
        })
    }

    /// The code on the wire of a message, unless it belongs to other `Shared`.
    pub(crate) fn wire_code(&self, message: &Message) -> Option<u64> {
        let shared = self.capabilities.get(message.capability)?;
        (message.code < shared.length).then(|| shared.offset.saturating_add(message.code))
    }
}

/// A message of a capability, uncompressed.
///
/// Received ones come from a session; ones to send from [`Shared::message`],
/// which checks them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub(crate) capability: usize,
    pub(crate) code: u64,
    pub(crate) payload: Bytes,
}

impl Message {
    /// Index of the capability in [`Shared`].
    pub const fn capability(&self) -> usize {
        self.capability
    }

    /// The code relative to the capability.
    pub const fn code(&self) -> u64 {
        self.code
    }

    /// The payload: for most capabilities one RLP item.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The payload, without a copy.
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(list: &[(&str, u64, u64)]) -> LocalCapabilities {
        LocalCapabilities::new(list.iter().map(|(n, v, l)| LocalCapability::new(*n, *v, *l)))
            .unwrap()
    }

    fn shared(local: &[(&str, u64, u64)], remote: &[(&str, u64)]) -> Vec<(String, u64, u64)> {
        let remote: Vec<_> = remote.iter().map(|(n, v)| Capability::new(*n, *v)).collect();
        let shared = offer(local).shared_with(&remote);
        shared.iter().map(|s| (s.capability.name.clone(), s.capability.version, s.offset)).collect()
    }

    fn expected(list: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        list.iter().map(|(n, v, o)| (String::from(*n), *v, *o)).collect()
    }

    #[test]
    fn matching_is_as_in_the_tables_of_geth() {
        // geth p2p/peer_test.go, TestMatchProtocols.
        assert_eq!(shared(&[("a", 1, 0)], &[]), expected(&[]));
        assert_eq!(shared(&[], &[("a", 1)]), expected(&[]));
        assert_eq!(shared(&[("a", 1, 0)], &[("b", 1)]), expected(&[]));
        assert_eq!(shared(&[("a", 1, 0)], &[("a", 2)]), expected(&[]));
        assert_eq!(shared(&[("a", 1, 1)], &[("a", 1)]), expected(&[("a", 1, 16)]));
        assert_eq!(
            shared(&[("a", 1, 0), ("b", 1, 0)], &[("b", 1), ("a", 1)]),
            expected(&[("a", 1, 16), ("b", 1, 16)])
        );
        assert_eq!(
            shared(&[("a", 1, 2), ("b", 1, 3), ("c", 1, 4)], &[("c", 1), ("a", 1), ("b", 1)]),
            expected(&[("a", 1, 16), ("b", 1, 18), ("c", 1, 21)])
        );
        assert_eq!(
            shared(&[("a", 3, 7), ("a", 2, 5), ("a", 1, 3)], &[("a", 1), ("a", 3), ("a", 2)]),
            expected(&[("a", 3, 16)])
        );
        assert_eq!(
            shared(
                &[("a", 1, 1), ("a", 2, 2), ("a", 3, 3), ("b", 1, 1)],
                &[("a", 1), ("a", 2), ("b", 1)]
            ),
            expected(&[("a", 2, 16), ("b", 1, 18)])
        );
    }

    #[test]
    fn a_capability_named_twice_by_the_other_counts_once() {
        assert_eq!(shared(&[("a", 1, 2)], &[("a", 1), ("a", 1)]), expected(&[("a", 1, 16)]));
    }

    #[test]
    fn codes_route_to_their_capability_and_back() {
        let shared = offer(&[("a", 1, 2), ("b", 1, 3)])
            .shared_with(&[Capability::new("a", 1), Capability::new("b", 1)]);
        assert_eq!(shared.route(15), None);
        assert_eq!(shared.route(16), Some((0, 0)));
        assert_eq!(shared.route(18), Some((1, 0)));
        assert_eq!(shared.route(20), Some((1, 2)));
        assert_eq!(shared.route(21), None);
        assert_eq!(shared.route(u64::MAX), None);
        let message = shared.message(1, 2, Bytes::new()).unwrap();
        assert_eq!(shared.wire_code(&message), Some(20));
    }

    #[test]
    fn a_message_out_of_range_or_too_large_is_a_misuse() {
        let shared = offer(&[("a", 1, 2)]).shared_with(&[Capability::new("a", 1)]);
        let large = Bytes::from(alloc::vec![0; limits::MESSAGE + 1]);
        assert_eq!(shared.message(0, 2, Bytes::new()), Err(Misuse::CodeOutOfRange));
        assert_eq!(shared.message(1, 0, Bytes::new()), Err(Misuse::CodeOutOfRange));
        assert_eq!(shared.message(0, 0, large), Err(Misuse::MessageTooLarge));
    }

    #[test]
    fn an_offer_is_checked() {
        let new = |list: &[(&str, u64)]| {
            LocalCapabilities::new(list.iter().map(|(n, v)| LocalCapability::new(*n, *v, 1)))
                .map(|offer| offer.iter().count())
        };
        assert_eq!(new(&[("a", 1), ("a", 2)]), Ok(2));
        assert_eq!(new(&[("a", 1), ("a", 1)]), Err(Misuse::DuplicateCapability));
        assert_eq!(new(&[("", 1)]), Err(Misuse::CapabilityName));
        assert_eq!(new(&[("ninechars", 1)]), Err(Misuse::CapabilityName));
        assert_eq!(new(&[("a\n", 1)]), Err(Misuse::CapabilityName));
        let many = (0..=limits::LOCAL_CAPABILITIES as u64).map(|v| LocalCapability::new("a", v, 1));
        assert_eq!(LocalCapabilities::new(many), Err(Misuse::TooManyCapabilities));
    }

    #[test]
    fn absurd_lengths_saturate() {
        let got = shared(&[("a", 1, u64::MAX), ("b", 1, 1)], &[("a", 1), ("b", 1)]);
        assert_eq!(got, expected(&[("a", 1, 16), ("b", 1, u64::MAX)]));
    }
}
