//! Elementary functions that compile to vectors: no branches, no tables, no fused multiply-add, so that
//! every instruction set gives the same bits.

/// eˣ within 2 ulp between the clamps, where it under- or overflows; a NaN stays one (Cephes expf).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it leaves a small number's nearest integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.336_54, 88.722_83);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let mantissa = p * (r * r) + r + 1.0;
    // In two steps: 2ⁿ alone is no f32 at n = 128.
    let power = (shifted.to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32);
    let half = power >> 1;
    mantissa * power_of_two(half) * power_of_two(power.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// sigmoid(x) and 1 − sigmoid(x), which keeps its digits where the first nears 1.
#[inline(always)]
pub fn sigmoid_pair(x: f32) -> (f32, f32) {
    let e = exp(-x);
    let s = 1.0 / (1.0 + e);
    (s, e * s)
}

/// The share of a normal distribution below x, within 2e-7 (and that relative to it, in the lower tail):
/// ½ · erfc(−x / √2), by the Chebyshev fit of Numerical Recipes, 3rd edition, section 6.2.2.
#[inline(always)]
pub fn normal_below(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.170_872_77_f32;
    p = p * t - 0.822_152_23;
    p = p * t + 1.488_515_9;
    p = p * t - 1.135_204;
    p = p * t + 0.278_868_07;
    p = p * t - 0.186_288_06;
    p = p * t + 0.096_784_18;
    p = p * t + 0.374_091_96;
    p = p * t + 1.000_023_7;
    p = p * t - 1.265_512_2;
    let tail = 0.5 * t * exp(p - z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}
