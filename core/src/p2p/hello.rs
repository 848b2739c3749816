//! The hello: the first message of both sides.
//!
//! `[version, client name, [[name, version], …], listen port, id, …]`.
//! Additional elements, of the list and of a capability, and bytes behind the
//! list are ignored. Specification: rlpx.md, "Hello (0x00)"; EIP-8.

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use super::Capability;
use crate::error::DecodeError;
use crate::rlp;

/// What a node says of itself.
///
/// All of it is the other's word, apart from the id, which a session compares
/// with the key that shook hands. Escape the strings before a terminal sees them.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// The version of the base protocol.
    pub version: u64,
    /// Client name and version. Bytes that are no UTF-8 were replaced.
    pub client_name: String,
    /// What it offers, in its order.
    pub capabilities: Vec<Capability>,
    /// The TCP port it listens on; everybody sends 0.
    pub listen_port: u64,
    /// Its public key, X and Y.
    pub id: [u8; 64],
}

/// Why a hello is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HelloError {
    /// Not the list it should be.
    Malformed(DecodeError),
    /// The id is not 64 bytes, or all of them are zero.
    InvalidIdentity,
    /// The payload exceeds [`limits::HELLO_PAYLOAD`](crate::limits::HELLO_PAYLOAD).
    TooLarge {
        /// The payload's size, bytes.
        size: usize,
    },
}

impl fmt::Display for HelloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed hello: {error}"),
            Self::InvalidIdentity => f.write_str("invalid node identity in hello"),
            Self::TooLarge { size } => write!(f, "hello too big ({size} bytes)"),
        }
    }
}

impl core::error::Error for HelloError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Malformed(error) = self { Some(error) } else { None }
    }
}

impl From<DecodeError> for HelloError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl Hello {
    /// Reads a hello's payload.
    ///
    /// Fails with [`HelloError::Malformed`], or with
    /// [`HelloError::InvalidIdentity`] for an id of zeros or not of 64 bytes.
    /// Its size is what a [`Session`](crate::session::Session) checks.
    pub fn decode(payload: &[u8]) -> Result<Self, HelloError> {
        let mut list = rlp::list(&mut &*payload)?;
        let version = rlp::uint(&mut list)?;
        let client_name = text(&mut list)?;
        let mut items = rlp::list(&mut list)?;
        let mut capabilities = Vec::new();
        while !items.is_empty() {
            let mut item = rlp::list(&mut items)?;
            let name = text(&mut item)?;
            capabilities.push(Capability { name, version: rlp::uint(&mut item)? });
        }
        let listen_port = rlp::uint(&mut list)?;
        let id: [u8; 64] =
            rlp::string(&mut list)?.try_into().map_err(|_| HelloError::InvalidIdentity)?;
        if id == [0; 64] {
            return Err(HelloError::InvalidIdentity);
        }
        Ok(Self { version, client_name, capabilities, listen_port, id })
    }

    /// The payload that says this.
    pub fn encode(&self) -> Vec<u8> {
        let mut items = Vec::new();
        for Capability { name, version } in &self.capabilities {
            let mut item = Vec::new();
            rlp::put_string(name.as_bytes(), &mut item);
            rlp::put_uint(*version, &mut item);
            rlp::put_list(&item, &mut items);
        }
        let mut list = Vec::new();
        rlp::put_uint(self.version, &mut list);
        rlp::put_string(self.client_name.as_bytes(), &mut list);
        rlp::put_list(&items, &mut list);
        rlp::put_uint(self.listen_port, &mut list);
        rlp::put_string(&self.id, &mut list);
        let mut payload = Vec::new();
        rlp::put_list(&list, &mut payload);
        payload
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("version", &self.version)
            .field("client_name", &self.client_name)
            .field("capabilities", &self.capabilities)
            .field("listen_port", &self.listen_port)
            .finish_non_exhaustive()
    }
}

fn text(list: &mut &[u8]) -> Result<String, DecodeError> {
    Ok(String::from_utf8_lossy(rlp::string(list)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            version: 5,
            client_name: "Geth/v1.17.6".into(),
            capabilities: alloc::vec![Capability::new("eth", 69), Capability::new("snap", 1)],
            listen_port: 30303,
            id: [7; 64],
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        assert_eq!(Hello::decode(&hello().encode()), Ok(hello()));
    }

    #[test]
    fn the_encoding_is_the_one_of_the_specification() {
        let empty =
            Hello { client_name: "x".into(), capabilities: Vec::new(), listen_port: 0, ..hello() };
        let mut expected = alloc::vec![0xF8, 0x46, 0x05, b'x', 0xC0, 0x80, 0xB8, 0x40];
        expected.extend([7; 64]);
        assert_eq!(empty.encode(), expected);
    }

    #[test]
    fn additional_elements_and_trailing_bytes_are_ignored() {
        let mut list = Vec::new();
        rlp::put_uint(22, &mut list);
        rlp::put_string(b"name", &mut list);
        rlp::put_list(&[0xC5, 0x83, b'e', b't', b'h', 0x45, 0xC3, b'a', 0x01, 0x09], &mut list);
        rlp::put_uint(0, &mut list);
        rlp::put_string(&[7; 64], &mut list);
        // More elements, the last of which is cut off by the end of the list.
        list.extend([0x01, 0xC1, 0x02, 0x88]);
        let mut payload = Vec::new();
        rlp::put_list(&list, &mut payload);
        payload.extend([0xFF; 5]);
        let hello = Hello::decode(&payload).unwrap();
        assert_eq!(hello.version, 22);
        assert_eq!(hello.capabilities, [Capability::new("eth", 69), Capability::new("a", 1)]);
    }

    #[test]
    fn a_null_identity_or_one_of_another_length_is_refused() {
        let null = Hello { id: [0; 64], ..hello() }.encode();
        assert_eq!(Hello::decode(&null), Err(HelloError::InvalidIdentity));
        let mut list = Vec::new();
        rlp::put_list(&[0x05, 0x80, 0xC0, 0x80, 0x81, 0xAA], &mut list);
        assert_eq!(Hello::decode(&list), Err(HelloError::InvalidIdentity));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let payload = hello().encode();
        for length in 0..payload.len() {
            assert!(matches!(Hello::decode(&payload[..length]), Err(HelloError::Malformed(_))));
        }
        assert!(Hello::decode(&[0x80]).is_err());
    }

    #[test]
    fn a_name_of_any_bytes_is_taken() {
        let mut list = alloc::vec![0x05, 0x82, 0xFF, 0xFE, 0xC0, 0x80];
        rlp::put_string(&[7; 64], &mut list);
        let mut payload = Vec::new();
        rlp::put_list(&list, &mut payload);
        assert_eq!(Hello::decode(&payload).unwrap().client_name, "\u{FFFD}\u{FFFD}");
    }
}
