//! Programs that are run, and how long anything may take.

use core::time::Duration;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;

/// For anything that happens at once on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `devp2p`. It is killed if it still runs when this is dropped.
pub(crate) struct Program {
    child: Child,
    output: Receiver<String>,
    errors: Receiver<String>,
}

/// What a program came to: its exit status and what was not yet read of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) output: Vec<String>,
    pub(crate) errors: Vec<String>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(command(arguments))
    }

    /// One that has been prepared.
    pub(crate) fn of(command: Command) -> Self {
        let mut program = Self::spawn(command, Stdio::piped());
        program.output = lines(program.child.stdout.take().unwrap());
        program
    }

    /// With its output elsewhere.
    pub(crate) fn start_into(arguments: &[&str], output: impl Into<Stdio>) -> Self {
        Self::spawn(command(arguments), output)
    }

    fn spawn(mut command: Command, output: impl Into<Stdio>) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let errors = lines(child.stderr.take().unwrap());
        Self { child, output: mpsc::channel().1, errors }
    }

    /// The next line of its output.
    pub(crate) fn line(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next line of its complaints.
    pub(crate) fn error(&self) -> String {
        self.errors.recv_timeout(PATIENCE).expect("a line")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Sends it a signal, "TERM" or "INT".
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Outcome {
        let (output, errors) = (rest(&self.output), rest(&self.errors));
        let status = self.child.wait().unwrap().code().expect("an exit status");
        Outcome { status, output, errors }
    }
}

/// `devp2p` with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devp2p"));
    command.args(arguments);
    command
}

/// Set where a system that lacks something is a failure, and not somebody's own.
const REQUIRE_NAMESPACES: &str = "DEVP2P_REQUIRE_NAMESPACES";

/// The same for somebody whom files can be kept from: the superuser gives that up
/// first. `None` where the system has no way to do so.
pub(crate) fn unprivileged(arguments: &[&str]) -> Option<Command> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(file.path(), Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(file.path()).is_err() {
        return Some(command(arguments));
    }
    let wrapped = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search").arg(program).args(arguments);
        command
    };
    if !wrapped("true", &[]).output().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os(REQUIRE_NAMESPACES).is_none(), "setpriv does nothing here");
        eprintln!("skipped, setpriv does nothing here");
        return None;
    }
    Some(wrapped(env!("CARGO_BIN_EXE_devp2p"), arguments))
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// All lines until the end of the stream.
fn rest(stream: &Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match stream.recv_timeout(PATIENCE) {
            Ok(line) => lines.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return lines,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running, after {lines:?}"),
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    Program::start(arguments).end()
}

impl Outcome {
    /// The one line that it printed and nothing else, having succeeded.
    pub(crate) fn line(self) -> String {
        assert_eq!((self.status, self.errors.len(), self.output.len()), (0, 0, 1), "{self:?}");
        self.output.into_iter().next().unwrap()
    }

    /// The one line on standard error and nothing else, having failed.
    pub(crate) fn complaint(self) -> String {
        assert_eq!((self.status, self.errors.len(), self.output.len()), (1, 1, 0), "{self:?}");
        self.errors.into_iter().next().unwrap()
    }

    /// The error in the one line of JSON and nothing else, having failed.
    pub(crate) fn error(self) -> (String, String) {
        assert_eq!((self.status, self.errors.len(), self.output.len()), (1, 0, 1), "{self:?}");
        error_of(&serde_json::from_str(&self.output[0]).unwrap())
    }
}

/// By whom and why.
pub(crate) fn error_of(value: &Value) -> (String, String) {
    let text = |name: &str| value["error"][name].as_str().unwrap().to_owned();
    (text("by"), text("reason"))
}

/// `devp2p rlpx listen`, listening.
pub(crate) struct Listener {
    pub(crate) program: Program,
    pub(crate) enode: String,
}

impl Listener {
    /// For people.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let program = Self::program(arguments);
        let enode = program.line();
        Self { program, enode }
    }

    /// For scripts.
    pub(crate) fn start_json(arguments: &[&str]) -> Self {
        let program = Self::program(&[arguments, &["--json"]].concat());
        let line = program.json();
        assert_eq!(line["event"], "listening");
        let enode = line["enode"].as_str().unwrap().to_owned();
        Self { program, enode }
    }

    fn program(arguments: &[&str]) -> Program {
        Program::start(&[&["rlpx", "listen", "--addr", "127.0.0.1:0"], arguments].concat())
    }
}

/// A folder with a key file in it; a digit names the key.
pub(crate) struct KeyFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl KeyFile {
    pub(crate) fn of(digit: char) -> Self {
        Self::with(&String::from(digit).repeat(64))
    }

    pub(crate) fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodekey");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Self { _folder: folder, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}
