//! Numbers between the storages of files and those of the engine. Spec: `src/kernels/convert.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Bytes, Floats, expect_length, from_bf16, invalid, to_bf16};
use crate::quantized::gguf::{self, Blocks};
use crate::{per_isa, pool};

/// IEEE half to f32: exact, subnormals too.
#[inline(always)]
fn from_f16(half: u16) -> f32 {
    let shifted = ((half & 0x7fff) as u32) << 13;
    // The exponents' biases differ by 112; the product also normalizes a subnormal.
    let finite = (f32::from_bits(shifted) * f32::from_bits((127 + 112) << 23)).to_bits();
    let bits = if half & 0x7c00 == 0x7c00 { shifted | 0x7f80_0000 } else { finite };
    f32::from_bits(bits | ((half & 0x8000) as u32) << 16)
}

/// f32 to IEEE half, to nearest even; too large becomes infinite, a NaN stays one.
#[inline(always)]
fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let rounded = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Below the smallest normal half: adding 0.5 leaves its multiple of 2⁻²⁴ in the low bits.
        (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000)
    } else {
        (magnitude - 0x3800_0000 + 0xfff + (magnitude >> 13 & 1)) >> 13
    };
    sign | rounded as u16
}

per_isa! {
    fn decode_f32(bytes: &[u8], y: &mut [f32]) {
        for (y, b) in y.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *y = f32::from_le_bytes(*b);
        }
    }
}

per_isa! {
    fn decode_bf16(bytes: &[u8], y: &mut [f32]) {
        for (y, b) in y.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *y = from_bf16(u16::from_le_bytes(*b));
        }
    }
}

per_isa! {
    fn decode_f16(bytes: &[u8], y: &mut [f32]) {
        for (y, b) in y.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *y = from_f16(u16::from_le_bytes(*b));
        }
    }
}

#[inline(always)]
pub fn half_at(block: &[u8], at: usize) -> f32 {
    from_f16(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// How a type of file stores its numbers: plain floats are blocks of one.
pub fn blocks(kind: &str) -> Result<Blocks> {
    Ok(match kind {
        "F32" => Blocks { elements: 1, bytes: 4, decode: decode_f32, products: None },
        "F16" => Blocks { elements: 1, bytes: 2, decode: decode_f16, products: None },
        "BF16" => Blocks { elements: 1, bytes: 2, decode: decode_bf16, products: None },
        _ => {
            return gguf::blocks(kind)
                .ok_or_else(|| invalid(format!("numbers of type `{kind}` cannot be decoded")));
        }
    })
}

#[napi]
pub fn dequantize(bytes: Bytes, kind: String, y: Floats) -> Result<()> {
    let (bytes, y, blocks) = (bytes.0, y.f32()?, blocks(&kind)?);
    if !y.len().is_multiple_of(blocks.elements) {
        return Err(invalid(format!("{} numbers are no whole blocks of {kind}", y.len())));
    }
    expect_length("bytes", bytes.len(), y.len() / blocks.elements * blocks.bytes)?;
    let task = pool::task_rows(blocks.elements);
    let tasks = bytes.chunks(task * blocks.bytes).zip(y.chunks_mut(task * blocks.elements));
    pool::each(tasks, |(bytes, y)| (blocks.decode)(bytes, y));
    Ok(())
}

#[napi]
pub fn to_f32(bytes: Bytes, dtype: String, y: Floats) -> Result<()> {
    match dtype.as_str() {
        "F32" | "F16" | "BF16" => dequantize(bytes, dtype, y),
        _ => Err(invalid(format!("numbers of type `{dtype}` cannot be decoded"))),
    }
}

per_isa! {
    pub fn encode_bf16(x: &[f32], y: &mut [u16]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = to_bf16(*x);
        }
    }
}

per_isa! {
    fn encode_f16(x: &[f32], y: &mut [u16]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = to_f16(*x);
        }
    }
}

fn encode(x: Floats, y: Floats, chunk: fn(&[f32], &mut [u16])) -> Result<()> {
    let x = x.f32()?;
    let Floats::Bf16(y) = y else {
        return Err(invalid("expected a Uint16Array to write to"));
    };
    expect_length("y", y.len(), x.len())?;
    let task = pool::task_rows(1);
    pool::each(x.chunks(task).zip(y.chunks_mut(task)), |(x, y)| chunk(x, y));
    Ok(())
}

#[napi(js_name = "toBf16")]
pub fn to_bf16_array(x: Floats, y: Floats) -> Result<()> {
    encode(x, y, encode_bf16)
}

#[napi(js_name = "toF16")]
pub fn to_f16_array(x: Floats, y: Floats) -> Result<()> {
    encode(x, y, encode_f16)
}
