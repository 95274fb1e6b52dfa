//! Typed arrays from JavaScript as slices, with no copy: `Float32Array` holds f32, `Uint16Array` bf16.

use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Result, Status, ValueType, sys};

use crate::simd::Simd;

/// How one number of a buffer is stored. Kernels compute in f32 whatever the storage is.
pub trait Element: Copy + Default + Send + Sync + 'static {
    fn get(self) -> f32;
    fn put(value: f32) -> Self;
    /// Whether it is bf16, for code that works on registers.
    const BF16: bool;
    /// The slice of this storage; an error where the caller passed another one.
    fn of(floats: Floats) -> Result<&'static mut [Self]>;
}

impl Element for f32 {
    const BF16: bool = false;
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
    #[inline(always)]
    fn put(value: f32) -> Self {
        value
    }
    fn of(floats: Floats) -> Result<&'static mut [Self]> {
        floats.f32()
    }
}

/// bf16.
impl Element for u16 {
    const BF16: bool = true;
    #[inline(always)]
    fn get(self) -> f32 {
        from_bf16(self)
    }
    #[inline(always)]
    fn put(value: f32) -> Self {
        to_bf16(value)
    }
    fn of(floats: Floats) -> Result<&'static mut [Self]> {
        match floats {
            Floats::F32(_) => Err(invalid("expected a Uint16Array (bf16) beside another one")),
            Floats::Bf16(a) => Ok(a),
        }
    }
}

/// A buffer of activations or weights in one of the float storages.
pub enum Floats {
    F32(&'static mut [f32]),
    Bf16(&'static mut [u16]),
}

impl Floats {
    #[allow(dead_code)]
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
            Floats::Bf16(_) => Err(invalid("expected a Float32Array")),
        }
    }

    /// Where the numbers lie: two buffers are the same one when these are equal.
    pub fn address(&self) -> usize {
        match self {
            Floats::F32(a) => a.as_ptr() as usize,
            Floats::Bf16(a) => a.as_ptr() as usize,
        }
    }
}

/// Runs an expression with each named `Floats` bound to its typed slice: one copy of the generic
/// code for each combination of storages.
#[macro_export]
macro_rules! each_storage {
    (; $body:expr) => { $body };
    ($x:ident $(, $rest:ident)*; $body:expr) => {
        match $x {
            $crate::floats::Floats::F32($x) => $crate::each_storage!($($rest),*; $body),
            $crate::floats::Floats::Bf16($x) => $crate::each_storage!($($rest),*; $body),
        }
    };
}

pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArg, message.into())
}

/// An error that names the buffer whose length does not fit the others'.
pub fn expect_length(name: &str, length: usize, wanted: usize) -> Result<()> {
    if length == wanted {
        return Ok(());
    }
    Err(invalid(format!("`{name}` has {length} elements where {wanted} are needed")))
}

/// Number of rows of `width` that a buffer of `length` holds; an error where it holds no whole number.
pub fn rows_of(name: &str, length: usize, width: usize) -> Result<usize> {
    if width > 0 && length.is_multiple_of(width) {
        return Ok(length / width);
    }
    Err(invalid(format!("`{name}` has {length} elements, no whole number of rows of {width}")))
}

struct TypedArray {
    kind: i32,
    data: *mut u8,
    length: usize,
}

/// # Safety
/// `env` and `value` are those of the call that is being served.
unsafe fn typed_array(env: sys::napi_env, value: sys::napi_value) -> Result<TypedArray> {
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
        return Err(invalid("expected a typed array"));
    }
    // An empty array may have no memory behind it.
    let data = if length == 0 { ptr::NonNull::<u64>::dangling().as_ptr().cast() } else { data };
    Ok(TypedArray { kind, data: data.cast(), length })
}

macro_rules! napi_object {
    ($name:ident, $shown:literal) => {
        impl TypeName for $name {
            fn type_name() -> &'static str {
                $shown
            }
            fn value_type() -> ValueType {
                ValueType::Object
            }
        }
        impl ValidateNapiValue for $name {}
    };
}

