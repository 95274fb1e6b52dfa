//! Work memory of a thread: it only grows, so that no call allocates once the shapes are known.

use std::cell::RefCell;

/// A cache line, and a vector register.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);
const LINE: usize = 16;

thread_local! {
    /// Buffers that are not lent out, those of outer calls last: a call at one depth finds its own again.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Reading a large buffer costs less where its pages are large.
fn ask_for_huge_pages(_lines: &Vec<Line>) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        const PAGE: usize = 4096;
        let start = _lines.as_ptr() as usize;
        let (first, end) = (
            start.next_multiple_of(PAGE),
            (start + _lines.capacity() * size_of::<Line>()) / PAGE * PAGE,
        );
        if end > first + (2 << 20) {
            // SAFETY: advice on pages that are all inside the buffer.
            unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_HUGEPAGE) };
        }
    }
}

/// Lends `N` buffers of at least the given numbers of f32, each on a cache line of its own. What they
/// hold is left over from earlier calls.
pub fn with<const N: usize, R>(sizes: [usize; N], work: impl FnOnce([*mut f32; N]) -> R) -> R {
    // Taken out while it is lent: work that nests on this thread gets memory of its own.
    let mut lines = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let total = sizes.iter().map(|size| size.div_ceil(LINE) + 1).sum::<usize>();
    if lines.len() < total {
        // Freed before it is made anew: the old contents are nobody's.
        drop(lines);
        lines = Vec::with_capacity(total);
        ask_for_huge_pages(&lines);
        lines.resize(total, Line([0.0; LINE]));
    }
    let base: *mut f32 = lines.as_mut_ptr().cast();
    let mut offset = 0;
    let buffers = sizes.map(|size| {
        // SAFETY: the offsets add up to less than `total` lines.
        let buffer = unsafe { base.add(offset * LINE) };
        // One line between two buffers, so that equal sizes do not alias in the cache.
        offset += size.div_ceil(LINE) + 1;
        buffer
    });
    let result = work(buffers);
    FREE.with_borrow_mut(|free| free.push(lines));
    result
}
