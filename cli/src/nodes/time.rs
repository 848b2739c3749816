//! Times in the file, as Go writes them: RFC 3339, and the year 1 for never.

use jiff::Timestamp;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

/// What stands for no time at all. Go's zero `time.Time`.
pub(super) const NEVER: Timestamp = Timestamp::constant(-62_135_596_800, 0);

pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    time.unwrap_or(NEVER).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Timestamp>, D::Error> {
    let time = Option::<Timestamp>::deserialize(from)?;
    Ok(time.filter(|time| *time != NEVER))
}
