//! Sets of nodes, and the files that hold them: `nodes.json`, as geth's tool
//! reads and writes it.
//!
//! Source: geth `cmd/devp2p/nodeset.go`.

mod file;
mod set;
mod time;

pub(crate) use file::{NodesError, load, load_or_empty, save, to_json};
pub(crate) use set::{Node, NodeSet};
