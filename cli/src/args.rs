//! What can be written on the command line.

mod admin;
mod db;
mod devnet;
mod discv4;
mod enr;
mod nodeset;
mod run;
mod sim;

use core::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

pub(crate) use admin::{Admin, Asked};
pub(crate) use db::{Database, Db};
pub(crate) use devnet::{Devnet, RuntimeName};
pub(crate) use discv4::{AskNode, Bootnode, Crawl, Discover, Discv4, External};
pub(crate) use enr::EnrDump;
pub(crate) use nodeset::{Network, Nodeset, NodesetFilter, NodesetInfo};
pub(crate) use run::Run;
pub(crate) use sim::Sim;

/// Ethereum's devp2p from the command line
#[derive(Debug, Parser)]
#[command(name = "devp2p", version)]
pub(crate) struct Args {
    /// How much to log to standard error: 0 nothing, 1 errors, 2 warnings,
    /// 3 information, 4 debugging, 5 everything
    #[arg(long, global = true, default_value_t = 2, value_name = "LEVEL", display_order = 1000,
          value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) verbosity: u8,
    /// What to log, in place of --verbosity: off, error, warn, info, debug or trace,
    /// or that by module, as warn,devp2p_core=debug
    #[arg(long, global = true, value_name = "LEVELS", display_order = 1001, value_parser = levels)]
    pub(crate) log: Option<Targets>,
    /// How to log
    #[arg(
        long = "log.format",
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        display_order = 1002
    )]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    Text,
    /// JSON, one object a line
    Json,
}

