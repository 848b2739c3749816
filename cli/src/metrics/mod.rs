//! What a node counts, for Prometheus: its text format, over a port that answers
//! nothing else.

mod families;
mod http;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use devp2p_smol::NodeSnapshot;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use serde_json::{Map, Value};

use families::{Family, Kind, families};
pub(crate) use http::Port;

/// The port of geth's metrics.
const PORT: u16 = 6060;

/// Where metrics are served if nobody says where.
pub(crate) const DEFAULT: &str = "127.0.0.1:6060";

/// Upper ends of the histogram's buckets, in seconds: from a loopback's handshake
/// to its time limit.
const HANDSHAKES: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// An address as it is written on the command line: of loopback, if only a port is.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, PORT));
    }
    text.parse().map_err(|_| "expected an IP address and a port, or one of them".to_owned())
}

/// What is counted here, beside what the node counts itself.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    handshakes: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let help = "Duration of the encryption handshake of connections that were admitted";
        let options = HistogramOpts::new("devp2p_handshake_seconds", help);
        let handshakes = Histogram::with_opts(options.buckets(HANDSHAKES.to_vec()))?;
        Ok(Self { handshakes })
    }

    /// A peer was admitted whose handshake took so long.
    pub(crate) fn shook_hands(&self, took: Duration) {
        self.handshakes.observe(took.as_secs_f64());
    }

    /// All that is known, as Prometheus reads it.
    fn text(&self, snapshot: &NodeSnapshot) -> prometheus::Result<Vec<u8>> {
        let registry = Registry::new();
        registry.register(Box::new(self.handshakes.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let version = Family {
            name: "devp2p_build_info",
            help: "Always 1; the version is in the label",
            kind: Kind::Gauge,
            labels: &["version"],
            samples: vec![(vec![env!("CARGO_PKG_VERSION").to_owned()], 1)],
        };
        for family in families(snapshot).iter().chain([&version]) {
            register(&registry, family)?;
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn register(registry: &Registry, family: &Family) -> prometheus::Result<()> {
    // A name without a single sample has no place in the text.
    if family.samples.is_empty() {
        return Ok(());
    }
    let options = Opts::new(family.name, family.help);
    match family.kind {
        Kind::Counter => {
            let counters = IntCounterVec::new(options, family.labels)?;
            for (labels, count) in &family.samples {
                counters.get_metric_with_label_values(labels)?.inc_by(*count);
            }
            registry.register(Box::new(counters))
        }
        Kind::Gauge => {
            let gauges = IntGaugeVec::new(options, family.labels)?;
            for (labels, count) in &family.samples {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                gauges.get_metric_with_label_values(labels)?.set(count);
            }
            registry.register(Box::new(gauges))
        }
    }
}

/// Every counter of a node by its name and labels.
pub(crate) fn reasons(snapshot: &NodeSnapshot) -> Value {
    let mut all = Map::new();
    for family in families(snapshot).iter().filter(|family| family.kind == Kind::Counter) {
        let at = all.entry(family.name).or_insert_with(|| Value::Object(Map::new()));
        for (labels, count) in &family.samples {
            let mut at = &mut *at;
            for label in labels {
                // Every label above the last one holds an object.
                let Value::Object(values) = at else { break };
                at = values.entry(label.clone()).or_insert_with(|| Value::Object(Map::new()));
            }
            *at = Value::from(*count);
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_loopback_unless_it_says_otherwise() {
        let at = |text: &str| address(text).unwrap().to_string();
        assert_eq!(at("9100"), "127.0.0.1:9100");
        assert_eq!(at("10.0.0.1"), "10.0.0.1:6060");
        assert_eq!(at("[::1]:1"), "[::1]:1");
        assert_eq!(at(DEFAULT), DEFAULT);
        assert!(address("localhost").is_err() && address("").is_err());
    }
}
