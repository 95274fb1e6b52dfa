//! Typed arrays from JavaScript as slices, with no copy: `Float32Array` holds f32, `Uint16Array` bf16.

use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Result, Status, ValueType, sys};

/// A buffer of activations or weights in one of the float storages.
pub enum Floats {
    F32(&'static mut [f32]),
    Bf16(&'static mut [u16]),
}

impl Floats {
    pub fn len(&self) -> usize {
        match self {
            Floats::F32(a) => a.len(),
            Floats::Bf16(a) => a.len(),
        }
    }

    /// The f32 slice; an error where the caller passed another storage.
    pub fn f32(self) -> Result<&'static mut [f32]> {
        match self {
            Floats::F32(a) => Ok(a),
            Floats::Bf16(_) => Err(Error::new(Status::InvalidArg, "expected a Float32Array")),
        }
    }
}

impl TypeName for Floats {
    fn type_name() -> &'static str {
        "Float32Array | Uint16Array"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Floats {}

impl FromNapiValue for Floats {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut kind = 0;
        let mut length = 0;
        let mut data = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        let mut offset = 0;
        // SAFETY: out-pointers are valid; a value that is no typed array gives a status, checked next.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                value,
                &mut kind,
                &mut length,
                &mut data,
                &mut buffer,
                &mut offset,
            )
        };
        if status != sys::Status::napi_ok {
            return Err(Error::new(Status::InvalidArg, "expected a typed array"));
        }
        // An empty array may have no memory behind it.
        let aligned =
            if length == 0 { ptr::NonNull::<u64>::dangling().as_ptr().cast() } else { data };
        // SAFETY: the array outlives the synchronous call that takes it, no kernel keeps it, and
        // callers pass distinct buffers where one is written.
        unsafe {
            match kind {
                sys::TypedarrayType::float32_array => {
                    Ok(Floats::F32(std::slice::from_raw_parts_mut(aligned.cast(), length)))
                }
                sys::TypedarrayType::uint16_array => {
                    Ok(Floats::Bf16(std::slice::from_raw_parts_mut(aligned.cast(), length)))
                }
                _ => Err(Error::new(
                    Status::InvalidArg,
                    "expected a Float32Array (f32) or a Uint16Array (bf16)",
                )),
            }
        }
    }
}

/// bf16 to f32: exact.
#[inline(always)]
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// f32 to bf16, to nearest even; a NaN stays one.
#[inline(always)]
pub fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return ((bits >> 16) | 0x40) as u16;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}
