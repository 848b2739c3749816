//! A scenario with real sockets: nodes in processes of their own, killed and
//! started again as the scenario has it. All traffic is on loopback, where each
//! node has an address for itself.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::Contact;
use devp2p_smol::host;

use crate::line::Line;
use crate::nodes::{Order, Ordered, PORT};
use crate::observer::LOOK;
use crate::plan::{MAX_PEERS, Plan};

/// For programs to be loaded before the time begins.
const LOADING: Duration = Duration::from_millis(500);

/// Each run has its part of loopback, so that nothing under way of an earlier one
/// reaches it; and other processes of this program have others, most likely.
static NETWORKS: LazyLock<AtomicU8> = LazyLock::new(|| {
    let number = u8::try_from(std::process::id() % 128).unwrap_or(0);
    AtomicU8::new(64 + number)
});

/// Whose node it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Side {
    Ours,
    Geth,
}

/// One process, which waits for its order or runs.
struct Process {
    child: Child,
    input: ChildStdin,
}

impl Process {
    fn load(side: Side, geth: &Path, lines: &Sender<Line>) -> Self {
        let ours = || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.arg("nodes");
            command
        };
        let mut command = match side {
            Side::Ours => ours(),
            Side::Geth => Command::new(geth),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a program that starts");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let lines = lines.clone();
        std::thread::spawn(move || {
            for line in output.lines() {
                // One that is killed may have been in the middle of a line.
                let Ok(line) = line else { break };
                let Ok(line) = serde_json::from_str(&line) else { continue };
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, input }
    }

    fn begin(&mut self, order: &Order) {
        let line = serde_json::to_string(order).expect("it is plain");
        writeln!(self.input, "{line}").expect("a process that reads");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What all nodes told; `None` if some would be geth's and there is no geth.
pub(crate) fn run(
    plan: &Plan,
    side: impl Fn(u32) -> Side,
    geth: Option<&Path>,
) -> Option<Vec<Line>> {
    let sides: Vec<Side> = (0..plan.nodes).map(side).collect();
    if sides.contains(&Side::Geth) && geth.is_none() {
        return None;
    }
    let geth = geth.unwrap_or_else(|| Path::new(""));
    let orders = orders(plan, &sides);
    let (sender, told) = channel();
    let load = |leaving: bool| -> Vec<(Process, &Order)> {
        let chosen = orders.iter().filter(|((leaves, _), _)| *leaves == leaving);
        chosen.map(|((_, side), order)| (Process::load(*side, geth, &sender), order)).collect()
    };
    let mut staying = load(false);
    let mut leaving = load(true);
    std::thread::sleep(LOADING);
    let (began, unix) = (Instant::now(), unix_micros());
    let wait_until = |at: Duration| std::thread::sleep(at.saturating_sub(began.elapsed()));
    staying.iter_mut().chain(&mut leaving).for_each(|(process, order)| process.begin(order));
    if let Some(absence) = plan.absence {
        wait_until(absence.from);
        drop(leaving);
        wait_until(absence.until.saturating_sub(LOADING));
        leaving = load(true);
        wait_until(absence.until);
        leaving.iter_mut().for_each(|(process, order)| process.begin(order));
    }
    wait_until(plan.ends);
    drop((staying, leaving));
    drop(sender);
    Some(collected(&told, unix, plan.ends))
}

/// All lines until the end, in order, by the scenario's time.
fn collected(told: &Receiver<Line>, unix: u64, ends: Duration) -> Vec<Line> {
    let mut lines: Vec<Line> = told.iter().collect();
    for line in &mut lines {
        line.at = line.at.saturating_sub(unix);
    }
    lines.retain(|line| u128::from(line.at) <= ends.as_micros());
    lines.sort_by_key(|line| line.at);
    lines
}

fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What each process runs, by whether it is to be killed and whose it is.
fn orders(plan: &Plan, sides: &[Side]) -> BTreeMap<(bool, Side), Order> {
    let seed = host::seed().expect("randomness");
    let network = NETWORKS.fetch_add(1, Ordering::Relaxed);
    let mut bootnode = String::new();
    let mut orders = BTreeMap::new();
    for (name, side) in (0..plan.nodes).zip(sides) {
        let key = SecretKey::generate(&mut seed.derive("key", name.into()).secrets());
        let last = u8::try_from(name + 1).expect("few nodes");
        let ip = Ipv4Addr::new(127, network, 0, last);
        if name == 0 {
            let contact = Contact::new(key.public_key(), ip.into(), PORT, PORT);
            bootnode = contact.to_enode().to_string();
        }
        let order = orders.entry((plan.leaves(name), *side)).or_insert_with(|| Order {
            bootnode: bootnode.clone(),
            max_peers: MAX_PEERS,
            dials: plan.dials,
            start_milliseconds: milliseconds(plan.between_starts),
            look_milliseconds: milliseconds(LOOK),
            look_ups: plan.look_ups,
            nodes: Vec::new(),
        });
        let key = base16ct::lower::encode_string(&*key.to_bytes());
        order.nodes.push(Ordered { name, key, ip });
    }
    orders
}
