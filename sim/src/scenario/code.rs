//! A scenario as Rust, ready to be pasted: what is as it is by itself is left out.

use core::fmt::{self, Write as _};
use core::time::Duration;

use super::{Defence, Families, Fault, Keys, Kind, NodePlan, Scenario, Whom};
use crate::adversary::{Adversary, Attack, Stall, Useless};
use crate::host::disk::Durable;
use crate::network::nat::{Nat, NatKind};
use crate::network::quality::Quality;
use crate::network::region::Region;

/// Names that a printed test may have to import.
const NAMES: [&str; 18] = [
    "Adversary",
    "Attack",
    "Defence",
    "Durable",
    "Families",
    "Fault",
    "Keys",
    "Kind",
    "Nat",
    "NatKind",
    "NodePlan",
    "Quality",
    "Region",
    "Scenario",
    "Stall",
    "Talk",
    "Useless",
    "Whom",
];

impl Scenario {
    /// A test of this name that plays the scenario and fails if anything goes wrong.
    ///
    /// `trial` is an expression for its [`Trial`](crate::Trial): `&()` for none.
    pub fn to_rust(&self, name: &str, trial: &str) -> String {
        let (body, rest) = (self.body(), self.rest());
        let used = format!("{body} {rest} {trial}");
        let is_used = |name: &&str| {
            used.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *name)
        };
        let mut names: Vec<&str> = NAMES.into_iter().filter(is_used).collect();
        names.push("play");
        let mut text = format!("#[test]\nfn {name}() {{\n");
        if used.contains("Duration::") {
            text.push_str("    use core::time::Duration;\n\n");
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "    use devp2p_sim::{{{}}};\n", names.join(", "));
        let _ = writeln!(text, "    let scenario = {body};");
        text.push_str(&rest);
        let _ = writeln!(text, "    let played = play(&scenario, {trial}).unwrap();");
        text.push_str("    if let Some(violation) = played.violation {\n");
        text.push_str("        panic!(\"{violation}\");\n    }\n}\n");
        text
    }

    fn body(&self) -> String {
        let mut text = format!("Scenario::new({})", self.seed);
        for (name, plan) in &self.nodes {
            let _ = write!(text, "\n        .node({name}, {})", plan.code());
        }
        for fault in &self.faults {
            let Fault { at, lasts, whom, kind } = fault;
            let _ = write!(text, "\n        .fault(Fault {{\n            at: {},", at.code());
            let _ = write!(text, "\n            lasts: {},", lasts.code());
            let _ = write!(text, "\n            whom: {},", whom.code());
            let _ = write!(text, "\n            kind: {},\n        }})", kind.code());
        }
        for (name, adversary) in &self.adversaries {
            let _ = write!(text, "\n        .adversary({name}, {})", adversary.code());
        }
        match self.keys {
            Keys::Curve => {}
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Keys::InsecureStandIn => text.push_str("\n        .keys(Keys::InsecureStandIn)"),
        }
        text
    }

    /// What no method of a builder says.
    fn rest(&self) -> String {
        let ordinary = Self::new(self.seed);
        let mut fields = Vec::new();
        if self.calm != ordinary.calm {
            fields.push(format!("calm: {}", self.calm.code()));
        }
        if self.checked != ordinary.checked {
            fields.push(format!("checked: {}", self.checked));
        }
        if self.oracles != ordinary.oracles {
            fields.push(format!("oracles: {}", self.oracles));
        }
        if self.journal != ordinary.journal {
            fields.push(format!("journal: {}", self.journal));
        }
        if fields.is_empty() {
            return String::new();
        }
        format!("    let scenario = Scenario {{ {}, ..scenario }};\n", fields.join(", "))
    }
}

/// A value as Rust writes it.
pub(crate) trait Code {
    fn code(&self) -> String;
}

/// As [`Scenario::to_rust`] writes it: only what is out of the ordinary.
macro_rules! displayed {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.code())
            }
        }
    )*};
}

displayed!(Adversary, Kind, NodePlan);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, whom, kind } = self;
        write!(f, "at {at:?} ")?;
        if self.is_endless() {
            f.write_str("for ever")?
        } else {
            write!(f, "for {lasts:?}")?
        }
        match whom {
            Whom::All => write!(f, ", all nodes: {kind}"),
            Whom::Nodes(names) => write!(f, ", nodes {names:?}: {kind}"),
        }
    }
}

/// By its type's name and that of the variant.
macro_rules! named {
    ($($type:ident),*) => {$(
        impl Code for $type {
            fn code(&self) -> String {
                format!(concat!(stringify!($type), "::{:?}"), self)
            }
        }
    )*};
}

named!(Defence, Durable, Families, NatKind, Region, Stall, Useless);

