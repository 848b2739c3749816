//! The arguments of `run`: geth's names and defaults. Where none is given the file
//! of `--config` may say something, and else the default holds.

use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args as Arguments;
use clap::builder::{
    OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser,
};
use devp2p_smol::core::identity::{Subnet, SubnetError};
use devp2p_smol::host::Nat;

use super::{Network, RuntimeName};

/// Of a flag that is given more than once the last holds, as with geth.
#[derive(Debug, Arguments)]
#[command(args_override_self = true)]
pub(crate) struct Run {
    /// TOML file in geth's names, as `geth dumpconfig` writes it, of which Node
    /// and Node.P2P are taken; what the command line says wins. At SIGHUP its
    /// static nodes, trusted nodes and limits are read again
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// geth's data directory, or one that geth can go on with: the key is in
    /// DIR/geth/nodekey, the node database in DIR/geth/nodes. What is not there is
    /// made [default: nothing is kept]
    #[arg(long, value_name = "DIR", value_parser = OsStringValueParser::new().map(directory))]
    pub(crate) datadir: Option<PathBuf>,
    /// TCP port to listen at; 0 lets the system choose [default: 30303]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// UDP port of discovery [default: the TCP port]
    #[arg(long = "discovery.port", value_name = "PORT")]
    pub(crate) discovery_port: Option<u16>,
    /// Address to listen at [default: every address]
    #[arg(long, value_name = "IP")]
    pub(crate) addr: Option<IpAddr>,
    /// How to become reachable from outside: any, none, upnp, pmp[:IP], pcp[:IP],
    /// extip:IP or stun[:HOST[:PORT]]; IP is the gateway, or ours for extip
    /// [default: any]
    #[allow(rustdoc::broken_intra_doc_links, reason = "in brackets is what may be left out")]
    #[arg(long, value_name = "HOW")]
    pub(crate) nat: Option<Nat>,
    /// Public network whose bootnodes to begin with, where none are named
    /// [default: mainnet]
    #[arg(long, value_enum, value_name = "NETWORK", group = "public")]
    network: Option<Network>,
    /// --network mainnet, as geth writes it
    #[arg(long, group = "public", hide = true, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = switch())]
    mainnet: Option<bool>,
    /// --network sepolia, as geth writes it
    #[arg(long, group = "public", hide = true, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = switch())]
    sepolia: Option<bool>,
    /// --network hoodi, as geth writes it
    #[arg(long, group = "public", hide = true, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = switch())]
    hoodi: Option<bool>,
    /// Nodes to begin with, separated by commas; an empty list is none
    /// [default: those of the network]
    #[arg(long, value_name = "NODES")]
    pub(crate) bootnodes: Option<String>,
    /// Peers at most; a third of them is dialled. 0 for none [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) maxpeers: Option<usize>,
    /// Inbound connections that are not yet admitted, and dials under way, each at
    /// most; 0 for 50 [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) maxpendpeers: Option<usize>,
    /// File with the secret key to use [default: that of the data directory, else a
    /// new key each time]
    #[arg(long, value_name = "FILE")]
    pub(crate) nodekey: Option<PathBuf>,
    /// The secret key itself as 64 hex digits. Others on this machine may see it
    #[arg(long, value_name = "HEX", conflicts_with = "nodekey")]
    pub(crate) nodekeyhex: Option<String>,
    /// Name of this node among others like it, for the hello
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// Directory of the node database, geth's; it is made if it is not there
    /// [default: that of the data directory, else nothing is remembered]
    #[arg(long, value_name = "DIR")]
    pub(crate) nodedb: Option<PathBuf>,
    /// Does without discovery: dials nobody but static nodes
    #[arg(long, value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = switch())]
    pub(crate) nodiscover: Option<bool>,
    /// Whether there is discovery v4; without it there is none at all
    /// [default: true]
    #[arg(long = "discovery.v4", visible_alias = "discv4", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", conflicts_with = "nodiscover",
          value_parser = switch())]
    pub(crate) discovery_v4: Option<bool>,
    /// Taken for geth's sake: there is no discovery v5 here
    #[arg(long = "discovery.v5", alias = "discv5", value_name = "BOOL", num_args = 0..=1, hide = true,
          require_equals = true, default_missing_value = "true", conflicts_with = "nodiscover",
          value_parser = switch())]
    pub(crate) discovery_v5: Option<bool>,
    /// Taken for geth's sake: there is no discovery by DNS here
    #[arg(long = "discovery.dns", value_name = "URLS", hide = true)]
    pub(crate) discovery_dns: Option<String>,
    /// Networks to keep to, separated by commas, as 10.0.0.0/8: nobody outside of
    /// them is dialled, admitted or believed
    #[arg(long, value_name = "CIDRS")]
    pub(crate) netrestrict: Option<Networks>,
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
    /// Socket at which `devp2p admin` and geth's console ask it, mode 0600; a bare
    /// name is in the data directory, if there is one, and an empty one is none
    /// [default: devp2p.ipc in the data directory]
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) ipcpath: Option<PathBuf>,
    /// Does without that socket
    #[arg(long, conflicts_with = "ipcpath", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = switch())]
    pub(crate) ipcdisable: Option<bool>,
    /// Tells Prometheus all that it counts, at http://IP:PORT/metrics; of
    /// 127.0.0.1:6060 what is not said
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, require_equals = false,
          default_missing_value = crate::metrics::DEFAULT, value_parser = crate::metrics::address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// What it runs on
    #[arg(long, value_enum, default_value = "smol")]
    pub(crate) runtime: RuntimeName,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl Run {
    /// The public network that is named, in whichever way.
    pub(crate) fn network(&self) -> Option<Network> {
        let flags = [
            (self.mainnet, Network::Mainnet),
            (self.sepolia, Network::Sepolia),
            (self.hoodi, Network::Hoodi),
        ];
        let flagged = flags.into_iter().find(|(is_set, _)| *is_set == Some(true));
        self.network.or_else(|| flagged.map(|(_, named)| named))
    }
}

/// The networks of `--netrestrict`; none at all where it is empty, which changes
/// nothing. Only blanks are a list without an element. geth `ParseNetlist`,
/// `SetP2PConfig`.
#[derive(Clone, Debug)]
pub(crate) struct Networks(pub(crate) Option<Vec<Subnet>>);

impl FromStr for Networks {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let plain = text.replace([' ', '\n', '\t'], "");
        let each = plain.split(',').filter(|one| !one.is_empty()).map(str::parse);
        let list = each.collect::<Result<_, _>>()?;
        Ok(Self(if text.is_empty() { None } else { Some(list) }))
    }
}

/// What may follow a flag and `=`, in Go's ways of writing it (`strconv.ParseBool`).
fn switch() -> ValueParser {
    let yes = PossibleValue::new("true").aliases(["1", "t", "T", "TRUE", "True"]);
    let no = PossibleValue::new("false").aliases(["0", "f", "F", "FALSE", "False"]);
    let is_yes = yes.clone();
    ValueParser::new(
        PossibleValuesParser::new([yes, no]).map(move |text| is_yes.matches(&text, false)),
    )
}

/// An empty name is where we are, and what begins with `~/` at home, which a shell
/// does not see to behind `=`. geth `DirectoryString`, but for its variables.
fn directory(name: OsString) -> PathBuf {
    let path = PathBuf::from(name);
    if path.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    match (path.strip_prefix("~"), home) {
        (Ok(within), Some(home)) if within.components().next().is_some() => {
            Path::new(&home).join(within)
        }
        (Ok(_) | Err(_), _) => path,
    }
}
