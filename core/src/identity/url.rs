//! As much of Go's `net/url` as an enode URL meets.
//!
//! The URL standard and RFC 3986 each disagree with Go somewhere (`::1:30303`
//! is a host and a port to Go, `%41` in a host is an error, `127.0.0.01` is a
//! name), and what geth accepts is decided by Go 1.26. Hence no URL library.
//!
//! ```text
//! enode://userinfo@host:port/path?query#fragment
//! ```

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::str;

use super::EnodeError;

/// The parts of a URL that geth looks at.
pub(super) struct Url<'a> {
    /// What stands before the `@`, unescaped; `None` without one.
    pub(super) user: Option<Vec<u8>>,
    /// The host, unescaped, without brackets and port.
    pub(super) host: Vec<u8>,
    /// The digits after the host; empty without any.
    pub(super) port: &'a str,
    query: &'a str,
}

impl<'a> Url<'a> {
    /// Takes `text` apart, with the checks of `url.Parse` in their order. The
    /// one exception: a foreign scheme is refused before the rest is looked at.
    pub(super) fn parse(text: &'a str) -> Result<Self, EnodeError> {
        let (text, fragment) = cut(text, '#');
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(EnodeError::ControlCharacter);
        }
        let rest = match text.split_once(':') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("enode") => rest,
            Some(_) | None => return Err(EnodeError::Scheme),
        };
        let (rest, query) = cut(rest, '?');
        let mut url = Self { user: None, host: Vec::new(), port: "", query };
        if let Some(rest) = rest.strip_prefix("//") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            url.set_authority(authority)?;
            unescape(path, Part::Other)?;
        } else if rest.starts_with('/') {
            unescape(rest, Part::Other)?;
        }
        unescape(fragment, Part::Other)?;
        Ok(url)
    }

    fn set_authority(&mut self, authority: &'a str) -> Result<(), EnodeError> {
        let Some((user, host)) = authority.rsplit_once('@') else {
            return self.set_host(authority);
        };
        self.set_host(host)?;
        if !user.chars().all(is_user_char) {
            return Err(EnodeError::UserInfo);
        }
        self.user = Some(unescape(user, Part::Other)?);
        Ok(())
    }

    fn set_host(&mut self, text: &'a str) -> Result<(), EnodeError> {
        match text.rfind('[') {
            Some(0) => {
                let close = text.rfind(']').ok_or(EnodeError::MissingBracket)?;
                self.port = optional_port(&text[close + 1..])?;
                self.host = ip_literal(&text[1..close])?;
            }
            Some(_) => return Err(EnodeError::IpLiteral),
            None => {
                // The last colon, not the first: Go is strict for HTTP alone.
                let colon = text.rfind(':').unwrap_or(text.len());
                self.port = optional_port(&text[colon..])?;
                self.host = unescape(&text[..colon], Part::Host)?;
            }
        }
        Ok(())
    }

    /// The first value of `key` in the query, unescaped. Pairs that are
    /// malformed are passed over. A `+` stays one, where Go has a blank: a port
    /// can hold neither.
    pub(super) fn query_value(&self, key: &str) -> Option<Vec<u8>> {
        self.query.split('&').filter(|pair| !pair.contains(';')).find_map(|pair| {
            let (name, value) = cut(pair, '=');
            let name = unescape(name, Part::Other).ok()?;
            let value = unescape(value, Part::Other).ok()?;
            (name == key.as_bytes()).then_some(value)
        })
    }
}

/// What stands before and after the first `mark`.
fn cut(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

/// The digits of `:digits`, which may be none. Go `validOptionalPort`.
fn optional_port(text: &str) -> Result<&str, EnodeError> {
    match text.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(digits),
        None if text.is_empty() => Ok(""),
        Some(_) | None => Err(EnodeError::Port),
    }
}

/// What stands in brackets: an IPv6 address, perhaps with a zone.
fn ip_literal(text: &str) -> Result<Vec<u8>, EnodeError> {
    // RFC 6874: an escaped percent sign begins the zone.
    let (address, zone) = text.split_at(text.find("%25").unwrap_or(text.len()));
    let mut host = unescape(address, Part::Host)?;
    host.extend(unescape(zone, Part::Zone)?);
    let text = str::from_utf8(&host).map_err(|_| EnodeError::IpLiteral)?;
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    if address.parse::<Ipv6Addr>().is_err() || zone.is_empty() {
        return Err(EnodeError::IpLiteral);
    }
    Ok(host)
}

/// The part of a URL decides what may be escaped in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

/// Go `unescape`.
fn unescape(text: &str, part: Part) -> Result<Vec<u8>, EnodeError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let byte = bytes.next().and_then(hex_digit).zip(bytes.next().and_then(hex_digit));
                let byte = byte.map(|(high, low)| high << 4 | low).ok_or(EnodeError::Escape)?;
                let allowed = match part {
                    Part::Host => byte == b'%' || !byte.is_ascii(),
                    Part::Zone => matches!(byte, b'%' | b' ') || is_host_char(char::from(byte)),
                    Part::Other => true,
                };
                if !allowed {
                    return Err(EnodeError::Escape);
                }
                byte
            }
            _ if part != Part::Other && byte.is_ascii() && !is_host_char(char::from(byte)) => {
                return Err(EnodeError::HostCharacter(char::from(byte)));
            }
            _ => byte,
        });
    }
    Ok(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether a host holds this ASCII character unescaped. RFC 3986, section
/// 3.2.2, and `<>"`, which Go lets pass.
pub(super) const fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '-' | '_' | '.' | '~')
        || matches!(c, '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=')
        || matches!(c, ':' | '[' | ']' | '<' | '>' | '"')
}

/// RFC 3986, section 3.2.1, and `@`, which Go lets pass. Go `validUserinfo`.
const fn is_user_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '-' | '_' | '.' | '~')
        || matches!(c, '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=')
        || matches!(c, ':' | '@' | '%')
}
