//! Tasks that the threads take one after another, in order: uneven ones even out.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::pool;

/// Runs `work(0)`, `work(1)`, … `work(count - 1)` on all threads. Which thread takes which task is left
/// to chance, so each task must write what no other one touches.
pub fn drain(count: usize, work: impl Fn(usize) + Send + Sync) {
    let threads = count.min(pool::threads() as usize);
    if threads <= 1 {
        return (0..count).for_each(work);
    }
    let next = AtomicUsize::new(0);
    let take = || {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= count {
                return;
            }
            work(task);
        }
    };
    pool::run(|| {
        rayon::scope(|scope| {
            // A thread that is slow to wake up finds nothing left to do, and nobody waits for it.
            (1..threads).for_each(|_| scope.spawn(|_| take()));
            take();
        });
    });
}

/// A buffer that tasks write in parts of their own.
#[derive(Clone, Copy)]
pub struct Shared<T>(pub *mut T);

// SAFETY: who shares it sees to it that tasks write disjoint parts.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// A method, so that a closure captures the whole and not the bare pointer.
    pub fn get(self) -> *mut T {
        self.0
    }
}
