//! `devp2p nodeset`: what a file of nodes holds, and a selection of it.
//!
//! Source: geth `cmd/devp2p/nodesetcmd.go`, whose output it repeats.

mod chain;
mod filter;

use core::fmt;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::args::{Nodeset, NodesetFilter, NodesetInfo};
use crate::enr::Quoted;
use crate::failure::Failure;
use crate::nodes::{self, NodeSet};
use crate::output;

pub(crate) fn run(command: &Nodeset) -> Result<(), Failure> {
    match command {
        Nodeset::Info(NodesetInfo { file, json }) => {
            let info = Info::of(&nodes::load(file)?);
            if *json { output::json(&info) } else { output::line(&info) }
        }
        Nodeset::Filter(arguments) => {
            let NodesetFilter { file, .. } = arguments;
            let passed = filter::apply(arguments, nodes::load(file)?);
            output::json_text(&nodes::to_json(&passed))
        }
    }
}

/// What the records of a set speak of.
#[derive(Serialize)]
struct Info {
    nodes: usize,
    attributes: BTreeMap<String, usize>,
}

impl Info {
    fn of(nodes: &NodeSet) -> Self {
        let mut attributes = BTreeMap::new();
        // Whatever was read once is read again.
        for record in nodes.values().filter_map(|node| node.record().ok()) {
            for entry in record.entries() {
                let key = Quoted(entry.key).bare();
                *attributes.entry(key).or_default() += 1;
            }
        }
        Self { nodes: nodes.len(), attributes }
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Set contains {} nodes.", self.nodes)?;
        write!(f, "ENR attribute counts:")?;
        let longest = self.attributes.keys().map(String::len).max().unwrap_or(0);
        self.attributes.iter().try_for_each(|(key, count)| {
            write!(f, "\n {:1$}{key}: {count}", "", longest - key.len())
        })
    }
}
