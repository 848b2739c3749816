//! Enode URLs: reading never fails badly, and what was read prints as a text
//! that reads as the same node and prints the same.

use devp2p_core::identity::{Enode, Host, HostName};
use devp2p_core::limits;

use crate::tape::Tape;

/// Runs one input: a kind, then a text, or what is to stand around a good key.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.choice(3) {
        0 => check(&String::from_utf8_lossy(tape.rest())),
        1 => {
            let host = String::from_utf8_lossy(tape.rest());
            check(&format!("enode://{KEY}@{host}"));
        }
        _ => name(&String::from_utf8_lossy(tape.rest())),
    }
}

/// A public key of the curve.
pub const KEY: &str = "1dd9d65c4552b5eb43d5ad55a2ee3f56c6cbc1c64a5c8d659f51fcd51bace243\
                       51232b8d7821617d2b29b54b81cdefb9b3e9c37d7fd5f63270bcc9e1a6f6a439";

fn check(text: &str) {
    let node: Enode = match text.parse() {
        Ok(node) => node,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(text.len() <= limits::ENODE_URL);
    let printed = node.to_string();
    assert!(printed.is_ascii() && printed.len() <= limits::ENODE_URL, "{printed}");
    let again: Enode = match printed.parse() {
        Ok(again) => again,
        // A zone may hold what a name may not, and geth, too, prints it as one.
        Err(error) => {
            let name = node.host_name().map_or(&[][..], HostName::as_bytes);
            let is_odd = name.iter().any(|byte| matches!(byte, b' ' | b'['));
            return assert!(is_odd && name.contains(&b'%'), "{printed}: {error}");
        }
    };
    if node.host().is_some() {
        assert_eq!(again, node);
    } else {
        // Without a host there is nothing at which ports could be.
        assert_eq!(again, Enode::incomplete(*node.public_key()));
    }
    assert_eq!(again.to_string(), printed);
    for endpoint in [node.tcp_endpoint(), node.udp_endpoint()].into_iter().flatten() {
        assert_eq!(Some(endpoint.ip()), node.ip());
        assert!(endpoint.port() != 0 && !endpoint.ip().is_unspecified());
        assert!(!endpoint.ip().is_multicast());
    }
}

/// A name as a person writes it.
fn name(text: &str) {
    let Ok(name) = HostName::new(text) else { return };
    assert_eq!(name.as_str(), Some(text));
    let url = format!("enode://{KEY}@{name}:1");
    let node: Enode = url.parse().expect("a name that was taken stands in a URL");
    assert_eq!(node.host(), Some(&Host::Name(name)));
    check(&url);
}
