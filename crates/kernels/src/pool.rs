//! Our own threads, one a core: rayon's global pool would take every core of the host.

use std::sync::{Mutex, OnceLock};

use napi_derive::napi;
use rayon::ThreadPool;

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

/// Runs `work` on the pool. With one thread it runs where it is called.
pub fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let pool = pool();
    if pool.current_num_threads() == 1 {
        return work();
    }
    pool.install(work)
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
