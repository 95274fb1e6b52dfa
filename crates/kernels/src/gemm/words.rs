//! What a word of an operand is, and how the tiles multiply two of them.

use crate::simd::{self, Simd};

/// How the words of A and B are multiplied, and what becomes of a sum.
pub trait Words<S: Simd> {
    /// c + a · b
    unsafe fn dot(a: S::V, b: S::V, c: S::V) -> S::V;
    /// Adds the products of one word of A, which lies `BYTES` bytes behind `from`, or a stride more where `NEXT`, with one
    /// or two registers of B.
    #[inline(always)]
    unsafe fn add<const NEXT: bool, const BYTES: usize, const WIDTH: usize>(
        from: *const f32,
        stride: usize,
        (first, second): (S::V, S::V),
        (left, right): (&mut S::V, &mut S::V),
    ) {
        unsafe {
            let from = if NEXT { from.wrapping_add(stride) } else { from };
            let word = from.wrapping_byte_add(BYTES);
            let word = S::splat(word.read_unaligned());
            *left = Self::dot(word, first, *left);
            if WIDTH > 1 {
                *right = Self::dot(word, second, *right);
            }
        }
    }
    /// factor · sum + base
    unsafe fn settle(factor: S::V, sum: S::V, base: S::V) -> S::V;
}

/// f32, or what `Simd::dot` takes.
pub struct Floats;

impl<S: Simd> Words<S> for Floats {
    #[inline(always)]
    unsafe fn dot(a: S::V, b: S::V, c: S::V) -> S::V {
        unsafe { S::dot(a, b, c) }
    }
    #[inline(always)]
    unsafe fn settle(factor: S::V, sum: S::V, base: S::V) -> S::V {
        unsafe { S::fma(factor, sum, base) }
    }
}

/// Pairs of i16, whose sums are i32 and exact. The factor counts for nothing.
pub struct Pairs;

impl Words<simd::Portable> for Pairs {
    #[inline(always)]
    unsafe fn dot(a: simd::Four, b: simd::Four, c: simd::Four) -> simd::Four {
        let halves = |v: f32| [v.to_bits() as i16 as i32, v.to_bits() as i32 >> 16];
        simd::Four(std::array::from_fn(|i| {
            let ([a, b], c) = ([a.0[i], b.0[i]].map(halves), c.0[i].to_bits() as i32);
            f32::from_bits((c + a[0] * b[0] + a[1] * b[1]) as u32)
        }))
    }
    #[inline(always)]
    unsafe fn settle(_factor: simd::Four, sum: simd::Four, base: simd::Four) -> simd::Four {
        let sum = |i: usize| (sum.0[i].to_bits() as i32 + base.0[i].to_bits() as i32) as u32;
        simd::Four(std::array::from_fn(|i| f32::from_bits(sum(i))))
    }
}

/// What `Floats` are, in the order in which they are written on AVX-512.
#[cfg(target_arch = "x86_64")]
pub struct Floats512;

