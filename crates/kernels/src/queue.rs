//! Tasks that the threads take one after another, in order: uneven ones even out.
//!
//! There is one job at a time. Its tasks are handed out by a counter; the caller takes part, so a thread that is
//! slow to wake up finds nothing left to do, and nobody waits for it. Whoever has nothing to do looks for more
//! for a moment before it sleeps: a kernel that follows within that time starts in less than a microsecond on all
//! threads, where waking a sleeper takes five to fifty.

use std::any::Any;
use std::cell::Cell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::pool;

/// How long a thread that has worked looks for more: longer than what an engine does between two kernels.
const SPIN: Duration = Duration::from_micros(100);
/// A yield that takes longer has let another thread run: the core is wanted, so looking on would be in its way.
const CROWDED: Duration = Duration::from_micros(5);
/// Looks between two readings of the clock.
const LOOKS: usize = 50;

type Work<'a> = &'a (dyn Fn(usize) + Sync);

struct Job {
    /// The job's number in the upper half, the tasks that nobody has taken yet in the lower one.
    ticket: AtomicU64,
    count: AtomicUsize,
    /// Lives on the caller's stack until all tasks are done.
    work: AtomicPtr<Work<'static>>,
    done: AtomicUsize,
    /// A task has panicked: those that are left are counted, but not run.
    failed: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

static JOB: Job = Job {
    ticket: AtomicU64::new(0),
    count: AtomicUsize::new(0),
    work: AtomicPtr::new(null_mut()),
    done: AtomicUsize::new(0),
    failed: AtomicBool::new(false),
    panic: Mutex::new(None),
};

/// Where threads sleep: the workers until there is a task, the caller until the last one is done.
struct Bed {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Bed {
    const fn new() -> Bed {
        Bed { sleepers: AtomicUsize::new(0), lock: Mutex::new(()), bell: Condvar::new() }
    }

    /// Returns once `ready`, whose change is followed by a call of `wake`.
    fn sleep_until(&self, ready: impl Fn() -> bool) {
        let mut guard = locked(&self.lock);
        // Before `ready` is asked: who makes it so asks for sleepers afterwards.
        self.sleepers.fetch_add(1, SeqCst);
        while !ready() {
            guard = self.bell.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
    }

    fn wake(&self, most: usize) {
        let sleepers = self.sleepers.load(SeqCst);
        if sleepers > 0 {
            // Whoever has asked `ready` in vain is asleep once the lock is free.
            drop(locked(&self.lock));
            (0..most.min(sleepers)).for_each(|_| self.bell.notify_one());
        }
    }
}

static WORKERS: Bed = Bed::new();
static CALLER: Bed = Bed::new();

/// Number of workers started. Who holds it owns `JOB`.
static STARTED: Mutex<usize> = Mutex::new(0);

thread_local! {
    /// Set on a thread that is working off a job: what it calls finds no other threads.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn has_tasks(&self) -> bool {
        self.ticket.load(SeqCst) as u32 > 0
    }

    /// The next task: its index, the number of all, and what to do. None where all are taken.
    fn take(&self) -> Option<(usize, usize, *const Work<'static>)> {
        let mut ticket = self.ticket.load(Acquire);
        loop {
            let left = ticket as u32 as usize;
            if left == 0 {
                return None;
            }
            // They are of the ticket's job where the exchange succeeds: it could not end without this task.
            let (count, work) = (self.count.load(Relaxed), self.work.load(Relaxed));
            match self.ticket.compare_exchange_weak(ticket, ticket - 1, AcqRel, Acquire) {
                Ok(_) => return Some((count - left, count, work)),
                Err(now) => ticket = now,
            }
        }
    }

    fn work_off(&self) {
        while let Some((index, count, work)) = self.take() {
            if !self.failed.load(Relaxed) {
                // SAFETY: the caller is in `run` until this task is counted as done below.
                let work = unsafe { *work };
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(index))) {
                    self.failed.store(true, Relaxed);
                    locked(&self.panic).get_or_insert(payload);
                }
            }
            if self.done.fetch_add(1, SeqCst) + 1 == count {
                CALLER.wake(1);
            }
        }
    }

    /// Runs all tasks; a panic in one of them goes on here once no thread is at work any more.
    fn run(&self, count: usize, work: Work) {
        let number = self.ticket.load(Relaxed) >> 32;
        self.done.store(0, Relaxed);
        self.failed.store(false, Relaxed);
        self.count.store(count, Relaxed);
        self.work.store((&raw const work).cast_mut().cast(), Relaxed);
        self.ticket.store((number.wrapping_add(1) << 32) | count as u64, SeqCst);
        WORKERS.wake(count - 1);
        self.work_off();
        let finished = || self.done.load(SeqCst) == count;
        if !spin_until(finished) {
            CALLER.sleep_until(finished);
        }
    }
}

/// Looks for a moment; whether it found what it waits for.
fn spin_until(ready: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    // More threads than cores: looking keeps the ones that have work from it.
    let crowded = pool::threads() as usize > pool::cores();
    loop {
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            spin_loop();
        }
        let before = Instant::now();
        if crowded || before - start > SPIN {
            return false;
        }
        thread::yield_now();
        if before.elapsed() > CROWDED {
            return ready();
        }
    }
}

fn worker(index: usize) {
    BUSY.set(true);
    let wanted = || JOB.has_tasks() && index + 1 < pool::threads() as usize;
    loop {
        if !spin_until(wanted) {
            WORKERS.sleep_until(wanted);
        }
        JOB.work_off();
    }
}

/// Runs `work(0)`, `work(1)`, … `work(count - 1)` on all threads. Which thread takes which task is left
/// to chance, so each task must write what no other one touches.
pub fn drain(count: usize, work: impl Fn(usize) + Send + Sync) {
    let threads = count.min(pool::threads() as usize);
    if threads <= 1 || BUSY.get() {
        return (0..count).for_each(work);
    }
    // Another JavaScript thread has the workers: this one does without.
    let Ok(mut started) = STARTED.try_lock() else {
        return (0..count).for_each(work);
    };
    while *started + 1 < pool::threads() as usize {
        let (index, name) = (*started, format!("tunery-{}", *started + 1));
        if thread::Builder::new().name(name).spawn(move || worker(index)).is_err() {
            break;
        }
        *started += 1;
    }
    BUSY.set(true);
    JOB.run(count, &work);
    BUSY.set(false);
    let panic = locked(&JOB.panic).take();
    drop(started);
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

/// A buffer that tasks write in parts of their own.
pub struct Shared<T>(pub *mut T);

// Not derived: a pointer is copied whatever it points to.
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<T> {}

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
