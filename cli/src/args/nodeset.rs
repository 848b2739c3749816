//! The arguments of `nodeset`: a file of nodes, and the filters.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand, ValueEnum};
use devp2p_smol::core::identity::Subnet;
use jiff::SignedDuration;

use super::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Nodeset {
    /// Prints how many nodes there are, and what their records speak of
    Info(NodesetInfo),
    /// Prints the nodes that pass all filters, as the same kind of file
    Filter(NodesetFilter),
}

#[derive(Debug, Arguments)]
pub(crate) struct NodesetInfo {
    /// The file of nodes
    #[arg(value_name = "NODES.JSON")]
    pub(crate) file: PathBuf,
    /// Prints JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct NodesetFilter {
    /// The file of nodes
    #[arg(value_name = "NODES.JSON")]
    pub(crate) file: PathBuf,
    /// At most so many, those with the highest scores
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Those with an address in this network
    #[arg(long, value_name = "CIDR")]
    pub(crate) ip: Option<Subnet>,
    /// Those whose first and last answer are so far apart, as 90s or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) min_age: Option<SignedDuration>,
    /// Those that say they serve this chain
    #[arg(long, value_name = "NETWORK")]
    pub(crate) eth_network: Option<Network>,
    /// Those that say they serve light clients
    #[arg(long)]
    pub(crate) les_server: bool,
    /// Those that say they serve snapshots
    #[arg(long)]
    pub(crate) snap: bool,
    /// Those with a TCP or QUIC port
    #[arg(long)]
    pub(crate) dialable: bool,
}

/// A public chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Network {
    Mainnet,
    Sepolia,
    Hoodi,
}