napi_object!(Floats, "Float32Array | Uint16Array");
napi_object!(Ints, "Int32Array");
napi_object!(Bytes, "Uint8Array");

impl FromNapiValue for Floats {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the array outlives the synchronous call that takes it, no kernel keeps it, and a
        // kernel that lets a caller pass one buffer twice compares addresses and uses one of them.
        unsafe {
            let array = typed_array(env, value)?;
            match array.kind {
                sys::TypedarrayType::float32_array => {
                    Ok(Floats::F32(std::slice::from_raw_parts_mut(array.data.cast(), array.length)))
                }
                sys::TypedarrayType::uint16_array => Ok(Floats::Bf16(
                    std::slice::from_raw_parts_mut(array.data.cast(), array.length),
                )),
                _ => Err(invalid("expected a Float32Array (f32) or a Uint16Array (bf16)")),
            }
        }
    }
}

/// Indices, positions, ids.
pub struct Ints(pub &'static mut [i32]);

impl FromNapiValue for Ints {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as for `Floats`.
        unsafe {
            let array = typed_array(env, value)?;
            if array.kind != sys::TypedarrayType::int32_array {
                return Err(invalid("expected an Int32Array"));
            }
            Ok(Ints(std::slice::from_raw_parts_mut(array.data.cast(), array.length)))
        }
    }
}

/// The bytes behind a typed array of any kind.
pub struct Bytes(pub &'static mut [u8]);

impl FromNapiValue for Bytes {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        use sys::TypedarrayType as Kind;
        // SAFETY: as for `Floats`.
        unsafe {
            let array = typed_array(env, value)?;
            let size = match array.kind {
                Kind::int8_array | Kind::uint8_array | Kind::uint8_clamped_array => 1,
                Kind::int16_array | Kind::uint16_array => 2,
                Kind::int32_array | Kind::uint32_array | Kind::float32_array => 4,
                Kind::float64_array | Kind::bigint64_array | Kind::biguint64_array => 8,
                _ => return Err(invalid("expected a Uint8Array")),
            };
            Ok(Bytes(std::slice::from_raw_parts_mut(array.data, array.length * size)))
        }
    }
}

/// bf16 to f32: exact.
#[inline(always)]
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// f32 to bf16, to nearest even; a NaN stays one. Without a branch, so that loops over it become vectors.
#[inline(always)]
pub fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let up = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let quiet = bits | 0x40_0000;
    ((if value.is_nan() { quiet } else { up }) >> 16) as u16
}

/// `n` numbers of a buffer from `at` on, as a register: all of its lanes, or the first ones and zeros.
///
/// # Safety
/// As `Simd`; they are inside the buffer, which holds f32 or bf16 as `BF16` says.
#[inline(always)]
pub unsafe fn load<S: Simd, const BF16: bool>(from: *const u8, at: usize, n: usize) -> S::V {
    unsafe {
        if BF16 {
            let from = from.cast::<u16>().add(at);
            if n >= S::LANES {
                return S::load_bf16(from);
            }
            let mut part = [0u16; 16];
            ptr::copy_nonoverlapping(from, part.as_mut_ptr(), n);
            S::load_bf16(part.as_ptr())
        } else {
            let from = from.cast::<f32>().add(at);
            if n >= S::LANES { S::load(from) } else { S::load_part(from, n) }
        }
    }
}

/// Writes the first `n` lanes.
///
/// # Safety
/// As `load`.
#[inline(always)]
pub unsafe fn store<S: Simd, const BF16: bool>(to: *mut u8, at: usize, v: S::V, n: usize) {
    unsafe {
        if BF16 {
            let to = to.cast::<u16>().add(at);
            if n >= S::LANES {
                return S::store_bf16(to, v);
            }
            let mut part = [0u16; 16];
            S::store_bf16(part.as_mut_ptr(), v);
            ptr::copy_nonoverlapping(part.as_ptr(), to, n);
        } else {
            let to = to.cast::<f32>().add(at);
            if n >= S::LANES { S::store(to, v) } else { S::store_part(to, v, n) }
        }
    }
}
