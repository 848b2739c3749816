//! The arguments of `run`: geth's names and defaults.

use core::net::IpAddr;
use std::path::PathBuf;

use clap::Args as Arguments;
use devp2p_smol::core::identity::Subnet;

use super::RuntimeName;

#[derive(Debug, Arguments)]
pub(crate) struct Run {
    /// TCP port to listen at; 0 lets the system choose
    #[arg(long, default_value_t = 30303, value_name = "PORT")]
    pub(crate) port: u16,
    /// UDP port of discovery [default: the TCP port]
    #[arg(long = "discovery.port", value_name = "PORT")]
    pub(crate) discovery_port: Option<u16>,
    /// Address to listen at [default: every address]
    #[arg(long, value_name = "IP")]
    pub(crate) addr: Option<IpAddr>,
    /// Nodes to begin with, separated by commas; an empty list is none
    /// [default: those of mainnet]
    #[arg(long, value_name = "NODES")]
    pub(crate) bootnodes: Option<String>,
    /// Peers at most; a third of them is dialled. 0 for none
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) maxpeers: usize,
    /// Inbound connections that are not yet admitted, and dials under way, each at
    /// most; 0 for 50
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) maxpendpeers: usize,
    /// File with the secret key to use [default: a new key each time]
    #[arg(long, value_name = "FILE")]
    pub(crate) nodekey: Option<PathBuf>,
    /// Directory of the node database, geth's; it is made if it is not there
    /// [default: nothing is remembered]
    #[arg(long, value_name = "DIR")]
    pub(crate) nodedb: Option<PathBuf>,
    /// Does without discovery: dials nobody but static nodes
    #[arg(long)]
    pub(crate) nodiscover: bool,
    /// Networks to keep to, separated by commas, as 10.0.0.0/8: nobody outside of
    /// them is dialled, admitted or believed
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub(crate) netrestrict: Vec<Subnet>,
    /// Nodes to keep a connection to, separated by commas
    #[arg(long, value_name = "NODES")]
    pub(crate) staticnodes: Option<String>,
    /// Nodes to admit whatever the limits, separated by commas
    #[arg(long, value_name = "NODES")]
    pub(crate) trustednodes: Option<String>,
    /// Serves echo/1: message 0 is a request with any payload, 1 the reply with
    /// the same. Without it no capability is offered and anyone admitted
    #[arg(long)]
    pub(crate) echo: bool,
    /// What it runs on
    #[arg(long, value_enum, default_value = "smol")]
    pub(crate) runtime: RuntimeName,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}
