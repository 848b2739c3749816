//! What a node answers, for people: in columns, and nothing that does not show.

use serde_json::Value;

use super::shapes::{
    DecisionJson, DiallingJson, EntryJson, ExplanationJson, NodeJson, PeerJson, ProofJson,
    PurposeJson,
};
use crate::output::Escaped;

/// Characters of a node id that tell nodes apart.
const SHORT: usize = 16;

pub(super) fn peers(peers: Vec<PeerJson>) -> Vec<String> {
    let rows = peers.iter().map(|peer| {
        let network = &peer.network;
        let direction = if network.inbound { "inbound" } else { "outbound" };
        let marks = marks(network.trusted, network.is_static);
        vec![
            short(&peer.id),
            network.remote_address.clone(),
            direction.to_owned(),
            marks,
            peer.name.clone(),
            peer.caps.join(" "),
        ]
    });
    columns(&["ID", "REMOTE", "DIRECTION", "MARKS", "NAME", "CAPABILITIES"], rows.collect())
}

fn marks(trusted: bool, is_static: bool) -> String {
    match (trusted, is_static) {
        (true, true) => "trusted,static",
        (true, false) => "trusted",
        (false, true) => "static",
        (false, false) => "-",
    }
    .to_owned()
}

pub(super) fn info(node: NodeJson) -> Vec<String> {
    let NodeJson { id, name, enode, enr, ip, ports, listen_addr, protocols } = node;
    let protocols: Vec<_> = protocols.into_keys().collect();
    let rows = [
        ("id", id),
        ("name", name),
        ("enode", enode),
        ("enr", enr),
        ("ip", ip),
        ("udp", ports.discovery.to_string()),
        ("tcp", ports.listener.to_string()),
        ("listens", listen_addr),
        ("protocols", protocols.join(" ")),
    ];
    rows.iter().map(|(name, value)| pair(name, value)).collect()
}

fn pair(name: &str, value: &str) -> String {
    format!("{name:10} {}", Escaped(value)).trim_end().to_owned()
}

/// Those at 0 are left out.
pub(super) fn reasons(reasons: Value) -> Vec<String> {
    let mut lines = Vec::new();
    counted("", &reasons, &mut lines);
    lines
}

fn counted(name: &str, value: &Value, lines: &mut Vec<String>) {
    if let Value::Object(values) = value {
        for (label, value) in values {
            let name = if name.is_empty() { label.clone() } else { format!("{name} {label}") };
            counted(&name, value, lines);
        }
    } else if value.as_u64() != Some(0) {
        let count = value.to_string();
        lines.push(format!("{count:>12}  {}", Escaped(name)));
    }
}

pub(super) fn table(buckets: Vec<Vec<EntryJson>>) -> Vec<String> {
    let entries = buckets.iter().enumerate();
    let rows = entries.flat_map(|(bucket, entries)| {
        entries.iter().map(move |entry| {
            vec![
                bucket.to_string(),
                entry.checks.to_string(),
                if entry.live { "live" } else { "-" }.to_owned(),
                entry.added_to_table.strftime("%F %T").to_string(),
                entry.node.clone(),
            ]
        })
    });
    columns(&["BUCKET", "CHECKS", "LIVE", "KNOWN SINCE (UTC)", "NODE"], rows.collect())
}

pub(super) fn explanation(explained: ExplanationJson) -> Vec<String> {
    let mut lines = vec![pair("id", &explained.id)];
    if explained.is_self {
        lines.push(pair("", "this is the node itself"));
    }
    lines.push(pair("marks", &marks(explained.trusted, explained.is_static)));
    lines.push(pair("peer", &peer(&explained)));
    lines.push(pair("table", &entry(&explained)));
    if let Some(proof) = &explained.proof {
        lines.push(pair("proof", &proven(proof)));
    }
    lines.extend(explained.dialling.iter().map(|dial| pair("dialling", &under_way(dial))));
    let dial = explained.dial.as_deref().unwrap_or("not known now where it is");
    let turn = if explained.awaits_dial { ", waits for its turn" } else { "" };
    lines.push(pair("dial now", &format!("{dial}{turn}")));
    if explained.forgotten > 0 {
        lines.push(format!("{} older decisions are forgotten", explained.forgotten));
    }
    lines.extend(explained.decisions.iter().map(decided));
    lines
}

fn peer(explained: &ExplanationJson) -> String {
    let Some(peer) = &explained.peer else { return "no".to_owned() };
    let direction = if peer.network.inbound { "inbound" } else { "outbound" };
    let since =
        explained.connected_since.map(|since| format!("since {} ", since.strftime("%F %T")));
    let since = since.unwrap_or_default();
    format!("{direction} {} {since}{}", peer.network.remote_address, peer.name)
}

fn entry(explained: &ExplanationJson) -> String {
    match &explained.table {
        Some(entry) => known(entry),
        None if explained.replacement => "waits to replace an entry".to_owned(),
        None => "no".to_owned(),
    }
}

fn proven(proof: &ProofJson) -> String {
    let theirs = if proof.proven { "it has proved" } else { "it has not proved of late" };
    let ours = if proof.known { "we have" } else { "we have not" };
    format!("{theirs} where it is, {ours}")
}

fn under_way(dial: &DiallingJson) -> String {
    let whom = match dial.purpose {
        PurposeJson::Static => "as a static node",
        PurposeJson::Dynamic => "as a candidate",
        PurposeJson::Requested => "on request",
    };
    format!("{whom}, {}", dial.stage)
}

fn known(entry: &EntryJson) -> String {
    let live = if entry.live { "live" } else { "not known to be alive" };
    format!("{live}, {} checks, since {}", entry.checks, entry.added_to_table.strftime("%F %T"))
}

fn decided(decision: &DecisionJson) -> String {
    let when = decision.first.strftime("%F %T%.3f");
    let text = Escaped(&decision.why);
    match decision.times {
        1 => format!("{when}  {text}"),
        times => {
            format!("{when}  {text} ({times} times, last {})", decision.last.strftime("%T%.3f"))
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// Cells in columns as wide as their widest, below their titles.
fn columns(titles: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let titles = titles.iter().map(|title| (*title).to_owned()).collect();
    let shown = |row: Vec<String>| row.iter().map(|cell| Escaped(cell).to_string()).collect();
    let rows: Vec<Vec<String>> = core::iter::once(titles).chain(rows).map(shown).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_show_nothing_hostile() {
        let rows = vec![vec!["a".into(), "\u{1b}[31m".into()], vec!["longer".into(), "b".into()]];
        let lines = columns(&["X", "Y"], rows);
        assert_eq!(lines, ["X       Y", "a       \\u{1b}[31m", "longer  b"]);
        assert_eq!(columns(&["X", "Y"], Vec::new()), ["X  Y"]);
    }

    #[test]
    fn counters_are_named_by_all_their_labels_and_those_at_0_left_out() {
        let counters = json!({ "a": 3, "b": { "x": 0, "y": { "z": 12 } }, "c": 0 });
        assert_eq!(reasons(counters), ["           3  a", "          12  b y z"]);
    }
}