macro_rules! as_shown {
    ($($type:ty),*) => {$(
        impl Code for $type {
            fn code(&self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}

as_shown!(bool, u16, u32, u64, usize, i32, i64, String);

impl Code for Duration {
    fn code(&self) -> String {
        let nanos = self.subsec_nanos();
        if nanos == 0 {
            format!("Duration::from_secs({})", self.as_secs())
        } else if nanos.is_multiple_of(1_000_000) {
            format!("Duration::from_millis({})", self.as_millis())
        } else {
            format!("Duration::new({}, {nanos})", self.as_secs())
        }
    }
}

impl<T: Code> Code for Option<T> {
    fn code(&self) -> String {
        self.as_ref().map_or_else(|| "None".to_owned(), |some| format!("Some({})", some.code()))
    }
}

impl Code for Vec<u32> {
    fn code(&self) -> String {
        format!("vec!{self:?}")
    }
}

impl Code for Vec<Defence> {
    fn code(&self) -> String {
        let all: Vec<String> = self.iter().map(Code::code).collect();
        format!("vec![{}]", all.join(", "))
    }
}

impl Code for Vec<String> {
    fn code(&self) -> String {
        let texts: Self = self.iter().map(|text| format!("{text:?}.to_owned()")).collect();
        format!("vec![{}]", texts.join(", "))
    }
}

impl Code for Nat {
    fn code(&self) -> String {
        let Self { kind, time_out, hairpin, maps_ports } = self;
        format!(
            "Nat {{ kind: {}, time_out: {}, hairpin: {hairpin}, maps_ports: {maps_ports} }}",
            kind.code(),
            time_out.code()
        )
    }
}

impl Code for Whom {
    fn code(&self) -> String {
        match self {
            Self::All => "Whom::All".to_owned(),
            Self::Nodes(names) => format!("Whom::Nodes({})", names.code()),
        }
    }
}

impl Code for Attack {
    fn code(&self) -> String {
        let of = |value: String| format!("Attack::{}({value})", self.name());
        match self {
            Self::Forge(rate) | Self::PingFlood(rate) => of(rate.code()),
            Self::Stall(how) => of(how.code()),
            Self::Useless(why) => of(why.code()),
            Self::ClockLie(micros) => of(micros.code()),
            Self::Sybil { dials } => format!("Attack::Sybil {{ dials: {dials} }}"),
            Self::Poison => "Attack::Poison".to_owned(),
        }
    }
}

impl Code for Kind {
    fn code(&self) -> String {
        let of = |value: String| format!("Kind::{}({value})", self.name());
        match self {
            Self::Link(quality) | Self::LinkOut(quality) | Self::LinkIn(quality) => {
                of(quality.code())
            }
            Self::Slow(time)
            | Self::LateMessages(time)
            | Self::LateVerification(time)
            | Self::ReadsSlowly(time)
            | Self::SlowStore(time)
            | Self::ClockGrain(time) => of(time.code()),
            Self::ClockStep(micros) => of(micros.code()),
            Self::ClockDrift(millionths) => of(millionths.code()),
            Self::Crash { silently, durable, moves, renews_key } => {
                let durable = durable.code();
                format!(
                    "Kind::Crash {{ silently: {silently}, durable: {durable}, moves: {moves}, \
                     renews_key: {renews_key} }}"
                )
            }
            Self::Partition
            | Self::OneWay
            | Self::Pause
            | Self::ReadsNothing
            | Self::AcceptsNothing
            | Self::FailingStore
            | Self::FullStore
            | Self::Rebinding => format!("Kind::{}", self.name()),
        }
    }
}

/// What differs from the simplest, and what a struct is made simpler by: field by
/// field. Every field is named, so that none can be forgotten.
macro_rules! by_field {
    ($type:ident, $simplest:ident, $($field:ident),* $(,)?) => {
        impl Code for $type {
            fn code(&self) -> String {
                let Self { $($field),* } = self;
                let mut fields = Vec::new();
                $(if *$field != Self::$simplest.$field {
                    fields.push(format!(concat!(stringify!($field), ": {}"), $field.code()));
                })*
                let simplest = concat!(stringify!($type), "::", stringify!($simplest));
                if fields.is_empty() {
                    simplest.to_owned()
                } else {
                    format!("{} {{ {}, ..{simplest} }}", stringify!($type), fields.join(", "))
                }
            }
        }

        impl $type {
            /// What makes it simpler: each sets one field to what the simplest has.
            pub(crate) const SIMPLER: &[fn(&mut Self)] =
                &[$(|one| one.$field = Self::$simplest.$field),*];

            /// All that have one field less that is not as it is in the simplest.
            pub(crate) fn simpler(&self) -> Vec<Self> {
                let all = Self::SIMPLER.iter().map(|set| {
                    let mut simpler = Clone::clone(self);
                    set(&mut simpler);
                    simpler
                });
                all.filter(|simpler| simpler != self).collect()
            }
        }
    };
}

by_field!(
    NodePlan,
    ORDINARY,
    is_bootnode,
    starts,
    region,
    provider,
    families,
    nat,
    home,
    max_peers,
    dial_ratio,
    dials,
    discovers,
    static_nodes,
    trusted_nodes,
    net_restrict,
    has_nothing_in_common,
    has_store,
    bandwidth,
    without,
);

by_field!(Adversary, LONE, begins, lasts, whom, ids, networks, attack);

by_field!(
    Quality,
    PERFECT,
    loss,
    burst_loss,
    delay,
    jitter,
    reorder,
    duplicate,
    replay,
    corrupt,
    truncate,
    mtu,
    icmp,
    send_buffer_full,
    clogged,
    refuse,
    unanswered,
    reset,
    fin,
    segment,
    merge,
    stall,
    bandwidth,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawOptions;

    #[test]
    fn only_what_is_out_of_the_ordinary_is_printed() {
        let plan = NodePlan { max_peers: 3, static_nodes: vec![0], ..NodePlan::ORDINARY };
        let half = Duration::from_millis(2500);
        let scenario = Scenario::new(5).nodes(1).node(7, plan).partition(vec![7], half, half * 2);
        assert_eq!(
            scenario.to_rust("two_nodes", "&()"),
            r#"#[test]
fn two_nodes() {
    use core::time::Duration;

    use devp2p_sim::{Fault, Kind, NodePlan, Scenario, Whom, play};

    let scenario = Scenario::new(5)
        .node(0, NodePlan { is_bootnode: true, ..NodePlan::ORDINARY })
        .node(7, NodePlan { max_peers: 3, static_nodes: vec![0], ..NodePlan::ORDINARY })
        .fault(Fault {
            at: Duration::from_millis(2500),
            lasts: Duration::from_secs(5),
            whom: Whom::Nodes(vec![7]),
            kind: Kind::Partition,
        });
    let played = play(&scenario, &()).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}
"#
        );
    }

    #[test]
    fn a_fault_says_when_whom_and_what() {
        let kind = Kind::LinkIn(Quality { loss: 5, ..Quality::PERFECT });
        let (at, lasts) = (Duration::from_millis(2500), Duration::MAX);
        let fault = Fault { at, lasts, whom: Whom::Nodes(vec![1, 4]), kind };
        let said = "at 2.5s for ever, nodes [1, 4]: \
                    Kind::LinkIn(Quality { loss: 5, ..Quality::PERFECT })";
        assert_eq!(fault.to_string(), said);
        assert_eq!(NodePlan::ORDINARY.to_string(), "NodePlan::ORDINARY");
    }

    #[test]
    fn adversaries_are_printed_too() {
        let flood = Adversary { ids: 9, attack: Attack::PingFlood(50), ..Adversary::LONE };
        let stall = Adversary { attack: Attack::Stall(Stall::Shaken), ..Adversary::LONE };
        let plan = NodePlan { without: vec![Defence::Budgets], ..NodePlan::ORDINARY };
        let scenario = Scenario::new(5).node(1, plan).adversary(0, flood).adversary(3, stall);
        let text = scenario.to_rust("forsaken", "&()");
        let names = "{Adversary, Attack, Defence, NodePlan, Scenario, Stall, play}";
        assert!(text.contains(names), "{text}");
        assert!(
            text.contains("NodePlan { without: vec![Defence::Budgets], ..NodePlan::ORDINARY }")
        );
        let first = "Adversary { ids: 9, attack: Attack::PingFlood(50), ..Adversary::LONE }";
        assert!(text.contains(&format!(".adversary(0, {first})")));
        let other = "Adversary { attack: Attack::Stall(Stall::Shaken), ..Adversary::LONE }";
        assert!(text.contains(&format!(".adversary(3, {other})")));
    }

    #[test]
    fn what_is_simpler_differs_in_one_field_and_nothing_is_simpler_than_the_simplest() {
        assert!(NodePlan::ORDINARY.simpler().is_empty() && Quality::PERFECT.simpler().is_empty());
        for seed in 0..50 {
            for plan in Scenario::draw(seed, &DrawOptions::DEFAULT).nodes.into_values() {
                let mut simplest = plan;
                let mut steps = 0;
                while let Some(simpler) = simplest.simpler().pop() {
                    simplest = simpler;
                    steps += 1;
                }
                assert!(simplest == NodePlan::ORDINARY && steps < 18);
            }
        }
    }
}
