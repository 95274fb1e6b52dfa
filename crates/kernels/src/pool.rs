//! Our own threads, one a core: rayon's global pool would take every core of the host.

use std::sync::{Mutex, OnceLock};

use napi_derive::napi;
use rayon::ThreadPool;
use rayon::prelude::*;

/// Elements of one task, about: a constant, so that no result depends on the number of threads.
const TASK: usize = 1 << 14;

/// Rows of one task for rows of `width`: a function of the shape alone.
pub fn task_rows(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

static THREADS: Mutex<usize> = Mutex::new(0);
static POOL: OnceLock<Mutex<&'static ThreadPool>> = OnceLock::new();

fn build(threads: usize) -> &'static ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("tunery-{i}"))
        .build()
        .expect("threads can be started");
    // Pools are few (one, but for tests that change the number) and live as long as the process.
    Box::leak(Box::new(pool))
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn pool() -> &'static ThreadPool {
    let cell = POOL.get_or_init(|| {
        let threads = default_threads();
        *THREADS.lock().unwrap() = threads;
        Mutex::new(build(threads))
    });
    *cell.lock().unwrap()
}

/// The same for rows that are summed: few enough that f32 stays exact to about an ulp or two.
pub fn partial_rows(width: usize) -> usize {
    task_rows(width).min(128)
}

/// Runs `work` inside the pool, so that rayon's own iterators take its threads and no others.
#[allow(dead_code)]
pub fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    pool().install(work)
}

/// Works off the tasks, in any order and on all threads. One task, or one thread, wakes nobody.
pub fn each<T: Send>(tasks: impl Iterator<Item = T>, work: impl Fn(T) + Send + Sync) {
    let pool = pool();
    let tasks: Vec<T> = tasks.collect();
    if tasks.len() <= 1 || pool.current_num_threads() == 1 {
        return tasks.into_iter().for_each(work);
    }
    pool.install(|| tasks.into_par_iter().for_each(work));
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
    pool().current_num_threads() as u32
}

/// Sets the number of threads; 0 means one a core. No result depends on it.
#[napi]
pub fn set_threads(threads: u32) {
    pool();
    let wanted = if threads == 0 { default_threads() } else { threads as usize };
    let mut current = THREADS.lock().unwrap();
    if *current != wanted {
        *POOL.get().expect("made above").lock().unwrap() = build(wanted);
        *current = wanted;
    }
}
