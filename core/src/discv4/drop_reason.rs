//! Why a datagram was dropped, and how often that happened.

use core::fmt;

use crate::error::DecodeError;

/// Why a datagram was dropped. Nobody is told; it is counted in [`Drops`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// Before the gate: the store has not answered yet, so what we would say of
    /// ourselves is not certain.
    NotOpen,
    /// The gate: fewer than [`DATAGRAM_MIN`](crate::limits::DATAGRAM_MIN) bytes.
    TooShort,
    /// The gate: more than [`DATAGRAM`](crate::limits::DATAGRAM) bytes.
    TooLong,
    /// The gate: no kind of packet has this number.
    UnknownType,
    /// The gate: from an address or a port that no answer could reach.
    BadSource,
    /// The gate: its source has sent too much of late.
    OverBudget,
    /// The gate: strangers together have sent too much of late.
    Overloaded,
    /// The gate: the first 32 bytes are not the hash of the rest.
    BadHash,
    /// The gate: it is past its expiration.
    Expired,
    /// The gate or verification: it does not say what its kind says.
    Malformed(DecodeError),
    /// Verification: no key could have signed it.
    BadSignature,
    /// Our own key signed it.
    FromSelf,
    /// It asks for something that is for proven endpoints only.
    Unproven,
    /// It answers nothing that we have asked, or too late, or from elsewhere.
    Unsolicited,
    /// It holds a record that is none, or another node's, or one that names an
    /// address its sender cannot have.
    BadRecord,
    /// What it asks for would need a place where all are taken.
    NoCapacity,
}

/// Names in the order of [`DropReason::index`].
const LABELS: [&str; 16] = [
    "not_open",
    "too_short",
    "too_long",
    "unknown_type",
    "bad_source",
    "over_budget",
    "overloaded",
    "bad_hash",
    "expired",
    "malformed",
    "bad_signature",
    "from_self",
    "unproven",
    "unsolicited",
    "bad_record",
    "no_capacity",
];

impl DropReason {
    const fn index(self) -> usize {
        match self {
            Self::NotOpen => 0,
            Self::TooShort => 1,
            Self::TooLong => 2,
            Self::UnknownType => 3,
            Self::BadSource => 4,
            Self::OverBudget => 5,
            Self::Overloaded => 6,
            Self::BadHash => 7,
            Self::Expired => 8,
            Self::Malformed(_) => 9,
            Self::BadSignature => 10,
            Self::FromSelf => 11,
            Self::Unproven => 12,
            Self::Unsolicited => 13,
            Self::BadRecord => 14,
            Self::NoCapacity => 15,
        }
    }

    /// Its name for metrics, the same in all versions: `bad_hash`.
    pub const fn label(self) -> &'static str {
        LABELS[self.index()]
    }

    /// Whether the datagram may be of another protocol on the same port: it is
    /// no packet of this one. (discv5 packets have 63 to 1280 bytes, random ones.)
    pub const fn may_be_foreign(self) -> bool {
        match self {
            Self::TooShort | Self::UnknownType | Self::BadHash => true,
            Self::NotOpen
            | Self::TooLong
            | Self::BadSource
            | Self::OverBudget
            | Self::Overloaded
            | Self::Expired
            | Self::Malformed(_)
            | Self::BadSignature
            | Self::FromSelf
            | Self::Unproven
            | Self::Unsolicited
            | Self::BadRecord
            | Self::NoCapacity => false,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "not open yet",
            Self::TooShort => "too small",
            Self::TooLong => "too large",
            Self::UnknownType => "unknown type",
            Self::BadSource => "source that cannot be answered",
            Self::OverBudget => "source over its budget",
            Self::Overloaded => "too many packets of strangers",
            Self::BadHash => "bad hash",
            Self::Expired => "expired",
            Self::Malformed(error) => return write!(f, "malformed: {error}"),
            Self::BadSignature => "invalid signature",
            Self::FromSelf => "from ourselves",
            Self::Unproven => "unknown node",
            Self::Unsolicited => "unsolicited reply",
            Self::BadRecord => "invalid record",
            Self::NoCapacity => "no capacity",
        })
    }
}

impl core::error::Error for DropReason {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Malformed(error) = self { Some(error) } else { None }
    }
}

impl From<DecodeError> for DropReason {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// How many datagrams were dropped, by reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drops([u64; LABELS.len()]);

impl Drops {
    /// One more.
    pub const fn count(&mut self, reason: DropReason) {
        let counter = &mut self.0[reason.index()];
        *counter = counter.saturating_add(1);
    }

    /// How many for this reason. All [`DropReason::Malformed`] are one.
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason.index()]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Every reason's label and how many, in an order that stays.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, u64)> + '_ {
        LABELS.iter().zip(&self.0).map(|(label, count)| (*label, *count))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    const ALL: [DropReason; LABELS.len()] = [
        DropReason::NotOpen,
        DropReason::TooShort,
        DropReason::TooLong,
        DropReason::UnknownType,
        DropReason::BadSource,
        DropReason::OverBudget,
        DropReason::Overloaded,
        DropReason::BadHash,
        DropReason::Expired,
        DropReason::Malformed(DecodeError::Truncated),
        DropReason::BadSignature,
        DropReason::FromSelf,
        DropReason::Unproven,
        DropReason::Unsolicited,
        DropReason::BadRecord,
        DropReason::NoCapacity,
    ];

    #[test]
    fn every_reason_has_a_counter_and_a_label_of_its_own() {
        let mut drops = Drops::default();
        for (index, reason) in ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            for _ in 0..=index {
                drops.count(reason);
            }
        }
        for (index, (label, count)) in drops.iter().enumerate() {
            assert_eq!(label, ALL[index].label());
            assert_eq!(count, index as u64 + 1);
            assert_eq!(drops.of(ALL[index]), count);
            assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(LABELS[..index].iter().all(|other| *other != label));
        }
        assert_eq!(drops.total(), (1..=16).sum());
    }

    #[test]
    fn the_label_says_what_the_variant_is_called() {
        for reason in ALL {
            let name = alloc::format!("{reason:?}");
            let name = name.split('(').next().unwrap();
            let mut label = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !label.is_empty() {
                    label.push('_');
                }
                label.extend(letter.to_lowercase());
            }
            assert_eq!(label, reason.label());
        }
    }

    #[test]
    fn a_counter_stays_at_its_end() {
        let mut drops = Drops([u64::MAX; LABELS.len()]);
        drops.count(DropReason::Expired);
        assert_eq!(drops.of(DropReason::Expired), u64::MAX);
        assert_eq!(drops.total(), u64::MAX);
    }

    #[test]
    fn kinds_of_malformed_share_a_counter() {
        let mut drops = Drops::default();
        drops.count(DecodeError::Overflow.into());
        drops.count(DecodeError::Truncated.into());
        assert_eq!(drops.of(DropReason::Malformed(DecodeError::WrongLength)), 2);
    }
}
