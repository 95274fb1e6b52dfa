//! One vector register of each instruction set behind one trait, for kernels that plain loops cannot
//! express well: matrix products, attention, exponentials.
//!
//! Every method is inlined into a function that has the set's features (`per_simd!` makes it), and is
//! unsafe for that reason: it may only be called there.

#![allow(clippy::missing_transmute_annotations)]

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::{Four, Portable};
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Avx512Dot};

/// Operations on a register of `LANES` f32.
///
/// # Safety
/// Callers run on a machine that has the instruction set, inside a function that enables it, and pass
/// pointers that are valid for the lanes named.
#[allow(dead_code)] // A whole vocabulary: kernels take what they need of it.
pub unsafe trait Simd: Copy + 'static {
    type V: Copy;
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// The first `n` lanes, the others zero. Nothing behind them is read.
    unsafe fn load_part(from: *const f32, n: usize) -> Self::V;
    unsafe fn store_part(to: *mut f32, v: Self::V, n: usize);
    unsafe fn load_bf16(from: *const u16) -> Self::V;
    /// Rounded to nearest even.
    unsafe fn store_bf16(to: *mut u16, v: Self::V);

    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a / b where b and its reciprocal are normal numbers, to about an ulp.
    #[inline(always)]
    unsafe fn quotient(a: Self::V, b: Self::V) -> Self::V {
        unsafe { Self::div(a, b) }
    }
    /// a · b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `b` where either is a NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `b` where either is a NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest integer.
    unsafe fn round(a: Self::V) -> Self::V;
    /// 2ⁿ · a for integers -127 ≤ n ≤ 128; the result is 0 at -127.
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;
    /// `sum` of each, to the last bit.
    #[inline(always)]
    unsafe fn sums(four: [Self::V; 4]) -> [f32; 4] {
        four.map(|v| unsafe { Self::sum(v) })
    }
    unsafe fn largest(v: Self::V) -> f32;
    unsafe fn prefetch(from: *const f32);

    /// The numbers of the table that `LANES` codes of four bits name; of two in a byte, the upper is first.
    #[inline(always)]
    unsafe fn look_up(table: &[f32; 16], codes: *const u8) -> Self::V {
        unsafe {
            let mut numbers = [0.0; 16];
            for i in 0..Self::LANES / 2 {
                let byte = *codes.add(i);
                numbers[2 * i] = table[byte as usize >> 4];
                numbers[2 * i + 1] = table[byte as usize & 15];
            }
            Self::load(numbers.as_ptr())
        }
    }

    /// Writes the transpose of `rows` × `columns` 32-bit words (each at most `LANES`): `to` gets `columns` rows of
    /// `LANES` words, zero where `from` has no row. Strides are in bytes and in words.
    unsafe fn transpose(
        from: *const u8,
        stride: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    );

    /// A register of pairs of bf16: from `low` the lower halves, from `high` the upper ones.
    #[inline(always)]
    unsafe fn pairs(low: *const u16, high: *const u16) -> Self::V {
        unsafe {
            let mut words = [0.0; 16];
            for (i, word) in words.iter_mut().take(Self::LANES).enumerate() {
                *word = f32::from_bits(*low.add(i) as u32 | (*high.add(i) as u32) << 16);
            }
            Self::load(words.as_ptr())
        }
    }

    /// The multiply-add of the matrix products: pairs of bf16 where the type says so.
    #[inline(always)]
    unsafe fn dot(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { Self::fma(a, b, c) }
    }

    /// 2ˣ, relative error below 2e-7; 0 below -127.
    #[inline(always)]
    unsafe fn exp2(x: Self::V) -> Self::V {
        unsafe {
            let x = Self::min(Self::splat(128.0), Self::max(Self::splat(-127.0), x));
            let n = Self::round(x);
            let r = Self::sub(x, n);
            // Cephes exp2f.
            let mut p = Self::splat(1.535_336_2e-4);
            for c in
                [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0]
            {
                p = Self::fma(p, r, Self::splat(c));
            }
            Self::scale(p, n)
        }
    }

    /// eˣ, relative error below 2e-7; 0 below -88.
    #[inline(always)]
    unsafe fn exp(x: Self::V) -> Self::V {
        unsafe {
            let x = Self::min(Self::splat(89.0), Self::max(Self::splat(-88.1), x));
            let n = Self::round(Self::mul(x, Self::splat(std::f32::consts::LOG2_E)));
            let r = Self::fma(n, Self::splat(-0.693_359_4), x);
            let r = Self::fma(n, Self::splat(2.121_944_4e-4), r);
            // Cephes expf.
            let mut p = Self::splat(1.987_569_1e-4);
            for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0] {
                p = Self::fma(p, r, Self::splat(c));
            }
            Self::scale(p, n)
        }
    }
}

/// Compiles one body, generic over `Simd`, for each instruction set and calls the one in force.
#[macro_export]
macro_rules! per_simd {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident <$s:ident $(, const $constant:ident: $kind:ty)*>
        ($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$(const $constant: $kind),*>($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            unsafe fn body<$s: $crate::simd::Simd $(, const $constant: $kind)*>($($arg: $type),*) $(-> $ret)? {
                // SAFETY: the callers below enable the set that the type stands for.
                unsafe { $body }
            }

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                fn avx512<$(const $constant: $kind),*>($($arg: $type),*) $(-> $ret)? {
                    // SAFETY: the features are those of the type.
                    unsafe { body::<$crate::simd::Avx512 $(, $constant)*>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                fn avx2<$(const $constant: $kind),*>($($arg: $type),*) $(-> $ret)? {
                    // SAFETY: the features are those of the type.
                    unsafe { body::<$crate::simd::Avx2 $(, $constant)*>($($arg),*) }
                }
                match $crate::isa::isa() {
                    // SAFETY: `isa()` gives a set only where the machine has its features.
                    $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => return unsafe {
                        avx512::<$($constant),*>($($arg),*)
                    },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx2 => return unsafe { avx2::<$($constant),*>($($arg),*) },
                    $crate::isa::Isa::Portable => {}
                }
            }
            // SAFETY: plain Rust needs no feature.
            unsafe { body::<$crate::simd::Portable $(, $constant)*>($($arg),*) }
        }
    };
}
