//! The simulator beside reality: the same three scenarios in the simulator, with
//! our nodes on real sockets, and with geth's, measured alike. For
//! `tests/reality/run`; what is measured, and what came of it, is told in
//! `docs/simulator.md`.
//!
//! ```text
//! reality run [--geth PROGRAM] [--repeats N] [--only WORDS] [--json FILE]
//! reality nodes          our nodes on loopback; what they are is read from standard input
//! ```
//!
//! ```text
//!   plan ─┬─▶ simulated ──▶ observer in each node ─┐
//!         ├─▶ field ─▶ nodes: the same observer ───┼─▶ lines ─▶ measures ─▶ table
//!         ╰─▶ field ─▶ tests/reality/geth ─────────╯
//! ```
#![expect(clippy::expect_used, reason = "a tool for developers, which stops where it cannot go on")]

mod field;
mod line;
mod measures;
mod nodes;
mod observer;
mod plan;
mod simulated;
mod table;

use std::io::Write as _;
use std::path::PathBuf;

use core::time::Duration;
use devp2p_sim::Region;

use crate::field::Side;
use crate::measures::Measured;
use crate::plan::Plan;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "run" => run(&Options::parse(rest)),
        Some((command, [])) if command == "nodes" => nodes::serve(),
        Some(_) | None => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: reality run [--geth PROGRAM] [--repeats N] [--only WORDS] [--json FILE]");
    std::process::exit(2);
}

struct Options {
    geth: Option<PathBuf>,
    repeats: u32,
    /// Scenarios and executions whose name has one of these words, which commas
    /// part.
    only: String,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Self {
        let mut options = Self { geth: None, repeats: 5, only: String::new(), json: None };
        for pair in arguments.chunks(2) {
            let [option, value] = pair else { usage() };
            match option.as_str() {
                "--geth" => options.geth = Some(value.into()),
                "--repeats" => options.repeats = value.parse().unwrap_or_else(|_| usage()),
                "--only" => options.only.clone_from(value),
                "--json" => options.json = Some(value.into()),
                _ => usage(),
            }
        }
        options
    }
}

/// Where a scenario is executed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Execution {
    /// In the simulator, with the latency of loopback.
    Simulated,
    /// In the simulator, as far from each other as two data centres of one region.
    SimulatedApart,
    Ours,
    Geth,
    /// Every other node is geth's.
    Mixed,
}

impl Execution {
    const ALL: [Self; 5] =
        [Self::Simulated, Self::SimulatedApart, Self::Ours, Self::Geth, Self::Mixed];

    const fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::SimulatedApart => "simulated, 8 ms apart",
            Self::Ours => "our nodes",
            Self::Geth => "geth's",
            Self::Mixed => "both by turns",
        }
    }

    const fn is_real(self) -> bool {
        matches!(self, Self::Ours | Self::Geth | Self::Mixed)
    }

    /// What came of it; `None` if it cannot be executed here.
    fn execute(self, plan: &Plan, repeat: u32, options: &Options) -> Option<Measured> {
        let both = [Side::Ours, Side::Geth];
        let geth = options.geth.as_deref();
        let lines = match self {
            Self::Simulated => simulated::run(plan, repeat, Region::Loopback),
            Self::SimulatedApart => simulated::run(plan, repeat, Region::NorthAmericaEast),
            Self::Ours => field::run(plan, |_| Side::Ours, geth)?,
            Self::Geth => field::run(plan, |_| Side::Geth, geth)?,
            Self::Mixed => field::run(plan, |name| both[name as usize % 2], geth)?,
        };
        Some(Measured::of(plan, &lines))
    }
}

/// Between the starts of two executions with real sockets, which go on side by
/// side: it is when they start that they have much to do.
const APART: Duration = Duration::from_secs(8);

fn run(options: &Options) {
    let mut file = options.json.as_ref().map(|path| std::fs::File::create(path).expect("a file"));
    let mut all = table::Results::default();
    for repeat in 1..=options.repeats {
        for plan in Plan::ALL {
            for (execution, measured) in execute(&plan, repeat, options) {
                let line = serde_json::json!({
                    "scenario": plan.name, "execution": execution.name(), "repeat": repeat,
                    "measured": measured.by_name(),
                });
                eprintln!("{line}");
                if let Some(file) = &mut file {
                    writeln!(file, "{line}").expect("room for a line");
                }
                all.add(&plan, execution, measured);
            }
        }
    }
    println!("{}", all.table());
    let apart = all.too_far_apart();
    for line in &apart {
        println!("{line}");
    }
    if !apart.is_empty() {
        std::process::exit(1);
    }
}

/// One repeat in all executions that are wanted: first in the simulator, which
/// wants a processor for itself, and then on sockets.
fn execute(plan: &Plan, repeat: u32, options: &Options) -> Vec<(Execution, Measured)> {
    let wanted = |execution: &Execution| {
        let name = format!("{} {}", plan.name, execution.name());
        options.only.split(',').any(|words| name.contains(words))
    };
    let wanted: Vec<Execution> = Execution::ALL.into_iter().filter(wanted).collect();
    let (real, simulated): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|execution| execution.is_real());
    let execute =
        |execution: Execution| Some((execution, execution.execute(plan, repeat, options)?));
    let mut all: Vec<_> = simulated.into_iter().filter_map(execute).collect();
    std::thread::scope(|scope| {
        let threads = real.into_iter().zip(0..).map(|(execution, place)| {
            scope.spawn(move || {
                std::thread::sleep(APART * place);
                execute(execution)
            })
        });
        let threads: Vec<_> = threads.collect();
        all.extend(threads.into_iter().filter_map(|one| one.join().expect("it went on")));
    });
    all
}
