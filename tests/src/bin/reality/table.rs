//! All results beside each other, and whether the simulator is near our nodes on
//! real sockets.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use crate::Execution;
use crate::measures::{Measure, Measured};
use crate::plan::Plan;

/// The median of the simulator and that of reality may be so many times each
/// other, and [`Measure::slack`] more.
const FACTOR: f64 = 1.5;

/// By scenario, then measure, then execution: one value for each repeat.
#[derive(Default)]
pub(crate) struct Results(BTreeMap<&'static str, BTreeMap<Measure, BTreeMap<Execution, Vec<f64>>>>);

impl Results {
    pub(crate) fn add(&mut self, plan: &Plan, execution: Execution, measured: Measured) {
        for (measure, value) in measured.0 {
            let scenario = self.0.entry(plan.name).or_default();
            let values = scenario.entry(measure).or_default().entry(execution).or_default();
            values.push(value);
            values.sort_by(f64::total_cmp);
        }
    }

    /// Markdown: the median, and the least and the most.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| |");
        for execution in Execution::ALL {
            let _ = write!(text, " {} |", execution.name());
        }
        let _ = writeln!(text, "\n| ---{}|", " | ---".repeat(Execution::ALL.len()));
        for plan in Plan::ALL {
            let Some(scenario) = self.0.get(plan.name) else { continue };
            let _ = writeln!(text, "| **{}** |{}", plan.name, " |".repeat(Execution::ALL.len()));
            for (measure, executions) in scenario {
                let _ = write!(text, "| {} |", measure.name());
                for execution in Execution::ALL {
                    let values = executions.get(&execution).map_or(&[][..], Vec::as_slice);
                    let _ = write!(text, " {} |", cell(values));
                }
                text.push('\n');
            }
        }
        text
    }

    /// One line for each measure in which the simulator is too far from reality.
    pub(crate) fn too_far_apart(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, scenario) in &self.0 {
            for (measure, executions) in scenario {
                let value = |execution| executions.get(&execution).and_then(|all| median(all));
                let (Some(simulated), Some(real), Some(slack)) =
                    (value(Execution::Simulated), value(Execution::Ours), measure.slack())
                else {
                    continue;
                };
                if !is_near(simulated, real, slack) {
                    let what = measure.name();
                    lines.push(format!(
                        "too far apart: {name}, {what}: simulated {}, real {}",
                        told(simulated),
                        told(real)
                    ));
                }
            }
        }
        lines
    }
}

fn is_near(a: f64, b: f64, slack: f64) -> bool {
    a.is_nan() && b.is_nan() || a.max(b) <= a.min(b) * FACTOR + slack && !a.is_nan() && !b.is_nan()
}

/// Of an even number the lower one.
fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

fn cell(sorted: &[f64]) -> String {
    let (Some(median), Some(least), Some(most)) = (median(sorted), sorted.first(), sorted.last())
    else {
        return "–".to_owned();
    };
    if sorted.len() == 1 {
        return told(median);
    }
    format!("{} ({}–{})", told(median), told(*least), told(*most))
}

fn told(value: f64) -> String {
    if value.is_nan() {
        return "never".to_owned();
    }
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_to_be_is_far_from_what_did() {
        assert!(is_near(f64::NAN, f64::NAN, 0.0));
        assert!(!is_near(f64::NAN, 1.0, 2.0) && !is_near(1.0, f64::NAN, 2.0));
        assert!(is_near(2.0, 3.0, 0.0) && !is_near(2.0, 3.1, 0.0));
        assert!(is_near(0.0, 1.0, 1.0) && is_near(1.0, 0.0, 1.0));
    }

    #[test]
    fn a_cell_has_median_least_and_most() {
        assert_eq!(cell(&[]), "–");
        assert_eq!(cell(&[1.25]), "1.2");
        assert_eq!(cell(&[0.0, 1.0, 20.4]), "1.0 (0.0–20)");
        assert_eq!(cell(&[1.0, f64::NAN]), "1.0 (1.0–never)");
    }
}
