//! The quantized blocks of GGUF as llama.cpp lays them out (ggml-common.h, ggml-quants.c): whole numbers,
//! each with the scale, and for some types the minimum, of its group. Spec: `src/kernels/blocks.ts`.

use crate::convert::half_at;
use crate::per_isa;
use crate::row_products::whole::{BlockRows, Source, Unpacked, block_rows};

/// Elements of the largest block.
const MOST: usize = 256;
/// Groups of the largest block.
const GROUPS: usize = 16;

/// What a block says: codes[i] · scales[i / GROUP] + minima[i / GROUP].
pub struct Parts {
    pub codes: [i8; MOST],
    pub scales: [f32; GROUPS],
    pub minima: [f32; GROUPS],
}

impl Parts {
    pub const EMPTY: Parts =
        Parts { codes: [0; MOST], scales: [0.0; GROUPS], minima: [0.0; GROUPS] };
}

/// A type of block.
pub trait Format {
    const ELEMENTS: usize;
    const BYTES: usize;
    /// Elements that share a scale.
    const GROUP: usize;
    /// Whether groups have minima.
    const MINIMA: bool;

    /// `block` has `BYTES` bytes.
    fn unpack(block: &[u8], parts: &mut Parts);
}

/// The first 16 or 32 numbers of each byte's low half, then of its high half.
#[inline(always)]
fn halves<const N: usize>(bytes: &[u8], codes: &mut [i8]) {
    let bytes = &bytes.as_chunks::<N>().0[0];
    let [low, high] = &mut codes.as_chunks_mut::<N>().0[..2] else { unreachable!("two halves") };
    for i in 0..N {
        low[i] = (bytes[i] & 15) as i8;
        high[i] = (bytes[i] >> 4) as i8;
    }
}

#[inline(always)]
fn subtract(codes: &mut [i8], number: i8) {
    codes.iter_mut().for_each(|code| *code -= number);
}

/// Adds 16 to each of 32 codes whose bit is set.
#[inline(always)]
fn fifth_bits(bits: &[u8], codes: &mut [i8; 32]) {
    let bits = u32::from_le_bytes(bits.as_chunks::<4>().0[0]);
    for (i, code) in codes.iter_mut().enumerate() {
        *code |= ((bits >> i & 1) << 4) as i8;
    }
}

macro_rules! format {
    (
        $(#[$meta:meta])* $name:ident: $elements:literal in $bytes:literal, groups of $group:literal,
        minima: $minima:literal, |$block:ident, $parts:ident| $body:block
    ) => {
        $(#[$meta])*
        pub struct $name;

        impl Format for $name {
            const ELEMENTS: usize = $elements;
            const BYTES: usize = $bytes;
            const GROUP: usize = $group;
            const MINIMA: bool = $minima;

            #[inline(always)]
            fn unpack($block: &[u8], $parts: &mut Parts) $body
        }
    };
}

format!(Q4_0: 32 in 18, groups of 32, minima: false, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    halves::<16>(&block[2..], &mut parts.codes);
    subtract(&mut parts.codes[..32], 8);
});

format!(Q4_1: 32 in 20, groups of 32, minima: true, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    parts.minima[0] = half_at(block, 2);
    halves::<16>(&block[4..], &mut parts.codes);
});

format!(Q5_0: 32 in 22, groups of 32, minima: false, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    halves::<16>(&block[6..], &mut parts.codes);
    fifth_bits(&block[2..], &mut parts.codes.as_chunks_mut().0[0]);
    subtract(&mut parts.codes[..32], 16);
});

format!(Q5_1: 32 in 24, groups of 32, minima: true, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    parts.minima[0] = half_at(block, 2);
    halves::<16>(&block[8..], &mut parts.codes);
    fifth_bits(&block[4..], &mut parts.codes.as_chunks_mut().0[0]);
});

format!(Q8_0: 32 in 34, groups of 32, minima: false, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    for (code, byte) in parts.codes[..32].iter_mut().zip(&block[2..34]) {
        *code = *byte as i8;
    }
});

/// The sixteen values of IQ4_NL and IQ4_XS.
pub static NON_LINEAR: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

#[inline(always)]
fn non_linear(codes: &mut [i8]) {
    codes.iter_mut().for_each(|code| *code = NON_LINEAR[*code as usize & 15]);
}

format!(Iq4Nl: 32 in 18, groups of 32, minima: false, |block, parts| {
    parts.scales[0] = half_at(block, 0);
    halves::<16>(&block[2..], &mut parts.codes);
    non_linear(&mut parts.codes[..32]);
});

format!(Iq4Xs: 256 in 136, groups of 32, minima: false, |block, parts| {
    let scale = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for group in 0..8 {
        let low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
        let six = low | ((high >> (2 * group) & 3) as u8) << 4;
        parts.scales[group] = scale * (six as f32 - 32.0);
        halves::<16>(&block[8 + 16 * group..], &mut parts.codes[32 * group..]);
    }
    non_linear(&mut parts.codes);
});

/// Adds two bits of each of 32 bytes, the lowest first, to four runs of 32 codes.
#[inline(always)]
fn quarters(bytes: &[u8], codes: &mut [i8], up: u32) {
    let bytes = &bytes.as_chunks::<32>().0[0];
    for (shift, run) in codes.as_chunks_mut::<32>().0[..4].iter_mut().enumerate() {
        for i in 0..32 {
            run[i] |= ((bytes[i] >> (2 * shift) & 3) << up) as i8;
        }
    }
}

