//! `devp2p admin`, and the socket at which a node answers it: JSON-RPC, with geth's
//! names and shapes.
//!
//! ```text
//!  devp2p admin ─ client ─▶ socket ─▶ server ─ framing ─▶ rpc ─▶ methods ─▶ Node
//!                tables ◀─ JSON ◀──────────────────────── rpc ◀─ shapes ◀── snapshot
//! ```

mod client;
mod framing;
mod methods;
mod rpc;
mod server;
mod shapes;
mod tables;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};

pub(crate) use methods::Api;
pub(crate) use server::Door;

use crate::args::Admin;
use crate::failure::Failure;
use crate::output::{json, line};

/// The socket's name in a data directory.
const SOCKET: &str = "devp2p.ipc";

/// The same of geth, and so of a node that was started with geth's file.
const GETH_SOCKET: &str = "geth.ipc";

/// Where a node with this data directory has its socket.
pub(crate) fn socket_of(datadir: &Path) -> PathBuf {
    datadir.join(SOCKET)
}

/// Where a node has its socket that was told this name: a bare one is in the data
/// directory. geth `Config.IPCEndpoint`, which without a data directory has it in
/// that for temporary files, and this in the working one.
pub(crate) fn socket_at(path: &Path, datadir: Option<&Path>) -> PathBuf {
    match datadir {
        Some(datadir) if path.file_name() == Some(path.as_os_str()) => datadir.join(path),
        _ => path.to_owned(),
    }
}

/// Connects to a socket, and does not wait: where as many wait already as the
/// system lets wait, it is [`io::ErrorKind::WouldBlock`].
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    stream.set_nonblocking(true)?;
    stream.connect(&SockAddr::unix(socket)?)?;
    stream.set_nonblocking(false)?;
    Ok(UnixStream::from(OwnedFd::from(stream)))
}

/// Asks a running node, and prints what it answers.
pub(crate) fn run(command: &Admin) -> Result<(), Failure> {
    let asked = command.asked();
    let ask = |method, arguments: &[&str]| client::ask(asked, method, arguments);
    match command {
        Admin::Peers(_) => show(asked.json, ask("admin_peers", &[])?, tables::peers),
        Admin::Info(_) => show(asked.json, ask("admin_nodeInfo", &[])?, tables::info),
        Admin::Reasons(_) => show(asked.json, ask("admin_reasons", &[])?, tables::reasons),
        Admin::Table(_) => show(asked.json, ask("admin_table", &[])?, tables::table),
        Admin::Explain(explain) => {
            show(asked.json, ask("admin_explain", &[&explain.node])?, tables::explanation)
        }
        Admin::Add(of) => done(asked.json, &ask("admin_addPeer", &[&of.node])?),
        Admin::Remove(of) => done(asked.json, &ask("admin_removePeer", &[&of.node])?),
        Admin::Trust(trust) => {
            let method =
                if trust.remove { "admin_removeTrustedPeer" } else { "admin_addTrustedPeer" };
            done(asked.json, &ask(method, &[&trust.of.node])?)
        }
    }
}

/// Nothing is to be said for people: it is done.
fn done(as_json: bool, answer: &Value) -> Result<(), Failure> {
    if as_json { json(answer) } else { Ok(()) }
}

fn show<T: DeserializeOwned>(
    as_json: bool,
    answer: Value,
    lines: impl FnOnce(T) -> Vec<String>,
) -> Result<(), Failure> {
    if as_json {
        return json(&answer);
    }
    let answer = serde_json::from_value(answer);
    let answer = answer.map_err(|error| Failure::Answered(error.to_string()))?;
    lines(answer).iter().try_for_each(|text| line(text))
}
