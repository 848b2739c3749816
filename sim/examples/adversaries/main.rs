//! What adversaries come to in a network of ours, with a defence and without it.
//!
//! ```sh
//! cargo run --release -p devp2p-sim --example adversaries \
//!     --features insecure-stand-in-curve-for-simulation-and-fuzzing-only -- \
//!     [ATTACK...] [--seed S] [--json]
//! ```
//!
//! With `--json` a line for each sample; at the end a table, of those attacks whose
//! names begin so, or of all.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "who runs it sees what went wrong")]

mod cases;

use core::time::Duration;

use cases::{Case, MINUTE, Way};
use devp2p_sim::{Census, Share};

/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(30);

/// Minutes whose samples the table has.
const SHOWN: [u32; 4] = [5, 10, 20, 35];

fn main() {
    let mut seed = 1;
    let (mut wanted, mut json) = (Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--seed" => seed = arguments.next().unwrap().parse().unwrap(),
            name => wanted.push(name.to_owned()),
        }
    }
    let is_wanted = |case: &Case| {
        wanted.is_empty() || wanted.iter().any(|name| case.name.starts_with(name.as_str()))
    };
    let mut rows = Vec::new();
    for case in cases::all(seed).into_iter().filter(is_wanted) {
        for way in &case.ways {
            rows.extend(play(&case, way, seed, json));
        }
    }
    if !rows.is_empty() {
        println!("{}", heading());
        rows.iter().for_each(|row| println!("{row}"));
    }
}

/// What was seen of a group.
#[derive(Clone)]
struct Seen {
    census: Census,
    /// Packets that it has sent since the sample before.
    sent: u64,
}

/// One world from beginning to end: a row for each group of its nodes.
fn play(case: &Case, way: &Way, seed: u64, json: bool) -> Vec<String> {
    let mut world = way.scenario.clone().build().unwrap();
    let mut shown = vec![Vec::new(); case.groups.len()];
    let mut before = vec![0; case.groups.len()];
    while world.now() < case.lasts {
        world.run_for(SAMPLE).unwrap();
        for (group, (shown, before)) in case.groups.iter().zip(shown.iter_mut().zip(&mut before)) {
            let census = world.census(group.nodes.clone());
            let sent = census.sent.saturating_sub(core::mem::replace(before, census.sent));
            if json {
                println!("{}", line(case, way, seed, group.name, world.now(), &census));
            }
            if SHOWN.iter().any(|minute| world.now() == MINUTE * *minute) {
                shown.push(Seen { sent, census });
            }
        }
    }
    let groups = case.groups.iter().zip(&shown);
    groups.map(|(group, shown)| row(case, way, group.name, shown)).collect()
}

fn line(case: &Case, way: &Way, seed: u64, group: &str, now: Duration, census: &Census) -> String {
    let share = |share: Share| format!("[{},{}]", share.honest, share.all);
    format!(
        r#"{{"attack":"{}","way":"{}","seed":{seed},"group":"{group}","second":{},"nodes":{},"table":{},"live":{},"dialled":{},"peers":{},"sent":{}}}"#,
        case.name,
        way.name,
        now.as_secs(),
        census.nodes,
        share(census.table),
        share(census.live),
        share(census.dialled),
        share(census.peers),
        census.sent,
    )
}

fn heading() -> String {
    let times = SHOWN.map(|minute| minute.to_string()).join(" / ");
    format!(
        "| attack | way | nodes | table % | live % | dialled % | honest peers | packets/s |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n\
         | | after minutes | | {times} | {times} | {times} | {times} | {times} |"
    )
}

fn row(case: &Case, way: &Way, group: &str, shown: &[Seen]) -> String {
    let all = |of: &dyn Fn(&Seen) -> String| {
        let texts: Vec<String> = shown.iter().map(of).collect();
        texts.join(" / ")
    };
    let permille = |share: Share| share.permille().map_or_else(|| "-".to_owned(), percent);
    let each = |count: u64, seen: &Seen| {
        let tenths = (count * 10).checked_div(seen.census.nodes);
        tenths.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
    };
    format!(
        "| {} | {} | {group} | {} | {} | {} | {} | {} |",
        case.name,
        way.name,
        all(&|seen| permille(seen.census.table)),
        all(&|seen| permille(seen.census.live)),
        all(&|seen| permille(seen.census.dialled)),
        all(&|seen| each(seen.census.peers.honest, seen)),
        all(&|seen| each(seen.sent / SAMPLE.as_secs(), seen)),
    )
}

/// Per cent, rounded down.
fn percent(permille: u64) -> String {
    format!("{}", permille / 10)
}
