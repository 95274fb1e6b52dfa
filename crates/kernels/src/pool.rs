//! The number of threads, one a core unless it was set, and loops over parts of buffers on all of them.

use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use napi_derive::napi;

use crate::queue::{self, Shared};

/// Elements of one task, about: a constant, so that no result depends on the number of threads.
const TASK: usize = 1 << 14;

/// Rows of one task for rows of `width`: a function of the shape alone.
pub fn task_rows(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// The same for rows that are summed: few enough that f32 stays exact to about an ulp or two.
pub fn partial_rows(width: usize) -> usize {
    task_rows(width).min(128)
}

/// What was set; 0 is one a core.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Cores that this process may use.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Works off the tasks, in any order and on all threads. One task, or one thread, wakes nobody.
pub fn each<T: Send>(tasks: impl Iterator<Item = T>, work: impl Fn(T) + Send + Sync) {
    let mut tasks: Vec<ManuallyDrop<T>> = tasks.map(ManuallyDrop::new).collect();
    let all = Shared(tasks.as_mut_ptr());
    queue::drain(tasks.len(), |i| {
        // SAFETY: each task is taken once, by the index that is its own.
        work(unsafe { ManuallyDrop::take(&mut *all.get().add(i)) });
    });
}

/// Chunks of a buffer that may be absent: `count` times `None` where it is.
pub fn chunks_of<T>(buffer: Option<&mut [T]>, span: usize, count: usize) -> Vec<Option<&mut [T]>> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(span).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}

/// Number of threads in force.
#[napi]
pub fn threads() -> u32 {
    match THREADS.load(Ordering::Relaxed) {
        0 => cores() as u32,
        set => set as u32,
    }
}

/// Sets the number of threads; 0 means one a core. No result depends on it.
#[napi]
pub fn set_threads(threads: u32) {
    THREADS.store(threads as usize, Ordering::Relaxed);
}

/// Microseconds to have one empty task a thread done, the median of many: what a kernel pays for its threads.
#[napi]
pub fn pool_probe() -> f64 {
    let mut times: Vec<f64> = (0..1000)
        .map(|_| {
            let start = Instant::now();
            queue::drain(threads() as usize, |_| ());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
