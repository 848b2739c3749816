//! Panics of what is simulated, caught, and told by whoever asked for them instead
//! of on standard error.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// What the panics of this thread said, if somebody wants to know.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does it. If it panics, what was said, and where. What it has left half done is
/// the caller's to look at.
pub(super) fn catch<R>(act: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_heard = HEARD.with_borrow_mut(|heard| match heard {
                Some(heard) => {
                    *heard = said(info);
                    true
                }
                None => false,
            });
            if !is_heard {
                before(info);
            }
        }));
    });
    let outer = HEARD.replace(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    let heard = HEARD.replace(outer);
    result.map_err(|_| heard.unwrap_or_default())
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let words = info.payload_as_str().unwrap_or("something that is no text");
    match info.location() {
        Some(place) => format!("{words}, at {place}"),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place_and_one_within_another_to_whom_it_concerns() {
        let outer = catch(|| {
            let inner = catch(|| panic!("one {}", 1)).unwrap_err();
            assert!(inner.starts_with("one 1, at sim/src/swarm/panics.rs:"), "{inner}");
            panic!("other");
        });
        assert!(outer.unwrap_err().starts_with("other, at "));
        assert_eq!(catch(|| 3), Ok(3));
    }
}
