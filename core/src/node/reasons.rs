//! Why a connection was refused, a node not dialled, a dial lost; and how often.

use core::fmt;

use crate::p2p::DisconnectReason;

/// Why a TCP connection is closed before a byte has been read. The other is
/// told nothing, as in geth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IncomingRefusal {
    /// Its address is outside of the networks that we keep to.
    NetRestrict,
    /// Its address connected less than
    /// [`limits::INBOUND_THROTTLE`](crate::limits::INBOUND_THROTTLE) ago.
    Throttled,
    /// As many connections as are allowed have not been admitted yet, and none
    /// of them has been silent for long.
    TooManyPending,
    /// The node is stopping.
    Stopping,
}

/// Why a connection is not admitted, by the other's key and hello.
///
/// [`DisconnectReason`] has more; these are those that the node decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// All slots are taken, or all of those for inbound connections.
    TooManyPeers,
    /// There is a connection to this node already.
    AlreadyConnected,
    /// It is our own key.
    SelfConnected,
    /// No capability is shared.
    UselessPeer,
}

impl Refusal {
    /// What the other is told.
    pub const fn reason(self) -> DisconnectReason {
        match self {
            Self::TooManyPeers => DisconnectReason::TooManyPeers,
            Self::AlreadyConnected => DisconnectReason::AlreadyConnected,
            Self::SelfConnected => DisconnectReason::SelfConnected,
            Self::UselessPeer => DisconnectReason::UselessPeer,
        }
    }
}

/// Why a node is not dialled. geth `checkDial`, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialRefusal {
    /// It is ourselves.
    SelfDialled,
    /// It has an address and no TCP port; or a source has brought it without an address.
    NoPort,
    /// It is being dialled.
    AlreadyDialling,
    /// It is a peer.
    AlreadyConnected,
    /// It is dialling us.
    PendingInbound,
    /// Its address is outside of the networks that we keep to.
    NetRestrict,
    /// It was dialled less than [`limits::DIAL_HISTORY_LIFE`](crate::limits::DIAL_HISTORY_LIFE) ago.
    RecentlyDialled,
}

/// Why a dial came to no TCP connection. What comes of the connection then is a
/// [`SessionError`](crate::session::SessionError).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialFailure {
    /// No address is known, or no TCP port.
    NoEndpoint,
    /// Its host name has no address, or nobody could say which.
    UnresolvedName,
    /// Outside of the networks that we keep to.
    NetRestrict,
    /// Nobody listens there.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// There is no way there.
    Unreachable,
    /// The other reset it.
    Reset,
    /// The system does not let us: a packet filter, say.
    Denied,
    /// The system has no file descriptor, port or memory for it.
    NoResources,
    /// Something else.
    Failed,
    /// Given up: nobody wants it any more, or the node is stopping.
    GivenUp,
    /// As many dials as are allowed have been asked for.
    TooManyDials,
}

impl DialFailure {
    /// Whether a connection was tried at all.
    pub const fn was_tried(self) -> bool {
        match self {
            Self::NoEndpoint
            | Self::UnresolvedName
            | Self::NetRestrict
            | Self::GivenUp
            | Self::TooManyDials => false,
            Self::Refused
            | Self::TimedOut
            | Self::Unreachable
            | Self::Reset
            | Self::Denied
            | Self::NoResources
            | Self::Failed => true,
        }
    }
}

/// A reason that is counted under a label.
pub trait Reason: Copy + fmt::Debug + 'static {
    /// All of them, in the order of [`Reason::index`].
    const ALL: &'static [Self];

    /// Its place.
    fn index(self) -> usize;

    /// Its name for metrics, the same in all versions: `too_many_peers`.
    fn label(self) -> &'static str;
}

/// How often each reason occurred. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally<R, const N: usize> {
    counts: [u64; N],
    reason: core::marker::PhantomData<R>,
}

impl<R, const N: usize> Default for Tally<R, N> {
    fn default() -> Self {
        Self { counts: [0; N], reason: core::marker::PhantomData }
    }
}

impl<R: Reason, const N: usize> Tally<R, N> {
    /// Counts one.
    pub(super) fn count(&mut self, reason: R) {
        if let Some(count) = self.counts.get_mut(reason.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// How often this reason occurred.
    pub fn of(&self, reason: R) -> u64 {
        self.counts.get(reason.index()).copied().unwrap_or(0)
    }

    /// Every reason's label with its count, those at 0 included, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        R::ALL.iter().map(|reason| (reason.label(), self.of(*reason)))
    }

    /// How often any did.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Joins the variants of a [`Reason`] to their labels and texts.
macro_rules! reasons {
    ($name:ident, $alias:ident: $count:literal, $($variant:ident $label:literal $text:literal),+ $(,)?) => {
        #[doc = concat!("How often each [`", stringify!($name), "`] occurred.")]
        pub type $alias = Tally<$name, $count>;

        impl Reason for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn index(self) -> usize {
                self as usize
            }

            fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text),+
                })
            }
        }

        impl core::error::Error for $name {}

        const _: () = assert!($name::ALL.len() == $count);
    };
}

