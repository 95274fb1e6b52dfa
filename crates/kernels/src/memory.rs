//! Memory that JavaScript's collector only watches: mapped files, large aligned buffers, file locks.
//! Typed in `src/native/memory.ts` and `src/native/lock.ts`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::fs::{File, OpenOptions, TryLockError};
use std::ptr;
use std::sync::Mutex;

use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{Error, Result, Status, ValueType, sys};
use napi_derive::napi;

use crate::floats::Bytes;

/// Bytes from which a buffer gets pages of its own, and from which those should be huge ones.
const OWN_PAGES: usize = 1 << 20;
const HUGE: usize = 4 << 20;
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Start and length of every range of pages that lives: `drop_pages` touches no other memory.
static RANGES: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// Memory on its way to becoming an `ArrayBuffer`, which then owns it.
pub struct Region {
    address: usize,
    length: usize,
    pages: bool,
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.pages {
            RANGES.lock().unwrap().remove(&self.address);
            pages::unmap(self.address, self.length);
        } else {
            // SAFETY: `allocate` made it with this very layout.
            unsafe { std::alloc::dealloc(self.address as *mut u8, layout(self.length)) };
        }
    }
}

impl TypeName for Region {
    fn type_name() -> &'static str {
        "ArrayBuffer"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the box that `to_napi_value` leaked, and this is called once.
    drop(unsafe { Box::from_raw(hint.cast::<Region>()) });
}

impl ToNapiValue for Region {
    unsafe fn to_napi_value(env: sys::napi_env, region: Self) -> Result<sys::napi_value> {
        let (address, length) = (region.address as *mut c_void, region.length);
        let hint = Box::into_raw(Box::new(region));
        let mut result = ptr::null_mut();
        // SAFETY: the memory lives until `finalize`.
        let status = unsafe {
            sys::napi_create_external_arraybuffer(
                env,
                address,
                length,
                Some(finalize),
                hint.cast(),
                &mut result,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: no buffer was made, so nobody else frees it.
            drop(unsafe { Box::from_raw(hint) });
            return Err(Error::from_reason("this JavaScript engine takes no outside memory"));
        }
        Ok(result)
    }
}

fn layout(length: usize) -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(length, 64).expect("a size below isize::MAX")
}

fn failed(error: std::io::Error) -> Error {
    Error::from_reason(error.to_string())
}

fn own(address: usize, length: usize) -> Region {
    RANGES.lock().unwrap().insert(address, length);
    Region { address, length, pages: true }
}

/// A file as memory; writes to it stay private to the process. Empty files have no pages: `null`.
#[napi]
pub fn map_file(path: String) -> Result<Option<Region>> {
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(Error::from_reason("it is not a regular file"));
    }
    let length = usize::try_from(meta.len()).map_err(|e| Error::from_reason(e.to_string()))?;
    if length == 0 {
        return Ok(None);
    }
    pages::map(&file, length).map(|address| Some(own(address, length))).map_err(failed)
}

/// Zeroed memory at a multiple of 64 bytes.
#[napi]
pub fn allocate(length: f64) -> Result<Region> {
    if !(length >= 1.0 && length < (1u64 << 47) as f64) {
        return Err(Error::new(Status::InvalidArg, format!("{length} is no size of a buffer")));
    }
    let length = length as usize;
    if length >= OWN_PAGES {
        return pages::reserve(length).map(|address| own(address, length)).map_err(failed);
    }
    // SAFETY: the length is not zero.
    let address = unsafe { std::alloc::alloc_zeroed(layout(length)) };
    if address.is_null() {
        return Err(Error::from_reason("out of memory"));
    }
    Ok(Region { address: address as usize, length, pages: false })
}

/// Gives the whole pages inside `bytes` back to the system: a mapped file is read again when it is next
/// touched, an allocated buffer holds zeros. False, and nothing done, for memory of any other origin.
#[napi]
pub fn drop_pages(bytes: Bytes) -> bool {
    let (start, length) = (bytes.0.as_ptr() as usize, bytes.0.len());
    let ranges = RANGES.lock().unwrap();
    let Some((first, size)) = ranges.range(..=start).next_back() else {
        return false;
    };
    if start + length > first + size {
        return false;
    }
    pages::release(start, length, start + length == first + size)
}

#[cfg(unix)]
mod pages {
    use std::fs::File;
    use std::io::{Error, Result};
    use std::os::fd::AsRawFd;
    use std::ptr::null_mut;