/// Words of four: u8 of A, i8 of B.
#[cfg(target_arch = "x86_64")]
pub struct Quads;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use super::{Floats512, Pairs, Quads, Words};
    use crate::simd::{Avx2, Avx512, Avx512Dot, Simd};

    /// The word of A behind an address, times one or two registers of B, whatever else the compiler has in mind.
    macro_rules! multiply {
        ($instruction:literal, $bytes:ident, $from:ident $(+ $stride:ident)?, $($b:ident $sum:ident),+) => {{
            let _word: __m512;
            asm!(
                concat!("vbroadcastss {word}, dword ptr [{from}", $(" + {", stringify!($stride), "}",)? " + {bytes}]"),
                $(concat!($instruction, " {", stringify!($sum), "}, {word}, {", stringify!($b), "}"),)+
                // Not `_`, whose register is named as if it held a byte.
                word = out(zmm_reg) _word,
                from = in(reg) $from,
                $($stride = in(reg) 4 * $stride,)?
                bytes = const $bytes,
                $($b = in(zmm_reg) $b, $sum = inout(zmm_reg) *$sum,)+
                options(readonly, nostack, preserves_flags),
            );
        }};
    }

    /// The same without a register for the word: one instruction less, and one more that waits for a load.
    macro_rules! multiply_there {
        ($instruction:literal, $bytes:ident, $from:ident, $($b:ident $sum:ident),+) => {
            asm!(
                $(concat!(
                    $instruction, " {", stringify!($sum), "}, {", stringify!($b), "}, dword ptr [{from} + {bytes}]{{1to16}}"
                ),)+
                from = in(reg) $from,
                bytes = const $bytes,
                $($b = in(zmm_reg) $b, $sum = inout(zmm_reg) *$sum,)+
                options(readonly, nostack, preserves_flags),
            )
        };
    }

    /// `Words::add` as it is written here: left to itself, the compiler loads the words of several rows long before
    /// it needs them, and the sums find no registers. Where a neighbor shares the core, instructions are what a tile waits
    /// for: words are read `$there` they are multiplied where their address is one register, which keeps that
    /// one instruction all the way.
    macro_rules! add_in_order {
        ($instruction:literal, $there:ident) => {
            #[inline(always)]
            unsafe fn add<const NEXT: bool, const BYTES: usize, const WIDTH: usize>(
                from: *const f32,
                stride: usize,
                b: (__m512, __m512),
                sums: (&mut __m512, &mut __m512),
            ) {
                #[inline]
                #[target_feature(enable = "avx512f")]
                unsafe fn in_order<const NEXT: bool, const BYTES: usize, const WIDTH: usize>(
                    from: *const f32,
                    stride: usize,
                    (first, second): (__m512, __m512),
                    (left, right): (&mut __m512, &mut __m512),
                ) {
                    // SAFETY: the caller's word is read, and nothing written but the sums.
                    unsafe {
                        match (NEXT, WIDTH) {
                            (false, 1) => $there!($instruction, BYTES, from, first left),
                            (false, _) => $there!($instruction, BYTES, from, first left, second right),
                            (true, 1) => multiply!($instruction, BYTES, from + stride, first left),
                            (true, _) => multiply!($instruction, BYTES, from + stride, first left, second right),
                        }
                    }
                }
                // SAFETY: as the trait's.
                unsafe { in_order::<NEXT, BYTES, WIDTH>(from, stride, b, sums) }
            }
        };
    }

    macro_rules! floats {
        ($simd:ty, $instruction:literal) => {
            impl Words<$simd> for Floats512 {
                #[inline(always)]
                unsafe fn dot(a: __m512, b: __m512, c: __m512) -> __m512 {
                    unsafe { <$simd>::dot(a, b, c) }
                }
                #[inline(always)]
                unsafe fn settle(factor: __m512, sum: __m512, base: __m512) -> __m512 {
                    unsafe { _mm512_fmadd_ps(factor, sum, base) }
                }
                add_in_order!($instruction, multiply_there);
            }
        };
    }

    floats!(Avx512, "vfmadd231ps");
    floats!(Avx512Dot, "vdpbf16ps");

    impl Words<Avx2> for Pairs {
        #[inline(always)]
        unsafe fn dot(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe {
                let product = _mm256_madd_epi16(_mm256_castps_si256(a), _mm256_castps_si256(b));
                _mm256_castsi256_ps(_mm256_add_epi32(product, _mm256_castps_si256(c)))
            }
        }
        #[inline(always)]
        unsafe fn settle(_factor: __m256, sum: __m256, base: __m256) -> __m256 {
            unsafe {
                let (sum, base) = (_mm256_castps_si256(sum), _mm256_castps_si256(base));
                _mm256_castsi256_ps(_mm256_add_epi32(sum, base))
            }
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe {
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            _mm512_castsi512_ps(_mm512_add_epi32(a, b))
        }
    }

    impl Words<Avx512> for Pairs {
        #[inline(always)]
        unsafe fn dot(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe {
                let product = _mm512_madd_epi16(_mm512_castps_si512(a), _mm512_castps_si512(b));
                add(_mm512_castsi512_ps(product), c)
            }
        }
        #[inline(always)]
        unsafe fn settle(_factor: __m512, sum: __m512, base: __m512) -> __m512 {
            unsafe { add(sum, base) }
        }
    }

    impl Words<Avx512> for Quads {
        // Only what has a sign could be read there, and that is B's.
        add_in_order!("vpdpbusd", multiply);
        #[inline(always)]
        unsafe fn dot(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe {
                let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
                _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(c), a, b))
            }
        }
        #[inline(always)]
        unsafe fn settle(_factor: __m512, sum: __m512, base: __m512) -> __m512 {
            unsafe { add(sum, base) }
        }
    }
}
