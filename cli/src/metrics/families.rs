//! Every number that a node tells, by its name in Prometheus: the one list that
//! the metrics port, `admin_reasons` and `docs/metrics.md` agree on.

use devp2p_smol::core::discv4::Kind as Packet;
use devp2p_smol::core::driver::SocketFailure;
use devp2p_smol::core::nat;
use devp2p_smol::core::node::{Counts, Snapshot};
use devp2p_smol::core::store::Operation;
use devp2p_smol::{CapabilityTraffic, Direction, DiscoverySnapshot, NodeSnapshot};

/// Whether it only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// The samples of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    /// The labels' values, and how many.
    pub(crate) samples: Vec<(Vec<String>, u64)>,
}

impl Family {
    fn new(
        kind: Kind,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Vec<(Vec<String>, u64)>,
    ) -> Self {
        Self { name, help, kind, labels, samples }
    }
}

/// All of them. Without discovery those of discovery are left out, without a node
/// database those of the database.
pub(crate) fn families(snapshot: &NodeSnapshot) -> Vec<Family> {
    let mut list = List(Vec::new());
    list.peers(&snapshot.node);
    list.connections(&snapshot.node.counts);
    list.dials(&snapshot.node);
    list.traffic(snapshot);
    if let Some(discovery) = &snapshot.discovery {
        list.discovery(discovery);
        list.datagrams(discovery);
    }
    list.gateway(&snapshot.node.gateway);
    list.store(snapshot);
    list.queues(snapshot);
    list.0
}

struct List(Vec<Family>);

type Labelled = Vec<(Vec<String>, u64)>;

/// The two directions of connections.
const INBOUND: &str = "inbound";
const OUTBOUND: &str = "outbound";

/// The two of bytes.
const RECEIVED: &str = "received";
const SENT: &str = "sent";

fn one(count: u64) -> Labelled {
    vec![(Vec::new(), count)]
}

