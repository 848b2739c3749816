//! The other end of the admin socket: one question, one answer.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use devp2p_smol::core::limits;
use serde_json::{Value, json};

use super::framing::Framing;
use super::{GETH_SOCKET, socket_at, socket_of};
use crate::args::Asked;
use crate::failure::Failure;
use crate::output::to_json;

/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Asks a running node, and says what it answers.
pub(crate) fn ask(asked: &Asked, method: &str, arguments: &[&str]) -> Result<Value, Failure> {
    let socket = socket(asked.ipcpath.as_deref(), asked.datadir.as_deref());
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": arguments });
    let failed = |error| Failure::File(socket.clone(), error);
    let mut answer = exchange(&socket, &request).map_err(failed)?;
    if let Some(why) = answer.pointer("/error/message").and_then(Value::as_str) {
        return Err(Failure::Answered(why.to_owned()));
    }
    Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
}

/// The socket that is named. Of a data directory it is ours, unless there is only
/// geth's.
fn socket(named: Option<&Path>, datadir: Option<&Path>) -> PathBuf {
    if let Some(path) = named {
        return socket_at(path, datadir);
    }
    let datadir = datadir.unwrap_or_else(|| Path::new(""));
    let (ours, geths) = (socket_of(datadir), datadir.join(GETH_SOCKET));
    if !ours.exists() && geths.exists() { geths } else { ours }
}

fn exchange(socket: &Path, request: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    let limit = Some(limits::ADMIN_CALL_TIMEOUT + limits::ADMIN_ANSWER_TIMEOUT);
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    stream.write_all((to_json(request) + "\n").as_bytes())?;
    let mut framing = Framing::new(limits::ADMIN_ANSWER + limits::ADMIN_REQUEST);
    let mut buffer = vec![0; CHUNK];
    loop {
        let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if let Some(answer) = framing.next().map_err(|error| bad(error.to_string()))? {
            return serde_json::from_slice(&answer).map_err(|error| bad(error.to_string()));
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => framing.push(&buffer[..count]),
        }
    }
}
