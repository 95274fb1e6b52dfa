//! Plain Rust, for every target.

use super::Simd;

/// Plain Rust on four lanes, which every target has as a register (SSE2, NEON).
#[derive(Clone, Copy)]
pub struct Portable;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Four(pub [f32; 4]);

macro_rules! lanes {
    ($($v:ident),*; $body:expr) => {{
        let mut out = [0.0; 4];
        for (i, out) in out.iter_mut().enumerate() {
            $(let $v = $v.0[i];)*
            *out = $body;
        }
        Four(out)
    }};
}

// SAFETY: plain Rust within the bounds that the caller vouches for.
unsafe impl Simd for Portable {
    type V = Four;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Four {
        Four([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Four {
        Four(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Four) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v.0) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Four {
        let mut out = [0.0; 4];
        for (i, out) in out.iter_mut().enumerate().take(n) {
            *out = unsafe { from.add(i).read_unaligned() };
        }
        Four(out)
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Four, n: usize) {
        for (i, v) in v.0.iter().enumerate().take(n) {
            unsafe { to.add(i).write_unaligned(*v) };
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Four {
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        Four(bits.map(crate::floats::from_bf16))
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: Four) {
        unsafe { to.cast::<[u16; 4]>().write_unaligned(v.0.map(crate::floats::to_bf16)) }
    }
    #[inline(always)]
    unsafe fn add(a: Four, b: Four) -> Four {
        lanes!(a, b; a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Four, b: Four) -> Four {
        lanes!(a, b; a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Four, b: Four) -> Four {
        lanes!(a, b; a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Four, b: Four) -> Four {
        lanes!(a, b; a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: Four, b: Four, c: Four) -> Four {
        // x86-64's baseline has no such instruction, and the library's function is a hundred times slower.
        #[cfg(target_arch = "x86_64")]
        return lanes!(a, b, c; a * b + c);
        #[cfg(not(target_arch = "x86_64"))]
        lanes!(a, b, c; a.mul_add(b, c))
    }
    #[inline(always)]
    unsafe fn max(a: Four, b: Four) -> Four {
        lanes!(a, b; if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Four, b: Four) -> Four {
        lanes!(a, b; if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn round(a: Four) -> Four {
        /// 1.5 · 2²³: adding it leaves a small number's nearest integer in the low bits.
        const MAGIC: f32 = 12_582_912.0;
        lanes!(a; (a + MAGIC) - MAGIC)
    }
    #[inline(always)]
    unsafe fn scale(a: Four, n: Four) -> Four {
        lanes!(a, n; a * f32::from_bits((((n as i32) + 127) << 23) as u32))
    }
    #[inline(always)]
    unsafe fn sum(v: Four) -> f32 {
        (v.0[0] + v.0[2]) + (v.0[1] + v.0[3])
    }
    #[inline(always)]
    unsafe fn largest(v: Four) -> f32 {
        v.0.iter().fold(v.0[0], |a, &b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}

    #[inline(always)]
    unsafe fn transpose(
        from: *const u8,
        stride: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for column in 0..columns {
            for row in 0..Self::LANES {
                // SAFETY: within the block that the caller names; words may lie unaligned.
                unsafe {
                    let word = if row < rows {
                        from.add(row * stride).cast::<f32>().add(column).read_unaligned()
                    } else {
                        0.0
                    };
                    to.add(column * to_stride + row).write(word);
                }
            }
        }
    }
}
