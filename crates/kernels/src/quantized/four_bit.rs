//! NF4 and FP4 as bitsandbytes has them (Dettmers et al. 2023, arXiv:2305.14314, appendix E): sixteen
//! values, two codes a byte with the first one above, times the largest magnitude of 64 numbers.

use crate::per_simd;

/// Numbers that share a scale.
pub const BLOCK: usize = 64;

#[repr(align(64))]
pub struct Table(pub [f32; 16]);

const fn table(bits: [u32; 16]) -> Table {
    let mut values = [0.0; 16];
    let mut i = 0;
    while i < 16 {
        values[i] = f32::from_bits(bits[i]);
        i += 1;
    }
    Table(values)
}

/// The quantiles of a normal distribution, zero among them.
pub static NF4: Table = table([
    0xbf80_0000,
    0xbf32_39b1,
    0xbf06_6b30,
    0xbeca_32a0,
    0xbe91_a24d,
    0xbe3d_353f,
    0xbdba_7871,
    0x0000_0000,
    0x3da2_faff,
    0x3e24_cae3,
    0x3e7c_04dd,
    0x3ead_033a,
    0x3ee1_a4b8,
    0x3f10_07ab,
    0x3f39_13b3,
    0x3f80_0000,
]);

/// A sign, two bits of exponent and one of mantissa, over the largest.
pub static FP4: Table = Table([
    0.0,
    0.005_208_333_5,
    0.666_666_7,
    1.0,
    0.333_333_34,
    0.5,
    0.166_666_67,
    0.25,
    -0.0,
    -0.005_208_333_5,
    -0.666_666_7,
    -1.0,
    -0.333_333_34,
    -0.5,
    -0.166_666_67,
    -0.25,
]);

/// The scale of a block: as it is, or itself in eight bits (section 3 of the paper).
pub enum Scales {
    Plain(&'static [f32]),
    Nested { codes: &'static [u8], map: &'static [f32], scales: &'static [f32], offset: f32 },
}

/// Scales of blocks that share one of the second level.
pub const NESTED_BLOCK: usize = 256;

impl Scales {
    #[inline(always)]
    pub fn get(&self, block: usize) -> f32 {
        match self {
            Scales::Plain(scales) => scales[block],
            Scales::Nested { codes, map, scales, offset } => {
                map[codes[block] as usize] * scales[block / NESTED_BLOCK] + offset
            }
        }
    }
}

per_simd! {
    /// Numbers `start .. start + count` of a matrix, counted along its rows.
    pub fn decode<S>(codes: &[u8], table: &Table, scales: &Scales, start: usize, count: usize, to: *mut f32) {
        let (mut at, end) = (start, start + count);
        while at < end {
            let block = at / BLOCK;
            let stop = end.min((block + 1) * BLOCK);
            let scale = scales.get(block);
            let factor = S::splat(scale);
            if at % 2 == 0 {
                while at + S::LANES <= stop {
                    let v = S::look_up(&table.0, codes.as_ptr().add(at / 2));
                    S::store(to.add(at - start), S::mul(v, factor));
                    at += S::LANES;
                }
            }
            while at < stop {
                let code = codes[at / 2] >> (4 * (1 - at % 2)) & 15;
                *to.add(at - start) = table.0[code as usize] * scale;
                at += 1;
            }
        }
    }
}
