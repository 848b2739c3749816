//! The arguments of `devnet` and of what else chooses a runtime.

use clap::{Args as Arguments, ValueEnum};
use jiff::SignedDuration;

use super::duration;

/// What tasks, timers and sockets come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RuntimeName {
    /// smol: an executor on every core
    Smol,
    /// tokio: its runtime of many threads
    Tokio,
}

#[derive(Debug, Arguments)]
pub(crate) struct Devnet {
    /// How many nodes
    #[arg(long, default_value_t = 10, value_name = "N",
          value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) nodes: u16,
    /// How long it lives, as 30s or 5m
    #[arg(long = "for", default_value = "30s", value_name = "DURATION", value_parser = duration)]
    pub(crate) time: SignedDuration,
    /// Peers of each node at most; a third of them it dials itself
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) maxpeers: usize,
    /// Stops and restarts so many nodes as it goes, one after the other
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub(crate) kill: u16,
    /// Joins the network of this node, an enode URL or a record, which must
    /// serve discovery
    #[arg(long, value_name = "NODE", allow_hyphen_values = true)]
    pub(crate) join: Option<String>,
    /// What the nodes run on
    #[arg(long, value_enum, default_value = "smol")]
    pub(crate) runtime: RuntimeName,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}
