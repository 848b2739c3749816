//! A scenario played twice, to find what is not the seed's: a clock that was read,
//! a hash map that was walked, chance from elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use super::play::{Played, Trial, play};
use crate::marks::Marks;
use crate::scenario::{Scenario, ScenarioError};
use crate::world::{Violation, World};

/// Plays a scenario, and once more, held to what it put out the first time. Where
/// the second run parts from the first there is a violation `X1`, which says
/// which node put out what, when, and what was expected. What a run has put out
/// is kept meanwhile: some 50 bytes for each datagram and write.
///
/// A leak of `select!`, of `RandomState` or of the clock shows here as soon as it
/// changes anything that a node does.
pub fn play_twice(scenario: &Scenario, trial: &impl Trial) -> Result<Played, ScenarioError> {
    let marks = Arc::new(Mutex::new(Marks::Made(Vec::new())));
    let first = play(scenario, &Marked { trial, marks: Arc::clone(&marks) })?;
    let made = core::mem::take(&mut *lock(&marks));
    let Marks::Made(expected) = made else { return Ok(first) };
    *lock(&marks) = Marks::Compared { expected, next: 0, parted: None };
    let mut second = play(scenario, &Marked { trial, marks: Arc::clone(&marks) })?;
    let parted = second.violation.as_ref().is_some_and(|violation| violation.invariant == "X1");
    let marks = lock(&marks);
    let wrong = if parted {
        None
    } else if second.violation != first.violation {
        let said = |violation: Option<Violation>| {
            violation.map_or_else(|| "nothing is wrong".to_owned(), |one| one.to_string())
        };
        let (first, second) = (said(first.violation), said(second.violation.clone()));
        Some((None, format!("expected \"{first}\"; found \"{second}\"")))
    } else {
        marks.missing().map(|missing| {
            (Some(missing.machine), format!("expected {missing}; found nothing more"))
        })
    };
    if let Some((node, what)) = wrong {
        let (at, last) = (second.time, Vec::new());
        second.violation = Some(Violation { invariant: "X1", at, node, what, last });
    }
    Ok(second)
}

/// A trial in whose worlds marks are made.
struct Marked<'a, T> {
    trial: &'a T,
    marks: Arc<Mutex<Marks>>,
}

impl<T: Trial> Trial for Marked<'_, T> {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        world.watch.marks = Some(Arc::clone(&self.marks));
        self.trial.prepare(world)
    }

    fn check(&self, world: &World) -> Result<(), String> {
        self.trial.check(world)
    }

    fn check_settled(&self, world: &World) -> Result<(), String> {
        self.trial.check_settled(world)
    }
}

fn lock(marks: &Mutex<Marks>) -> std::sync::MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}
