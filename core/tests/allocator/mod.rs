//! The allocator of the tests of memory: the system's, and it counts.
//!
//! Counters are per thread, as tests run beside each other. A reallocation
//! counts as an allocation with both blocks alive: the worst case.
#![allow(unsafe_code, reason = "a global allocator cannot be written without; it only counts")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

struct Counting;

std::thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed to the system's allocator unchanged; the
// counters are plain cells that neither allocate nor need a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // What a thread allocates another may free: the counter wraps, and a
        // difference taken on one thread is right all the same.
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What happened while something ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cost {
    pub(crate) allocations: usize,
    /// Most bytes alive at once beyond those before.
    pub(crate) peak: usize,
}

pub(crate) fn cost<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let (live, allocations) = (LIVE.get(), ALLOCATIONS.get());
    PEAK.set(live);
    let result = run();
    (result, Cost { allocations: ALLOCATIONS.get() - allocations, peak: PEAK.get() - live })
}

/// Bytes that `run` leaves alive, less those that it frees.
pub(crate) fn growth<T>(run: impl FnOnce() -> T) -> (T, isize) {
    let live = LIVE.get();
    let result = run();
    (result, LIVE.get().wrapping_sub(live).cast_signed())
}

/// Struct and heap of `value`: what goes away with it.
pub(crate) fn weight<T>(value: T) -> usize {
    let live = LIVE.get();
    drop(value);
    size_of::<T>() + (live - LIVE.get())
}
