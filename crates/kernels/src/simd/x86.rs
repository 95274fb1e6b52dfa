//! AVX2 and AVX-512.

use std::arch::x86_64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub struct Avx2;

/// The first `n` of eight lanes.
#[inline(always)]
unsafe fn part8(n: usize) -> __m256i {
    static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - n.min(8)).cast()) }
}

// SAFETY: each intrinsic is one of AVX2 or FMA.
unsafe impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, part8(n)) }
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: __m256, n: usize) {
        unsafe { _mm256_maskstore_ps(to, part8(n), v) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: __m256) {
        unsafe {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let half = _mm256_srli_epi32::<16>(_mm256_blendv_epi8(up, quiet, nan));
            let packed = _mm256_permute4x64_epi64::<0b00_00_10_00>(_mm256_packus_epi32(half, half));
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed));
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    unsafe fn scale(a: __m256, n: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
    #[inline(always)]
    unsafe fn sums(four: [__m256; 4]) -> [f32; 4] {
        unsafe {
            let [a, b, c, d] =
                four.map(|v| _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)));
            let ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
            let cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
            std::mem::transmute(_mm_hadd_ps(ab, cd))
        }
    }
    #[inline(always)]
    unsafe fn largest(v: __m256) -> f32 {
        unsafe {
            let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32; 16], codes: *const u8) -> __m256 {
        unsafe {
            let eight = _mm256_set1_epi32(codes.cast::<i32>().read_unaligned());
            // Each code at the top of its lane: its upper bit is where a blend looks.
            let shifts = _mm256_setr_epi32(24, 28, 16, 20, 8, 12, 0, 4);
            let codes = _mm256_sllv_epi32(eight, shifts);
            let indices = _mm256_srli_epi32::<28>(codes);
            let low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr()), indices);
            let high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr().add(8)), indices);
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(codes))
        }
    }

    #[inline(always)]
    unsafe fn transpose(
        from: *const u8,
        stride: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        unsafe {
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                if i < rows {
                    let row = from.add(i * stride).cast();
                    *r = if columns == 8 { Self::load(row) } else { Self::load_part(row, columns) };
                }
            }
            let mut t = r;
            for i in 0..4 {
                t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for h in 0..2 {
                let [a, b, c, d] = [t[4 * h], t[4 * h + 1], t[4 * h + 2], t[4 * h + 3]];
                r[4 * h] = _mm256_shuffle_ps::<0x44>(a, c);
                r[4 * h + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                r[4 * h + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                r[4 * h + 3] = _mm256_shuffle_ps::<0xee>(b, d);
            }
            for i in 0..4 {
                t[i] = _mm256_permute2f128_ps::<0x20>(r[i], r[i + 4]);
                t[i + 4] = _mm256_permute2f128_ps::<0x31>(r[i], r[i + 4]);
            }
            for (i, t) in t.iter().enumerate() {
                if i < columns {
                    Self::store(to.add(i * to_stride), *t);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct Avx512;

#[inline(always)]
fn part16(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

// SAFETY: each intrinsic is one of AVX-512 F, BW, DQ or VL.
unsafe impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(part16(n), from) }
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, part16(n), v) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: __m512) {
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let quiet = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x40_0000));
            let half = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(quiet));
            _mm256_storeu_si256(to.cast(), half);
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    unsafe fn scale(a: __m512, n: __m512) -> __m512 {
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_mul_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        unsafe { Avx2::sum(_mm256_add_ps(_mm512_castps512_ps256(v), upper(v))) }
    }
    #[inline(always)]
    unsafe fn sums(four: [__m512; 4]) -> [f32; 4] {
        unsafe { Avx2::sums(four.map(|v| _mm256_add_ps(_mm512_castps512_ps256(v), upper(v)))) }
    }
    #[inline(always)]
    unsafe fn largest(v: __m512) -> f32 {
        unsafe { Avx2::largest(_mm256_max_ps(_mm512_castps512_ps256(v), upper(v))) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn quotient(a: __m512, b: __m512) -> __m512 {
        unsafe {
            // A division takes as long as sixteen multiplications; one step of Newton's from fourteen bits does.
            let r = _mm512_rcp14_ps(b);
            let r = _mm512_fmadd_ps(r, _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0)), r);
            _mm512_mul_ps(a, r)
        }
    }

    #[inline(always)]
    unsafe fn pairs(low: *const u16, high: *const u16) -> __m512 {
        unsafe {
            let low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(low.cast()));
            let high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(high.cast()));
            _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)))
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32; 16], codes: *const u8) -> __m512 {
        unsafe {
            let bytes = _mm512_castsi128_si512(_mm_loadu_si64(codes));
            let words = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
            let shifts =
                _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
            // A permutation looks at the lowest four bits only.
            let codes = _mm512_srlv_epi32(_mm512_permutexvar_epi32(words, bytes), shifts);
            _mm512_permutexvar_ps(codes, _mm512_loadu_ps(table.as_ptr()))
        }
    }

    #[inline(always)]
    unsafe fn transpose(
        from: *const u8,
        stride: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        unsafe {
            let mask = part16(columns);
            let mut r = [_mm512_setzero_ps(); 16];
            if rows == 16 && columns == 16 {
                for (i, r) in r.iter_mut().enumerate() {
                    *r = _mm512_loadu_ps(from.add(i * stride).cast());
                }
            } else {
                for (i, r) in r.iter_mut().enumerate() {
                    if i < rows {
                        *r = _mm512_maskz_loadu_ps(mask, from.add(i * stride).cast());
                    }
                }
            }
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..4 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]];
                r[4 * i] = _mm512_shuffle_ps::<0x44>(a, c);
                r[4 * i + 1] = _mm512_shuffle_ps::<0xee>(a, c);
                r[4 * i + 2] = _mm512_shuffle_ps::<0x44>(b, d);
                r[4 * i + 3] = _mm512_shuffle_ps::<0xee>(b, d);
            }
            // Lane q of r[4·i + j] holds column 4·q + j of rows 4·i … 4·i + 3.
            for j in 0..4 {
                let [a, b, c, d] = [r[j], r[4 + j], r[8 + j], r[12 + j]];
                let ab = _mm512_shuffle_f32x4::<0x44>(a, b);
                let cd = _mm512_shuffle_f32x4::<0x44>(c, d);
                t[j] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                t[4 + j] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
                let ab = _mm512_shuffle_f32x4::<0xee>(a, b);
                let cd = _mm512_shuffle_f32x4::<0xee>(c, d);
                t[8 + j] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                t[12 + j] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
            }
            if columns == 16 {
                for (i, t) in t.iter().enumerate() {
                    _mm512_storeu_ps(to.add(i * to_stride), *t);
                }
            } else {
                for (i, t) in t.iter().enumerate() {
                    if i < columns {
                        _mm512_storeu_ps(to.add(i * to_stride), *t);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn upper(v: __m512) -> __m256 {
    unsafe { _mm512_extractf32x8_ps::<1>(v) }
}

/// AVX-512 whose `dot` multiplies pairs of bf16 and adds both products to a lane of f32.
#[derive(Clone, Copy)]
pub struct Avx512Dot;

macro_rules! as_avx512 {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)?;)*) => {
        // SAFETY: as `Avx512`, and AVX-512 BF16.
        unsafe impl Simd for Avx512Dot {
            type V = __m512;
            const LANES: usize = 16;
            #[inline(always)]
            unsafe fn dot(a: __m512, b: __m512, c: __m512) -> __m512 {
                // SAFETY: both types are 64 bytes of any bits.
                unsafe { _mm512_dpbf16_ps(c, std::mem::transmute(a), std::mem::transmute(b)) }
            }
            $(#[inline(always)]
            unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                unsafe { Avx512::$name($($arg),*) }
            })*
        }
    };
}

as_avx512! {
    splat(value: f32) -> __m512;
    load(from: *const f32) -> __m512;
    store(to: *mut f32, v: __m512);
    load_part(from: *const f32, n: usize) -> __m512;
    store_part(to: *mut f32, v: __m512, n: usize);
    load_bf16(from: *const u16) -> __m512;
    store_bf16(to: *mut u16, v: __m512);
    add(a: __m512, b: __m512) -> __m512;
    sub(a: __m512, b: __m512) -> __m512;
    mul(a: __m512, b: __m512) -> __m512;
    div(a: __m512, b: __m512) -> __m512;
    fma(a: __m512, b: __m512, c: __m512) -> __m512;
    max(a: __m512, b: __m512) -> __m512;
    min(a: __m512, b: __m512) -> __m512;
    round(a: __m512) -> __m512;
    scale(a: __m512, n: __m512) -> __m512;
    sum(v: __m512) -> f32;
    largest(v: __m512) -> f32;
    prefetch(from: *const f32);
    pairs(low: *const u16, high: *const u16) -> __m512;
    transpose(from: *const u8, stride: usize, rows: usize, columns: usize, to: *mut f32, to_stride: usize);
}