    fn map_at(length: usize, flags: i32, fd: i32) -> Result<usize> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping, nothing is replaced.
        let address = unsafe { libc::mmap(null_mut(), length, access, flags, fd, 0) };
        if address == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(address as usize) }
    }

    /// Writable, so that a stray write cannot end the process, yet never written back to the file.
    /// Without a reserve: a model larger than the memory can be mapped.
    pub fn map(file: &File, length: usize) -> Result<usize> {
        map_at(length, libc::MAP_PRIVATE | libc::MAP_NORESERVE, file.as_raw_fd())
    }

    #[cfg(target_os = "linux")]
    pub fn reserve(length: usize) -> Result<usize> {
        use super::{HUGE, HUGE_PAGE};
        // Address space is cheap, and pages count when they are touched: a pool takes more than it may need.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        if length < HUGE {
            return map_at(length, flags, -1);
        }
        // Huge pages need an address that is a multiple of their size: map more, and trim both ends.
        let page = page_size();
        let wanted = length.next_multiple_of(page);
        let start = map_at(wanted + HUGE_PAGE, flags, -1)?;
        let aligned = start.next_multiple_of(HUGE_PAGE);
        // SAFETY: all ranges lie in the mapping just made.
        unsafe {
            if aligned > start {
                libc::munmap(start as *mut _, aligned - start);
            }
            let rest = start + HUGE_PAGE - aligned;
            if rest > 0 {
                libc::munmap((aligned + wanted) as *mut _, rest);
            }
            libc::madvise(aligned as *mut _, wanted, libc::MADV_HUGEPAGE);
        }
        Ok(aligned)
    }

    #[cfg(not(target_os = "linux"))]
    pub fn reserve(length: usize) -> Result<usize> {
        map_at(length, libc::MAP_PRIVATE | libc::MAP_ANON, -1)
    }

    pub fn unmap(address: usize, length: usize) {
        // SAFETY: the owner of the mapping is being dropped. The kernel rounds the length up to a page.
        unsafe { libc::munmap(address as *mut _, length) };
    }

    fn page_size() -> usize {
        // SAFETY: no preconditions.
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
    }

    /// The last page of a mapping may be only partly in use: it counts as whole.
    pub fn release(start: usize, length: usize, to_the_end: bool) -> bool {
        let page = page_size();
        let first = start.next_multiple_of(page);
        let end = start + length;
        let end = if to_the_end { end.next_multiple_of(page) } else { end / page * page };
        // SAFETY: the caller checked that the range belongs to one of our mappings.
        end <= first
            || unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_DONTNEED) } == 0
    }
}

/// Where there is no `mmap`: a file is read, and pages cannot be given back.
#[cfg(not(unix))]
mod pages {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::fs::File;
    use std::io::{Error, ErrorKind, Read, Result};

    fn layout(length: usize) -> Layout {
        Layout::from_size_align(length, 4096).expect("a size below isize::MAX")
    }

    pub fn map(mut file: &File, length: usize) -> Result<usize> {
        let address = reserve(length)?;
        // SAFETY: just allocated with this length.
        let bytes = unsafe { std::slice::from_raw_parts_mut(address as *mut u8, length) };
        file.read_exact(bytes).inspect_err(|_| unmap(address, length))?;
        Ok(address)
    }

    pub fn reserve(length: usize) -> Result<usize> {
        // SAFETY: the length is not zero.
        let address = unsafe { alloc_zeroed(layout(length)) };
        if address.is_null() {
            Err(Error::from(ErrorKind::OutOfMemory))
        } else {
            Ok(address as usize)
        }
    }

    pub fn unmap(address: usize, length: usize) {
        // SAFETY: `reserve` made it with this layout.
        unsafe { dealloc(address as *mut u8, layout(length)) };
    }

    pub fn release(_start: usize, _length: usize, _to_the_end: bool) -> bool {
        false
    }
}

/// Files under an exclusive lock, by the number that JavaScript holds.
static LOCKS: Mutex<Option<HashMap<u32, File>>> = Mutex::new(None);

/// Locks a file for this process alone, and makes it where it is not there; `null` where another holds
/// it. The system drops the lock with the process, however that ends.
#[napi]
pub fn lock_file(path: String) -> Result<Option<u32>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let mut locks = LOCKS.lock().unwrap();
    let locks = locks.get_or_insert_default();
    let id = (1..).find(|id| !locks.contains_key(id)).expect("fewer than 2³² locks");
    locks.insert(id, file);
    Ok(Some(id))
}

#[napi]
pub fn unlock_file(id: u32) {
    if let Some(locks) = LOCKS.lock().unwrap().as_mut() {
        locks.remove(&id);
    }
}
