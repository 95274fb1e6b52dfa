//! Registers of 32 bytes and of eight lanes behind one trait: products of whole numbers of eight bits.

use crate::convert::half_at;

/// # Safety
/// Callers run on a machine that has the instruction set, inside a function that enables it, and pass
/// pointers that are valid for the bytes or lanes named.
pub unsafe trait Octets: Copy + 'static {
    type Bytes: Copy;
    type Ints: Copy;
    type Floats: Copy;

    unsafe fn bytes(from: *const u8) -> Self::Bytes;
    /// The low halves of 16 bytes, then the high ones.
    unsafe fn nibbles(from: *const u8) -> Self::Bytes;
    /// The same with a fifth bit each, from four bytes.
    unsafe fn fives(from: *const u8, bits: *const u8) -> Self::Bytes;
    /// The numbers of a table that codes up to 15 name.
    unsafe fn look_up(table: &[i8; 16], codes: Self::Bytes) -> Self::Bytes;
    unsafe fn subtract(bytes: Self::Bytes, number: i8) -> Self::Bytes;
    /// Magnitudes, to be read as unsigned.
    unsafe fn magnitudes(bytes: Self::Bytes) -> Self::Bytes;
    /// `bytes` with the signs of `by` upon them, 0 where that is 0.
    unsafe fn signed(bytes: Self::Bytes, by: Self::Bytes) -> Self::Bytes;
    /// Sums of four neighboring products each. `a` is unsigned, up to 128; `b` is signed, up to 127 in magnitude.
    unsafe fn dot(a: Self::Bytes, b: Self::Bytes) -> Self::Ints;

    unsafe fn no_ints() -> Self::Ints;
    unsafe fn add(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn total(ints: Self::Ints) -> i32;

    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats;
    unsafe fn splat(value: f32) -> Self::Floats;
    /// An IEEE half in all lanes.
    unsafe fn half(from: *const u8) -> Self::Floats;
    /// `a` in the first four lanes, `b` in the others.
    unsafe fn two(a: f32, b: f32) -> Self::Floats;
    unsafe fn floats(from: *const f32) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a · b + c
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    unsafe fn sum(floats: Self::Floats) -> f32;
    unsafe fn prefetch(from: *const u8);
}

/// Plain Rust.
#[derive(Clone, Copy)]
pub struct Portable;

