//! Records as text: `enr:` and URL-safe base64 without padding.

use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding as _};

use super::raw::Raw;
use super::{Record, RecordError, UnverifiedRecord};
use crate::limits;

const PREFIX: &str = "enr:";
/// Characters of the largest record: four for three bytes.
const LONGEST: usize = limits::RECORD.div_ceil(3) * 4;

fn parse(text: &str) -> Result<Raw, RecordError> {
    let text = text.strip_prefix(PREFIX).ok_or(RecordError::MissingPrefix)?;
    if text.len() > LONGEST {
        return Err(RecordError::TooLarge);
    }
    let mut rlp = [0; limits::RECORD];
    let rlp = Base64UrlUnpadded::decode(text, &mut rlp).map_err(|_| RecordError::Base64)?;
    Raw::decode(rlp)
}

fn print(raw: &Raw, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; LONGEST];
    f.write_str(PREFIX)?;
    f.write_str(Base64UrlUnpadded::encode(raw.as_rlp(), &mut text).map_err(|_| fmt::Error)?)
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        Self::verify(parse(text)?)
    }
}

impl FromStr for UnverifiedRecord {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        parse(text).map(Self)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.raw, f)
    }
}

impl fmt::Display for UnverifiedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.0, f)
    }
}