reasons!(IncomingRefusal, IncomingRefusals: 4,
    NetRestrict "net_restrict" "not in the networks we keep to",
    Throttled "throttled" "too many attempts",
    TooManyPending "too_many_pending" "too many pending connections",
    Stopping "stopping" "node is stopping",
);

reasons!(Refusal, Refusals: 4,
    TooManyPeers "too_many_peers" "too many peers",
    AlreadyConnected "already_connected" "already connected",
    SelfConnected "self_connected" "connected to self",
    UselessPeer "useless_peer" "useless peer",
);

reasons!(DialRefusal, DialRefusals: 7,
    SelfDialled "self_dialled" "is self",
    NoPort "no_port" "node does not provide TCP port",
    AlreadyDialling "already_dialling" "already dialling",
    AlreadyConnected "already_connected" "already connected",
    PendingInbound "pending_inbound" "already connecting to us",
    NetRestrict "net_restrict" "not in the networks we keep to",
    RecentlyDialled "recently_dialled" "recently dialled",
);

reasons!(DialFailure, DialFailures: 12,
    NoEndpoint "no_endpoint" "node has no TCP endpoint",
    UnresolvedName "unresolved_name" "cannot resolve host name",
    NetRestrict "net_restrict" "not in the networks we keep to",
    Refused "refused" "connection refused",
    TimedOut "timed_out" "connection timed out",
    Unreachable "unreachable" "no route to host",
    Reset "reset" "connection reset",
    Denied "denied" "not permitted",
    NoResources "no_resources" "out of file descriptors, ports or memory",
    Failed "failed" "connection failed",
    GivenUp "given_up" "given up",
    TooManyDials "too_many_dials" "too many dials",
);

/// How often others gave each [`DisconnectReason`].
pub type DisconnectReasons = Tally<DisconnectReason, 15>;

const _: () = assert!(DisconnectReason::ALL.len() == 15);

impl Reason for DisconnectReason {
    /// Those that are unknown are one.
    const ALL: &'static [Self] = &[
        Self::Requested,
        Self::NetworkError,
        Self::ProtocolBreach,
        Self::UselessPeer,
        Self::TooManyPeers,
        Self::AlreadyConnected,
        Self::IncompatibleVersion,
        Self::InvalidIdentity,
        Self::Quitting,
        Self::UnexpectedIdentity,
        Self::SelfConnected,
        Self::ReadTimeout,
        Self::SubprotocolError,
        Self::Invalid,
        Self::Unknown(0),
    ];

    fn index(self) -> usize {
        match self {
            Self::SubprotocolError => 12,
            Self::Invalid => 13,
            Self::Unknown(_) => 14,
            Self::Requested
            | Self::NetworkError
            | Self::ProtocolBreach
            | Self::UselessPeer
            | Self::TooManyPeers
            | Self::AlreadyConnected
            | Self::IncompatibleVersion
            | Self::InvalidIdentity
            | Self::Quitting
            | Self::UnexpectedIdentity
            | Self::SelfConnected
            | Self::ReadTimeout => usize::from(self.code()),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::NetworkError => "network_error",
            Self::ProtocolBreach => "protocol_breach",
            Self::UselessPeer => "useless_peer",
            Self::TooManyPeers => "too_many_peers",
            Self::AlreadyConnected => "already_connected",
            Self::IncompatibleVersion => "incompatible_version",
            Self::InvalidIdentity => "invalid_identity",
            Self::Quitting => "quitting",
            Self::UnexpectedIdentity => "unexpected_identity",
            Self::SelfConnected => "self_connected",
            Self::ReadTimeout => "read_timeout",
            Self::SubprotocolError => "subprotocol_error",
            Self::Invalid => "invalid",
            Self::Unknown(_) => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn labels_are_names<R: Reason>() {
        for (index, reason) in R::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            let mut label = String::new();
            let name = alloc::format!("{reason:?}");
            for letter in name.chars().take_while(|letter| *letter != '(') {
                if letter.is_uppercase() && !label.is_empty() {
                    label.push('_');
                }
                label.extend(letter.to_lowercase());
            }
            assert_eq!(label, reason.label());
        }
    }

    #[test]
    fn the_label_says_what_the_variant_is_called() {
        labels_are_names::<IncomingRefusal>();
        labels_are_names::<Refusal>();
        labels_are_names::<DialRefusal>();
        labels_are_names::<DialFailure>();
        labels_are_names::<DisconnectReason>();
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_wire() {
        for refusal in Refusal::ALL {
            assert_eq!(alloc::format!("{refusal}"), alloc::format!("{}", refusal.reason()));
        }
    }

    #[test]
    fn each_reason_is_counted_under_its_own_label() {
        let mut tally = DialFailures::default();
        for (index, reason) in DialFailure::ALL.iter().enumerate() {
            (0..=index).for_each(|_| tally.count(*reason));
        }
        for (index, (label, count)) in tally.iter().enumerate() {
            assert_eq!(label, DialFailure::ALL[index].label());
            assert_eq!(count, index as u64 + 1);
        }
        assert_eq!(tally.total(), (1..=12).sum());
    }
}
