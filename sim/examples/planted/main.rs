//! Runs seeds of the planted bugs' scenarios: `planted A B WORDS`. Prints what the first
//! seed that fails has found. Words: `drawn`, the networks of `devp2p sim` instead;
//! `checked`, holds machines to their contract; `blind`, without oracles; `only=P1` heeds no
//! other invariant; `all` goes on after a failure; `reached` prints which rare branches were,
//! and each of the catalogue has to be; `last` prints what happened before a failure, `trace`
//! all that happened.
#![expect(clippy::unwrap_used, reason = "who runs it sees what went wrong")]

mod scenarios;

use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use devp2p_sim::{Reached, SETTLED, Talk, Trial as _};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default| {
        arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (first, last) = (number(1, 0), number(2, 10));
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let mut reached = Reached::default();
    let mut failed = 0;
    for seed in first..last {
        let only = arguments.iter().find_map(|argument| argument.strip_prefix("only="));
        let result = catch_unwind(AssertUnwindSafe(|| one(seed, &has, only, &mut reached)));
        let found = match result {
            Ok(Ok(())) => continue,
            Ok(Err(found)) => found,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                format!("panic {}", text.unwrap_or_default())
            }
        };
        println!("seed {seed}: {found}");
        failed += 1;
        if !has("all") {
            break;
        }
    }
    if has("reached") {
        for (name, count) in reached.iter() {
            println!("{count:>9} {name}");
        }
        println!("never reached: {:?}", reached.missing());
        failed += reached.missing().len();
    }
    println!("seeds {first}..{last}, failed {failed}");
    if failed > 0 {
        std::process::exit(1);
    }
}

fn one(
    seed: u64,
    has: &impl Fn(&str) -> bool,
    only: Option<&str>,
    reached: &mut Reached,
) -> Result<(), String> {
    let is_drawn = has("drawn");
    let mut scenario = if is_drawn { scenarios::drawn(seed) } else { scenarios::draw(seed) };
    scenario.checked = has("checked");
    scenario.oracles = !has("blind");
    let (settles, all) = if is_drawn {
        (scenario.calm >= SETTLED, scenario.ends())
    } else {
        let calm = scenario.calm_from().max(Duration::from_secs(120));
        let settles = seed % 4 == 3;
        (settles, calm + if settles { SETTLED } else { Duration::from_secs(120) })
    };
    let mut world = scenario.build().unwrap();
    if is_drawn {
        Talk.prepare(&mut world).unwrap();
    } else if seed % 8 != 7 {
        Talk::begin(&mut world).unwrap();
    }
    if has("trace") {
        world.trace();
    }
    only.into_iter().for_each(|invariant| world.heed_only(invariant));
    let mut run = || {
        world.run_for(all)?;
        if settles {
            world.check_settled()?;
        }
        world.stop_all()
    };
    let result = run();
    world.take_trace().iter().for_each(|line| println!("    {line}"));
    reached.add(&world.reached());
    result.map_err(|violation| {
        let mut text = violation.to_string();
        if has("last") {
            for line in &violation.last {
                text.push_str(&format!("\n    {line}"));
            }
        }
        text
    })
}