fn by(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Labelled {
    counts.into_iter().map(|(label, count)| (vec![label.to_owned()], count)).collect()
}

fn by_two(
    first: &str,
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) -> impl Iterator<Item = (Vec<String>, u64)> {
    let labelled = move |(label, count): (&'static str, u64)| (label.to_owned(), count);
    let first = first.to_owned();
    counts.into_iter().map(labelled).map(move |(label, count)| (vec![first.clone(), label], count))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl List {
    fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Labelled,
    ) {
        self.0.push(Family::new(Kind::Counter, name, help, labels, samples));
    }

    fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Labelled,
    ) {
        self.0.push(Family::new(Kind::Gauge, name, help, labels, samples));
    }

    fn peers(&mut self, node: &Snapshot) {
        let inbound =
            node.peers.iter().filter(|peer| peer.peer.direction == Direction::Inbound).count();
        let outbound = node.peers.len() - inbound;
        self.gauge(
            "devp2p_peers",
            "Peers, by who dialled",
            &["direction"],
            by([(INBOUND, wide(inbound)), (OUTBOUND, wide(outbound))]),
        );
        self.gauge(
            "devp2p_pending_connections",
            "Inbound connections that are not admitted yet",
            &[],
            one(wide(node.pending_inbound)),
        );
        self.gauge(
            "devp2p_static_nodes",
            "Nodes to keep a connection to",
            &[],
            one(wide(node.static_nodes)),
        );
    }

    fn connections(&mut self, counts: &Counts) {
        self.counter(
            "devp2p_connections_accepted_total",
            "TCP connections that were taken",
            &[],
            one(counts.accepted),
        );
        self.counter(
            "devp2p_connections_refused_total",
            "TCP connections that were closed at once, by reason",
            &["reason"],
            by(counts.incoming_refused.iter()),
        );
        self.counter(
            "devp2p_connections_evicted_total",
            "Silent inbound connections that made room for others",
            &[],
            one(counts.evicted),
        );
        self.counter(
            "devp2p_connections_ended_total",
            "Connections that ended, admitted or not, by kind of end",
            &["kind"],
            by(counts.ends.by_name()),
        );
        self.counter(
            "devp2p_peers_admitted_total",
            "Connections that became a peer's, by who dialled",
            &["direction"],
            by([(INBOUND, counts.admitted_inbound), (OUTBOUND, counts.admitted_outbound)]),
        );
        self.counter(
            "devp2p_peers_refused_total",
            "Connections that were refused by the other's key or hello, by who dialled and reason",
            &["direction", "reason"],
            by_two(INBOUND, counts.refused_inbound.iter())
                .chain(by_two(OUTBOUND, counts.refused_outbound.iter()))
                .collect(),
        );
        self.counter(
            "devp2p_peers_replaced_total",
            "Peers whose connection gave way to the one that the other side keeps",
            &[],
            one(counts.replaced),
        );
        self.counter(
            "devp2p_disconnects_received_total",
            "Connections that the other ended, by who dialled and the reason it gave",
            &["direction", "reason"],
            by_two(INBOUND, counts.told_inbound.iter())
                .chain(by_two(OUTBOUND, counts.told_outbound.iter()))
                .collect(),
        );
        self.counter(
            "devp2p_late_reports_total",
            "Reports of connections that came too late to mean anything",
            &[],
            one(counts.late_reports),
        );
    }

    fn dials(&mut self, node: &Snapshot) {
        let counts = &node.counts;
        self.gauge("devp2p_dials_running", "Dials under way", &[], one(wide(node.dialling)));
        self.counter("devp2p_dials_total", "Dials that were begun", &[], one(counts.dials));
        self.counter(
            "devp2p_dials_connected_total",
            "Dials that came to a TCP connection",
            &[],
            one(counts.dials_connected),
        );
        self.counter(
            "devp2p_dials_failed_total",
            "Dials that did not, or were given up, by reason",
            &["reason"],
            by(counts.dials_failed.iter()),
        );
        self.counter(
            "devp2p_dials_refused_total",
            "Nodes that the dial scheduler had in hand and did not dial, by reason",
            &["reason"],
            by(counts.dials_refused.iter()),
        );
    }

    fn traffic(&mut self, snapshot: &NodeSnapshot) {
        let wire = &snapshot.wire;
        self.counter(
            "devp2p_wire_bytes_total",
            "Bytes of TCP connections, handshakes and framing included, by direction",
            &["direction"],
            by([(RECEIVED, wire.bytes_received), (SENT, wire.bytes_sent)]),
        );
        self.counter(
            "devp2p_pings_answered_total",
            "Pings of peers that were answered",
            &[],
            one(wire.pings_answered),
        );
        self.counter(
            "devp2p_messages_ignored_total",
            "Messages of the base protocol that mean nothing",
            &[],
            one(wire.ignored),
        );
        let carried = |received: fn(&CapabilityTraffic) -> u64,
                       sent: fn(&CapabilityTraffic) -> u64| {
            let of = |of: &CapabilityTraffic, direction: &str, count| {
                (vec![of.name.clone(), of.version.to_string(), direction.to_owned()], count)
            };
            let both = snapshot.capabilities.iter().flat_map(|capability| {
                [
                    of(capability, RECEIVED, received(capability)),
                    of(capability, SENT, sent(capability)),
                ]
            });
            both.collect::<Labelled>()
        };
        let bytes = carried(|of| of.bytes_received, |of| of.bytes_sent);
        let messages = carried(|of| of.messages_received, |of| of.messages_sent);
        const LABELS: &[&str] = &["capability", "version", "direction"];
        self.counter(
            "devp2p_capability_bytes_total",
            "Bytes of uncompressed payloads, by capability and direction",
            LABELS,
            bytes,
        );
        self.counter(
            "devp2p_capability_messages_total",
            "Messages, by capability and direction",
            LABELS,
            messages,
        );
    }

    fn discovery(&mut self, discovery: &DiscoverySnapshot) {
        let buckets = || discovery.buckets.iter().enumerate();
        let labelled = |(bucket, count): (usize, usize)| (vec![bucket.to_string()], wide(count));
        self.gauge(
            "devp2p_table_nodes",
            "Nodes of the table, by bucket, the nearest first",
            &["bucket"],
            buckets().map(|(at, bucket)| labelled((at, bucket.entries.len()))).collect(),
        );
        let live = |entries: &[devp2p_smol::core::node::TableEntry]| {
            entries.iter().filter(|entry| entry.is_live).count()
        };
        self.gauge(
            "devp2p_table_live_nodes",
            "Nodes of the table that have answered a ping where they are, by bucket",
            &["bucket"],
            buckets().map(|(at, bucket)| labelled((at, live(&bucket.entries)))).collect(),
        );
        self.gauge(
            "devp2p_table_replacements",
            "Nodes that wait for a place in the table, by bucket",
            &["bucket"],
            buckets().map(|(at, bucket)| labelled((at, bucket.replacements.len()))).collect(),
        );
        self.gauge(
            "devp2p_endpoint_proofs",
            "Endpoint proofs that are remembered",
            &[],
            one(wide(discovery.bonds)),
        );
        self.gauge(
            "devp2p_discovery_pending_requests",
            "Discovery requests that wait for an answer",
            &[],
            one(wide(discovery.pending)),
        );
        let traffic = &discovery.traffic;
        let received = Packet::ALL.map(|kind| (packet(kind), traffic.packets_received(kind)));
        let sent = Packet::ALL.map(|kind| (packet(kind), traffic.packets_sent(kind)));
        self.counter(
            "devp2p_discovery_packets_total",
            "Discovery packets that were acted on or sent, by direction and kind",
            &["direction", "kind"],
            by_two(RECEIVED, received).chain(by_two(SENT, sent)).collect(),
        );
        self.counter(
            "devp2p_discovery_dropped_total",
            "Datagrams that were not acted on, by reason",
            &["reason"],
            by(discovery.drops.iter()),
        );
    }

    fn datagrams(&mut self, discovery: &DiscoverySnapshot) {
        let datagrams = &discovery.datagrams;
        self.counter(
            "devp2p_datagrams_total",
            "Datagrams of the discovery socket, by direction",
            &["direction"],
            by([(RECEIVED, datagrams.received), (SENT, datagrams.sent)]),
        );
        self.counter(
            "devp2p_datagrams_dropped_total",
            "Datagrams that were dropped since a queue was full, by queue",
            &["queue"],
            by([("unverified", datagrams.unverified), ("unsent", datagrams.unsent)]),
        );
        let received = SocketFailure::ALL
            .map(|failure| (failure.label(), datagrams.receive_failures(failure)));
        let sent =
            SocketFailure::ALL.map(|failure| (failure.label(), datagrams.send_failures(failure)));
        self.counter(
            "devp2p_datagram_failures_total",
            "Failures of the discovery socket, by direction and reason",
            &["direction", "reason"],
            by_two(RECEIVED, received).chain(by_two(SENT, sent)).collect(),
        );
    }

    fn gateway(&mut self, gateway: &nat::Status) {
        let external = &gateway.external;
        let ports = [("tcp", external.tcp), ("udp", external.udp)];
        self.gauge(
            "devp2p_gateway_port",
            "Port of the gateway that leads to ours, 0 if none does, by protocol",
            &["protocol"],
            by(ports.map(|(protocol, port)| (protocol, u64::from(port.unwrap_or(0))))),
        );
        let counts = &gateway.counts;
        self.counter(
            "devp2p_gateway_mappings_total",
            "Mappings that the gateway made or renewed",
            &[],
            one(counts.mapped),
        );
        self.counter(
            "devp2p_gateway_unmappings_total",
            "Mappings that the gateway took back",
            &[],
            one(counts.unmapped),
        );
        self.counter(
            "devp2p_gateway_restarts_total",
            "Times that the gateway had forgotten its mappings",
            &[],
            one(counts.restarts),
        );
        self.counter(
            "devp2p_gateway_strays_total",
            "Answers that were to no question of ours",
            &[],
            one(counts.strays),
        );
        self.counter(
            "devp2p_gateway_failures_total",
            "Requests to the gateway or STUN server that came to nothing, by reason",
            &["reason"],
            by(counts.failures_by_label()),
        );
    }

    fn store(&mut self, snapshot: &NodeSnapshot) {
        if let Some(work) = &snapshot.store {
            let kinds = Operation::KINDS.iter().zip(work.taken);
            self.counter(
                "devp2p_store_operations_total",
                "Operations that the node database was given to do, by kind",
                &["operation"],
                by(kinds.map(|(kind, count)| (*kind, count))),
            );
        }
        let discovery = snapshot.discovery.as_ref();
        if let Some(counts) = discovery.and_then(|discovery| discovery.store.as_ref()) {
            self.counter(
                "devp2p_store_failed_operations_total",
                "Operations of the node database that were not done",
                &[],
                one(counts.failed),
            );
            self.counter(
                "devp2p_store_set_aside_total",
                "Damaged node databases that were set aside",
                &[],
                one(counts.set_aside),
            );
            self.counter(
                "devp2p_store_torn_bytes_total",
                "Bytes at the ends of the database's logs that were no whole record",
                &[],
                one(counts.torn),
            );
            self.counter(
                "devp2p_store_skipped_values_total",
                "Damaged values of the node database that were passed over, by kind",
                &["kind"],
                by([("record", counts.skipped.records), ("number", counts.skipped.numbers)]),
            );
        }
    }

    fn queues(&mut self, snapshot: &NodeSnapshot) {
        let queues = &snapshot.queues;
        let connections = || snapshot.connections.values();
        let unread: usize = connections().map(|connection| connection.unread).sum();
        let unsent: usize = connections().map(|connection| connection.unsent).sum();
        let datagrams = snapshot.discovery.as_ref().map_or(0, |discovery| discovery.unsent);
        let store = snapshot.store.as_ref().map_or(0, |work| work.waiting());
        self.gauge(
            "devp2p_queue_length",
            "What waits in a queue, by queue",
            &["queue"],
            by([
                ("requests", wide(queues.requests)),
                ("events", wide(queues.events)),
                ("dials", wide(queues.dials)),
                ("names", wide(queues.names)),
                ("unverified_packets", wide(queues.unverified)),
                ("verified_packets", wide(queues.verified)),
                ("unsent_datagrams", wide(datagrams)),
                ("unread_messages", wide(unread)),
                ("unsent_messages", wide(unsent)),
                ("store_operations", store),
            ]),
        );
    }
}

const fn packet(kind: Packet) -> &'static str {
    match kind {
        Packet::Ping => "ping",
        Packet::Pong => "pong",
        Packet::FindNode => "find_node",
        Packet::Neighbors => "neighbors",
        Packet::EnrRequest => "enr_request",
        Packet::EnrResponse => "enr_response",
    }
}
