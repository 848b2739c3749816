//! The lines of `discv4 listen`: for people in columns, for scripts in JSON.
//!
//! ```text
//! enode://…@127.0.0.1:30303
//! enr:…
//! + 9f86d081884c7d65  127.0.0.1:50412
//! * 9f86d081884c7d65  127.0.0.1:50413
//! - 9f86d081884c7d65
//! = enr:…
//! ```
//!
//! A node came into the table, is known by something newer, left it; our own
//! record has changed.

use core::fmt;
use std::sync::Arc;

use devp2p_smol::DiscoveryEvent;
use devp2p_smol::core::identity::{Contact, NodeId, Record};
use serde::Serialize;

use super::ask::{NodeJson, text};
use crate::output::to_json;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Tidings {
    Listening {
        enode: String,
        record: String,
    },
    Added(NodeJson),
    Updated(NodeJson),
    Removed {
        #[serde(serialize_with = "text")]
        id: NodeId,
    },
    Record {
        enode: String,
        record: String,
    },
}

/// The node listens: its two names.
pub(super) fn listening(record: &Arc<Record>, json: bool) -> String {
    let (enode, record) = names(record);
    let tidings = Tidings::Listening { enode, record };
    if json { to_json(&tidings) } else { tidings.to_string() }
}

/// The URL and the text of a record.
fn names(record: &Arc<Record>) -> (String, String) {
    (Contact::from_record(Arc::clone(record)).to_string(), record.to_string())
}

/// What has happened, if it is worth a line.
pub(super) fn happened(event: &DiscoveryEvent, json: bool) -> Option<String> {
    let tidings = match event {
        DiscoveryEvent::Added(contact) => Tidings::Added(NodeJson::of(contact)),
        DiscoveryEvent::Updated(contact) => Tidings::Updated(NodeJson::of(contact)),
        DiscoveryEvent::Removed(id) => Tidings::Removed { id: *id },
        DiscoveryEvent::LocalRecord(record) => {
            let (enode, record) = names(record);
            Tidings::Record { enode, record }
        }
        DiscoveryEvent::Ready => {
            tracing::info!("the table is filled");
            return None;
        }
        event @ (DiscoveryEvent::Refused(..) | _) => {
            tracing::error!(?event, "not expected");
            return None;
        }
    };
    Some(if json { to_json(&tidings) } else { tidings.to_string() })
}

impl fmt::Display for Tidings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { enode, record } => write!(f, "{enode}\n{record}"),
            Self::Added(node) => write!(f, "+ {}", node.short()),
            Self::Updated(node) => write!(f, "* {}", node.short()),
            Self::Removed { id } => write!(f, "- {}", id.short()),
            Self::Record { record, .. } => write!(f, "= {record}"),
        }
    }
}