// SAFETY: plain Rust within the bounds that the caller vouches for.
unsafe impl Octets for Portable {
    type Bytes = [i8; 32];
    type Ints = [i32; 8];
    type Floats = [f32; 8];

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> [i8; 32] {
        unsafe { from.cast::<[i8; 32]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn nibbles(from: *const u8) -> [i8; 32] {
        let bytes = unsafe { from.cast::<[u8; 16]>().read_unaligned() };
        std::array::from_fn(|i| (bytes[i % 16] >> (4 * (i / 16)) & 15) as i8)
    }
    #[inline(always)]
    unsafe fn fives(from: *const u8, bits: *const u8) -> [i8; 32] {
        let (low, bits) = unsafe { (Self::nibbles(from), bits.cast::<u32>().read_unaligned()) };
        let bits = u32::from_le(bits);
        std::array::from_fn(|i| low[i] | ((bits >> i & 1) << 4) as i8)
    }
    #[inline(always)]
    unsafe fn look_up(table: &[i8; 16], codes: [i8; 32]) -> [i8; 32] {
        codes.map(|code| table[code as usize & 15])
    }
    #[inline(always)]
    unsafe fn subtract(bytes: [i8; 32], number: i8) -> [i8; 32] {
        bytes.map(|byte| byte - number)
    }
    #[inline(always)]
    unsafe fn magnitudes(bytes: [i8; 32]) -> [i8; 32] {
        bytes.map(|byte| byte.unsigned_abs() as i8)
    }
    #[inline(always)]
    unsafe fn signed(bytes: [i8; 32], by: [i8; 32]) -> [i8; 32] {
        std::array::from_fn(|i| bytes[i] * by[i].signum())
    }
    #[inline(always)]
    unsafe fn dot(a: [i8; 32], b: [i8; 32]) -> [i32; 8] {
        std::array::from_fn(|lane| {
            (4 * lane..4 * lane + 4).map(|i| a[i] as u8 as i32 * b[i] as i32).sum()
        })
    }
    #[inline(always)]
    unsafe fn no_ints() -> [i32; 8] {
        [0; 8]
    }
    #[inline(always)]
    unsafe fn add(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    unsafe fn total(ints: [i32; 8]) -> i32 {
        ints.iter().fold(0, |sum, &int| sum.wrapping_add(int))
    }
    #[inline(always)]
    unsafe fn to_floats(ints: [i32; 8]) -> [f32; 8] {
        ints.map(|int| int as f32)
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn half(from: *const u8) -> [f32; 8] {
        [half_at(&unsafe { from.cast::<[u8; 2]>().read_unaligned() }, 0); 8]
    }
    #[inline(always)]
    unsafe fn two(a: f32, b: f32) -> [f32; 8] {
        [a, a, a, a, b, b, b, b]
    }
    #[inline(always)]
    unsafe fn floats(from: *const f32) -> [f32; 8] {
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn sum(v: [f32; 8]) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Vnni};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Octets;
    use crate::simd::{self, Simd};

    #[derive(Clone, Copy)]
    pub struct Avx2;

    // SAFETY: each intrinsic is one of AVX2, FMA or F16C.
    unsafe impl Octets for Avx2 {
        type Bytes = __m256i;
        type Ints = __m256i;
        type Floats = __m256;

        #[inline(always)]
        unsafe fn bytes(from: *const u8) -> __m256i {
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        #[inline(always)]
        unsafe fn nibbles(from: *const u8) -> __m256i {
            unsafe {
                let both = _mm_loadu_si128(from.cast());
                let wide = _mm256_castsi128_si256(both);
                let wide = _mm256_inserti128_si256::<1>(wide, _mm_srli_epi16::<4>(both));
                _mm256_and_si256(wide, _mm256_set1_epi8(15))
            }
        }
        #[inline(always)]
        unsafe fn fives(from: *const u8, bits: *const u8) -> __m256i {
            unsafe {
                let bits = _mm256_set1_epi32(bits.cast::<i32>().read_unaligned());
                // The byte that has its bit to each lane, all other bits of it set, so that a set one makes it -1.
                let bytes = _mm256_shuffle_epi8(
                    bits,
                    _mm256_setr_epi64x(
                        0,
                        0x0101_0101_0101_0101,
                        0x0202_0202_0202_0202,
                        0x0303_0303_0303_0303,
                    ),
                );
                let others = _mm256_set1_epi64x(0x7fbf_dfef_f7fb_fdfe);
                let set = _mm256_cmpeq_epi8(_mm256_or_si256(bytes, others), _mm256_set1_epi8(-1));
                let fifth = _mm256_and_si256(set, _mm256_set1_epi8(16));
                _mm256_or_si256(Self::nibbles(from), fifth)
            }
        }
        #[inline(always)]
        unsafe fn look_up(table: &[i8; 16], codes: __m256i) -> __m256i {
            unsafe {
                let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
                _mm256_shuffle_epi8(table, codes)
            }
        }
        #[inline(always)]
        unsafe fn subtract(bytes: __m256i, number: i8) -> __m256i {
            unsafe { _mm256_sub_epi8(bytes, _mm256_set1_epi8(number)) }
        }
        #[inline(always)]
        unsafe fn magnitudes(bytes: __m256i) -> __m256i {
            unsafe { _mm256_abs_epi8(bytes) }
        }
        #[inline(always)]
        unsafe fn signed(bytes: __m256i, by: __m256i) -> __m256i {
            unsafe { _mm256_sign_epi8(bytes, by) }
        }
        #[inline(always)]
        unsafe fn dot(a: __m256i, b: __m256i) -> __m256i {
            // Two products of 128 · 127 at most are below 2¹⁵.
            unsafe { _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)) }
        }
        #[inline(always)]
        unsafe fn no_ints() -> __m256i {
            unsafe { _mm256_setzero_si256() }
        }
        #[inline(always)]
        unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
            unsafe { _mm256_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn total(ints: __m256i) -> i32 {
            unsafe {
                let sums = _mm_add_epi32(
                    _mm256_castsi256_si128(ints),
                    _mm256_extracti128_si256::<1>(ints),
                );
                let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b00_00_11_10>(sums));
                _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32::<1>(sums)))
            }
        }
        #[inline(always)]
        unsafe fn to_floats(ints: __m256i) -> __m256 {
            unsafe { _mm256_cvtepi32_ps(ints) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn half(from: *const u8) -> __m256 {
            unsafe {
                let bits = from.cast::<u16>().read_unaligned();
                _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits as i32)))
            }
        }
        #[inline(always)]
        unsafe fn two(a: f32, b: f32) -> __m256 {
            unsafe { _mm256_set_m128(_mm_set1_ps(b), _mm_set1_ps(a)) }
        }
        #[inline(always)]
        unsafe fn floats(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(floats: __m256) -> f32 {
            unsafe { simd::Avx2::sum(floats) }
        }
        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
    }

    /// AVX2 with the dot product of AVX-512 VNNI.
    #[derive(Clone, Copy)]
    pub struct Vnni;

    macro_rules! as_avx2 {
        ($($name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)?;)*) => {
            // SAFETY: as `Avx2`, and AVX-512 VNNI and VL.
            unsafe impl Octets for Vnni {
                type Bytes = __m256i;
                type Ints = __m256i;
                type Floats = __m256;
                #[inline(always)]
                unsafe fn dot(a: __m256i, b: __m256i) -> __m256i {
                    unsafe { _mm256_dpbusd_epi32(_mm256_setzero_si256(), a, b) }
                }
                $(#[inline(always)]
                unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                    unsafe { Avx2::$name($($arg),*) }
                })*
            }
        };
    }

    as_avx2! {
        bytes(from: *const u8) -> __m256i;
        nibbles(from: *const u8) -> __m256i;
        fives(from: *const u8, bits: *const u8) -> __m256i;
        look_up(table: &[i8; 16], codes: __m256i) -> __m256i;
        subtract(bytes: __m256i, number: i8) -> __m256i;
        magnitudes(bytes: __m256i) -> __m256i;
        signed(bytes: __m256i, by: __m256i) -> __m256i;
        no_ints() -> __m256i;
        add(a: __m256i, b: __m256i) -> __m256i;
        total(ints: __m256i) -> i32;
        to_floats(ints: __m256i) -> __m256;
        splat(value: f32) -> __m256;
        half(from: *const u8) -> __m256;
        two(a: f32, b: f32) -> __m256;
        floats(from: *const f32) -> __m256;
        mul(a: __m256, b: __m256) -> __m256;
        fma(a: __m256, b: __m256, c: __m256) -> __m256;
        sum(floats: __m256) -> f32;
        prefetch(from: *const u8);
    }
}

