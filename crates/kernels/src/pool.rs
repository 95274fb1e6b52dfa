//! The number of threads, one a core unless it was set, and loops over parts of buffers on all of them.

use std::hint::spin_loop;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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

/// How long a thread waits for the others before its burst.
const PATIENCE: Duration = Duration::from_millis(1);
/// Instructions of a burst of `slots_probe`: ten to twenty microseconds.
const BURST: usize = 1 << 18;

/// Instructions a nanosecond that a core takes in while it has nothing to compute, of the slowest of all threads: about half where a
/// neighbor (another program, or a guest of the same machine) keeps the other thread of its core busy, less where it has to give way.
#[napi]
pub fn slots_probe() -> f64 {
    let threads = threads() as usize;
    let (here, slowest) = (AtomicUsize::new(0), AtomicU64::new(0));
    queue::drain(threads, |_| {
        // Who waits takes no second task, so that each thread has one.
        let arrived = Instant::now();
        here.fetch_add(1, Ordering::Relaxed);
        while here.load(Ordering::Relaxed) < threads && arrived.elapsed() < PATIENCE {
            spin_loop();
        }
        let start = Instant::now();
        for _ in 0..BURST / 256 {
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            // SAFETY: they do nothing.
            unsafe {
                std::arch::asm!(
                    ".rept 256",
                    "nop",
                    ".endr",
                    options(nomem, nostack, preserves_flags)
                )
            };
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            (0..256).for_each(|i| _ = std::hint::black_box(i));
        }
        slowest.fetch_max(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    });
    BURST as f64 / slowest.into_inner().max(1) as f64
}