/// A name that is no level would else be taken for a module.
fn levels(text: &str) -> Result<Targets, String> {
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(format!("\"{level}\" is none of off, error, warn, info, debug, trace"));
        }
    }
    text.parse().map_err(|error| format!("{error}"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a node: finds others, connects to them, tells who comes and who goes
    ///
    /// Its URL and its record come first. It runs until SIGINT or SIGTERM, and tells
    /// systemd when it is ready.
    Run(Run),
    /// Asks a running node, and tells it what to do
    #[command(subcommand)]
    Admin(Admin),
    /// Runs a whole network of nodes on loopback, and tells how it goes
    Devnet(Devnet),
    /// Simulates networks in virtual time, and tells whether anything goes wrong
    ///
    /// What a network is made of and what befalls it is drawn from its seed: the
    /// same seed gives the same run. It ends with one line: seeds N, violations K,
    /// digest HEX.
    Sim(Sim),
    /// Prints what a node record says, and whether it is signed
    Enrdump(EnrDump),
    /// Operations on node keys
    #[command(subcommand)]
    Key(Key),
    /// RLPx commands
    #[command(subcommand)]
    Rlpx(Rlpx),
    /// Discovery v4 commands
    #[command(subcommand)]
    Discv4(Discv4),
    /// Operations on files of nodes, as a crawl writes them
    #[command(subcommand)]
    Nodeset(Nodeset),
    /// Looks at a node database without changing it
    #[command(subcommand)]
    Db(Db),
    /// Prints a shell's completions of this command
    Completions {
        /// The shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
    /// Writes the manual: a page for each command
    Man {
        /// Where to, as /usr/local/share/man/man1; it is made if it is not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

impl Command {
    /// Whether failures too are to be told in JSON.
    pub(crate) const fn wants_json(&self) -> bool {
        match self {
            Self::Run(Run { json, .. })
            | Self::Devnet(Devnet { json, .. })
            | Self::Sim(Sim { json, .. })
            | Self::Enrdump(EnrDump { json, .. })
            | Self::Nodeset(Nodeset::Info(NodesetInfo { json, .. })) => *json,
            Self::Discv4(command) => command.wants_json(),
            Self::Admin(command) => command.asked().json,
            Self::Db(command) => command.database().json,
            Self::Key(_)
            | Self::Nodeset(Nodeset::Filter(_))
            | Self::Completions { .. }
            | Self::Man { .. } => false,
            Self::Rlpx(Rlpx::Ping(Ping { node, .. }) | Rlpx::Echo(Echo { node, .. })) => node.json,
            Self::Rlpx(Rlpx::Listen(listen)) => listen.node.json,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes a key and saves it to a new file: 64 hex digits, mode 0600
    Generate {
        /// The file, which must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the node id that belongs to the key in a file
    ToId {
        /// The key file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the enode URL of a node with the key in a file
    ToEnode(Address),
    /// Prints the signed record of a node with the key in a file
    ToEnr(Address),
}

#[derive(Debug, Arguments)]
pub(crate) struct Address {
    /// The key file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// IP address of the node; an empty one leaves it out, and a URL without
    /// it has no ports
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) ip: String,
    /// TCP port of the node
    #[arg(long, default_value_t = 30303, value_name = "PORT")]
    pub(crate) tcp: u16,
    /// UDP port of the node
    #[arg(long, default_value_t = 30303, value_name = "PORT")]
    pub(crate) udp: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rlpx {
    /// Connects to a node and prints what it says of itself, and how fast
    Ping(Ping),
    /// Waits for peers, and tells who comes and who goes
    ///
    /// It runs until SIGINT or SIGTERM, or until it has something to tell that
    /// cannot be written.
    Listen(Listen),
    /// Sends a node requests of the capability echo/1 and checks each reply
    Echo(Echo),
}

/// What all RLPx commands take.
#[derive(Debug, Arguments)]
pub(crate) struct Local {
    /// File with the secret key to use [default: a new key each time]
    #[arg(long, value_name = "FILE")]
    pub(crate) nodekey: Option<PathBuf>,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct Ping {
    /// The node, as an enode URL
    #[arg(value_name = "ENODE")]
    pub(crate) enode: String,
    #[command(flatten)]
    pub(crate) node: Local,
}

#[derive(Debug, Arguments)]
pub(crate) struct Listen {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:30303", value_name = "IP:PORT")]
    pub(crate) addr: SocketAddr,
    /// Serves echo/1: message 0 is a request with any payload, 1 the reply
    /// with the same. Without it no capability is offered and anyone admitted
    #[arg(long)]
    pub(crate) echo: bool,
    /// Admits at most so many peers
    #[arg(long, default_value_t = 4096, value_name = "N")]
    pub(crate) maxpeers: usize,
    /// What the node runs on
    #[arg(long, value_enum, default_value = "smol")]
    pub(crate) runtime: RuntimeName,
    #[command(flatten)]
    pub(crate) node: Local,
}

#[derive(Debug, Arguments)]
pub(crate) struct Echo {
    /// The node, as an enode URL
    #[arg(value_name = "ENODE")]
    pub(crate) enode: String,
    /// How many requests to send
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// Bytes in each
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: usize,
    /// Requests that may await their reply at a time. Of large ones fewer do:
    /// 1 MiB of them, or two
    #[arg(long, default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) window: u16,
    #[command(flatten)]
    pub(crate) node: Local,
}

/// A time as geth's tool takes it: `30m`, `1h30m`, `1.5h`, `0`.
fn duration(text: &str) -> Result<SignedDuration, jiff::Error> {
    if text == "0" { Ok(SignedDuration::ZERO) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_asked_for_by_level_and_by_module() {
        assert_eq!(levels("info").unwrap(), Targets::new().with_default(LevelFilter::INFO));
        let by_module = levels("warn,devp2p_core=trace").unwrap();
        assert!(by_module.would_enable("devp2p_core::node", &tracing::Level::TRACE));
        assert!(by_module.would_enable("devp2p", &tracing::Level::WARN));
        assert!(!by_module.would_enable("devp2p", &tracing::Level::INFO));
        for text in ["", "wran", "warn,devp2p_core", "devp2p_core=loud", "warn,"] {
            assert!(levels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("30m", 1_800_000),
            ("30m0s", 1_800_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("-1s", -1000),
        ] {
            assert_eq!(
                duration(text).unwrap(),
                SignedDuration::from_millis(milliseconds),
                "{text}"
            );
        }
        for text in ["", "30", "m", "1x", "nonsense"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