/// Compiles one body, generic over `Octets`, for each instruction set and calls the one in force.
#[macro_export]
macro_rules! per_octets {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident <$o:ident $(, $generic:ident: $bound:ident)*>
        ($($arg:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name<$($generic: $bound),*>($($arg: $type),*) {
            #[inline(always)]
            unsafe fn body<$o: $crate::row_products::octets::Octets $(, $generic: $bound)*>($($arg: $type),*) {
                // SAFETY: the callers below enable the set that the type stands for.
                unsafe { $body }
            }

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512vnni,avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
                fn vnni<$($generic: $bound),*>($($arg: $type),*) {
                    // SAFETY: the features are those of the type.
                    unsafe { body::<$crate::row_products::octets::Vnni $(, $generic)*>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2<$($generic: $bound),*>($($arg: $type),*) {
                    // SAFETY: the features are those of the type.
                    unsafe { body::<$crate::row_products::octets::Avx2 $(, $generic)*>($($arg),*) }
                }
                match $crate::isa::isa() {
                    // SAFETY: `isa()` gives a set only where the machine has its features.
                    $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => return unsafe { vnni::<$($generic),*>($($arg),*) },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx2 => return unsafe {
                        avx2::<$($generic),*>($($arg),*)
                    },
                    $crate::isa::Isa::Portable => {}
                }
            }
            // SAFETY: plain Rust needs no feature.
            unsafe { body::<$crate::row_products::octets::Portable $(, $generic)*>($($arg),*) }
        }
    };
}
