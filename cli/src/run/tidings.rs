//! The first lines of `run`: its URL and its record. The others are those of
//! `rlpx listen`.

use devp2p_smol::core::identity::{Enode, Record};
use serde::Serialize;

use crate::output::to_json;

#[derive(Serialize)]
struct ListeningJson {
    event: &'static str,
    enode: String,
    record: String,
}

/// The node listens: its URL, and its record.
pub(super) fn listening(enode: &Enode, record: &Record, json: bool) -> String {
    if !json {
        return format!("{enode}\n{record}");
    }
    let (enode, record) = (enode.to_string(), record.to_string());
    to_json(&ListeningJson { event: "listening", enode, record })
}

#[derive(Serialize)]
struct MetricsJson<'a> {
    event: &'static str,
    url: &'a str,
}

/// Where the metrics are.
pub(super) fn metrics(url: &str, json: bool) -> String {
    if json { to_json(&MetricsJson { event: "metrics", url }) } else { url.to_owned() }
}