format!(Q2K: 256 in 84, groups of 16, minima: true, |block, parts| {
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    for (group, packed) in block[..16].iter().enumerate() {
        parts.scales[group] = scale * (packed & 15) as f32;
        parts.minima[group] = -(minimum * (packed >> 4) as f32);
    }
    parts.codes.fill(0);
    for half in 0..2 {
        quarters(&block[16 + 32 * half..], &mut parts.codes[128 * half..], 0);
    }
});

format!(Q3K: 256 in 110, groups of 16, minima: false, |block, parts| {
    let scale = half_at(block, 108);
    let sixes = &block[96..108];
    for group in 0..16 {
        let low = sixes[group % 8] >> (4 * (group / 8)) & 15;
        let high = sixes[8 + group % 4] >> (2 * (group / 4)) & 3;
        parts.scales[group] = scale * ((low | high << 4) as f32 - 32.0);
    }
    parts.codes.fill(0);
    for half in 0..2 {
        quarters(&block[32 + 32 * half..], &mut parts.codes[128 * half..], 0);
    }
    // A high bit that is not set counts minus four.
    let high = &block.as_chunks::<32>().0[0];
    for (bit, run) in parts.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for i in 0..32 {
            run[i] += ((high[i] >> bit & 1) << 2) as i8 - 4;
        }
    }
});

/// The scale and the minimum of one of eight groups, six bits each.
#[inline(always)]
fn sixes(bytes: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (bytes[group] & 63, bytes[group + 4] & 63)
    } else {
        let both = bytes[group + 4];
        (both & 15 | bytes[group - 4] >> 6 << 4, both >> 4 | bytes[group] >> 6 << 4)
    };
    (scale as f32, minimum as f32)
}

#[inline(always)]
fn scales_of_k(block: &[u8], parts: &mut Parts) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for group in 0..8 {
        let (s, m) = sixes(&block[4..16], group);
        parts.scales[group] = scale * s;
        parts.minima[group] = -(minimum * m);
    }
}

format!(Q4K: 256 in 144, groups of 32, minima: true, |block, parts| {
    scales_of_k(block, parts);
    for run in 0..4 {
        halves::<32>(&block[16 + 32 * run..], &mut parts.codes[64 * run..]);
    }
});

format!(Q5K: 256 in 176, groups of 32, minima: true, |block, parts| {
    scales_of_k(block, parts);
    for run in 0..4 {
        halves::<32>(&block[48 + 32 * run..], &mut parts.codes[64 * run..]);
    }
    let high = &block[16..].as_chunks::<32>().0[0];
    for (bit, run) in parts.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for i in 0..32 {
            run[i] |= ((high[i] >> bit & 1) << 4) as i8;
        }
    }
});

format!(Q6K: 256 in 210, groups of 16, minima: false, |block, parts| {
    let scale = half_at(block, 208);
    for group in 0..16 {
        parts.scales[group] = scale * block[192 + group] as i8 as f32;
    }
    for half in 0..2 {
        let codes = &mut parts.codes[128 * half..];
        // Bytes 0 … 63 have the low bits of runs 0 and 1 below, of runs 2 and 3 above.
        halves::<64>(&block[64 * half..], codes);
        quarters(&block[128 + 32 * half..], codes, 4);
    }
    subtract(&mut parts.codes, 32);
});

per_isa! {
    fn decode<F: Format>(bytes: &[u8], y: &mut [f32]) {
        let mut parts = Parts::EMPTY;
        for (block, y) in bytes.chunks_exact(F::BYTES).zip(y.chunks_exact_mut(F::ELEMENTS)) {
            F::unpack(block, &mut parts);
            // Sixteen at a time: the compiler makes vectors of arrays of known sizes.
            let codes = parts.codes.as_chunks::<16>().0;
            for (i, y) in y.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let group = 16 * i / F::GROUP;
                let (scale, minimum) = (parts.scales[group], parts.minima[group]);
                for (y, code) in y.iter_mut().zip(codes[i]) {
                    let product = code as f32 * scale;
                    *y = if F::MINIMA { product + minimum } else { product };
                }
            }
        }
    }
}

/// How a type of file stores `elements` numbers in blocks of `bytes`.
pub struct Blocks {
    pub elements: usize,
    pub bytes: usize,
    pub decode: fn(&[u8], &mut [f32]),
    /// Products of whole numbers with rows of x, where codes are such.
    pub products: Option<BlockRows>,
}

const fn blocks_of<F: Format, S: Source>() -> Blocks {
    let (elements, bytes) = (F::ELEMENTS, F::BYTES);
    Blocks { elements, bytes, decode: decode::<F>, products: Some(block_rows::<S>) }
}

const fn of<F: Format>() -> Blocks {
    blocks_of::<F, Unpacked<F>>()
}

/// The types that go straight from their bytes to registers.
const fn direct<F: Format + Source>() -> Blocks {
    blocks_of::<F, F>()
}

/// By ggml's name.
pub fn blocks(kind: &str) -> Option<Blocks> {
    Some(match kind {
        "Q4_0" => direct::<Q4_0>(),
        "Q4_1" => direct::<Q4_1>(),
        "Q5_0" => direct::<Q5_0>(),
        "Q5_1" => direct::<Q5_1>(),
        "Q8_0" => direct::<Q8_0>(),
        "Q2_K" => of::<Q2K>(),
        "Q3_K" => of::<Q3K>(),
        "Q4_K" => of::<Q4K>(),
        "Q5_K" => of::<Q5K>(),
        "Q6_K" => of::<Q6K>(),
        "IQ4_NL" => direct::<Iq4Nl>(),
        "IQ4_XS" => of::<Iq4Xs>(),
        _ => return None,
    })
}
