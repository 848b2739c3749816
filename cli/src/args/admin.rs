//! The arguments of `admin`: what to ask, and whom.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Prints who is connected
    Peers(Asked),
    /// Prints what the node says of itself
    Info(Asked),
    /// Keeps a connection to a node, until it is stopped
    Add(AskedOfNode),
    /// Keeps it no more, and disconnects it
    Remove(AskedOfNode),
    /// Admits a node whatever the limits
    Trust(Trust),
    /// Prints every counter, those at 0 left out but in JSON
    Reasons(Asked),
    /// Prints the nodes that discovery knows, by bucket
    Table(Asked),
    /// Prints all that is known of a node, and what was decided about it and why
    Explain(Explain),
}

impl Admin {
    /// What each of them takes.
    pub(crate) const fn asked(&self) -> &Asked {
        match self {
            Self::Peers(asked) | Self::Info(asked) | Self::Reasons(asked) | Self::Table(asked) => {
                asked
            }
            Self::Add(of) | Self::Remove(of) => &of.asked,
            Self::Trust(trust) => &trust.of.asked,
            Self::Explain(explain) => &explain.asked,
        }
    }
}

#[derive(Debug, Arguments)]
pub(crate) struct Asked {
    /// Data directory of the node, where its socket is devp2p.ipc, else geth.ipc
    #[arg(long, value_name = "DIR", required_unless_present = "ipcpath")]
    pub(crate) datadir: Option<PathBuf>,
    /// The socket of the node; a bare name is in the data directory, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) ipcpath: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct AskedOfNode {
    /// The node, as an enode URL or a record
    #[arg(value_name = "NODE", allow_hyphen_values = true)]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Debug, Arguments)]
pub(crate) struct Trust {
    #[command(flatten)]
    pub(crate) of: AskedOfNode,
    /// Not any more; a connection that is there stays
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct Explain {
    /// The node, by its id or at least the first 8 digits of it, an enode URL or a record
    #[arg(value_name = "NODE", allow_hyphen_values = true)]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) asked: Asked,
}
