//! A frozen matrix in blocks along its rows, and the numbers that it stands for. Spec: `src/kernels/quantized.ts`.

mod encode;
mod four_bit;
pub mod gguf;

use std::ffi::CStr;
use std::ptr;

use four_bit::{FP4, NF4, Scales, Table};
use gguf::Blocks;
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use napi_derive::napi;

use crate::floats::{Bytes, Element, Floats, expect_length, invalid};
use crate::queue::{self, Shared};
use crate::{each_storage, per_isa, pool, scratch};

pub enum Form {
    /// Blocks of GGUF: `scales` of the matrix stand in them.
    Blocks(Blocks),
    /// Codes of a table of sixteen, two a byte.
    FourBit(&'static Table, Scales),
    /// Signed bytes, and a scale a row.
    Int8(&'static [f32]),
}

/// A matrix [rows, columns] that is only read.
pub struct Quantized {
    pub form: Form,
    pub rows: usize,
    pub columns: usize,
    pub bytes: &'static [u8],
    /// Whether products are those of whole numbers: the other operand's rows are quantized too.
    #[allow(dead_code)] // The matrix product asks for it.
    pub integer: bool,
}

// SAFETY: it is only read.
unsafe impl Sync for Quantized {}

impl Quantized {
    /// Ranges of columns start and end at multiples of this, or end where the row does.
    pub fn block(&self) -> usize {
        match &self.form {
            Form::Blocks(blocks) => blocks.elements,
            Form::FourBit(..) => four_bit::BLOCK,
            Form::Int8(_) => 1,
        }
    }

    /// Writes the numbers of columns `first .. first + count` of a row.
    ///
    /// # Safety
    /// The range lies inside the row and keeps to `block()`; `to` has room for `count` numbers.
    pub unsafe fn decode(&self, row: usize, first: usize, count: usize, to: *mut f32) {
        let start = row * self.columns + first;
        match &self.form {
            Form::Blocks(Blocks { elements, bytes, decode, .. }) => {
                let (from, end) = (start / elements * bytes, (start + count) / elements * bytes);
                // SAFETY: the caller's.
                let to = unsafe { std::slice::from_raw_parts_mut(to, count) };
                decode(&self.bytes[from..end], to);
            }
            Form::FourBit(table, scales) => {
                four_bit::decode(self.bytes, table, scales, start, count, to);
            }
            Form::Int8(scales) => {
                // SAFETY: the caller's.
                let to = unsafe { std::slice::from_raw_parts_mut(to, count) };
                decode_int8(&self.bytes[start..start + count], scales[row], to);
            }
        }
    }
}

per_isa! {
    fn decode_int8(codes: &[u8], scale: f32, y: &mut [f32]) {
        for (y, code) in y.iter_mut().zip(codes) {
            *y = *code as i8 as f32 * scale;
        }
    }
}

/// The parts of a JavaScript object.
struct Object {
    env: sys::napi_env,
    value: sys::napi_value,
}

impl Object {
    /// A property, unless it is null or undefined.
    fn raw(&self, name: &CStr) -> Result<Option<sys::napi_value>> {
        let mut value = ptr::null_mut();
        let mut kind = 0;
        // SAFETY: `env` and `value` are those of the call that is being served; out-pointers are valid.
        unsafe {
            if sys::napi_get_named_property(self.env, self.value, name.as_ptr(), &mut value)
                != sys::Status::napi_ok
            {
                return Err(invalid("expected a quantized matrix"));
            }
            sys::napi_typeof(self.env, value, &mut kind);
        }
        let absent = [sys::ValueType::napi_null, sys::ValueType::napi_undefined].contains(&kind);
        Ok((!absent).then_some(value))
    }

    fn get<T: FromNapiValue>(&self, name: &CStr) -> Result<T> {
        match self.raw(name)? {
            // SAFETY: as above.
            Some(value) => unsafe { T::from_napi_value(self.env, value) },
            None => Err(invalid(format!("a quantized matrix has no `{}`", name.to_string_lossy()))),
        }
    }

    fn floats(&self, name: &CStr) -> Result<&'static [f32]> {
        self.get::<Floats>(name)?.f32().map(|floats| &*floats)
    }
}

impl TypeName for Quantized {
    fn type_name() -> &'static str {
        "Quantized"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}
impl ValidateNapiValue for Quantized {}

impl FromNapiValue for Quantized {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let object = Object { env, value };
        let kind: String = object.get(c"type")?;
        let rows = object.get::<f64>(c"rows")? as usize;
        let columns = object.get::<f64>(c"columns")? as usize;
        let bytes: &'static [u8] = object.get::<Bytes>(c"bytes")?.0;
        let integer = object.get::<bool>(c"integer")?;
        let length = rows * columns;
        let form = match kind.as_str() {
            "NF4" => Form::FourBit(&NF4, scales_of(&object, length)?),
            "FP4" => Form::FourBit(&FP4, scales_of(&object, length)?),
            "INT8" => {
                let scales = object.floats(c"scales")?;
                expect_length("scales", scales.len(), rows)?;
                Form::Int8(scales)
            }
            _ => match gguf::blocks(&kind) {
                Some(blocks) if !columns.is_multiple_of(blocks.elements) => {
                    return Err(invalid(format!(
                        "rows of {columns} are no whole blocks of {kind}"
                    )));
                }
                Some(blocks) => Form::Blocks(blocks),
                None => return Err(invalid(format!("`{kind}` is no quantized type"))),
            },
        };
        let wanted = match &form {
            Form::Blocks(blocks) => length / blocks.elements * blocks.bytes,
            Form::FourBit(..) => length.div_ceil(2),
            Form::Int8(_) => length,
        };
        expect_length("bytes", bytes.len(), wanted)?;
        Ok(Quantized { form, rows, columns, bytes, integer })
    }
}

fn scales_of(object: &Object, length: usize) -> Result<Scales> {
    let blocks = length.div_ceil(four_bit::BLOCK);
    let Some(nested) = object.raw(c"nested")? else {
        let scales = object.floats(c"scales")?;
        expect_length("scales", scales.len(), blocks)?;
        return Ok(Scales::Plain(scales));
    };
    let nested = Object { env: object.env, value: nested };
    let codes: &'static [u8] = nested.get::<Bytes>(c"codes")?.0;
    let (map, scales) = (nested.floats(c"map")?, nested.floats(c"scales")?);
    expect_length("nested codes", codes.len(), blocks)?;
    expect_length("nested map", map.len(), 256)?;
    expect_length("nested scales", scales.len(), blocks.div_ceil(four_bit::NESTED_BLOCK))?;
    Ok(Scales::Nested { codes, map, scales, offset: nested.get::<f64>(c"offset")? as f32 })
}

/// An operand of a product: numbers as they are, or a frozen matrix in blocks.
pub enum Operand {
    Floats(Floats),
    Quantized(Quantized),
}

impl TypeName for Operand {
    fn type_name() -> &'static str {
        "Float32Array | Uint16Array | Quantized"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}
impl ValidateNapiValue for Operand {}

impl FromNapiValue for Operand {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut is_array = false;
        // SAFETY: `env` and `value` are those of the call that is being served.
        unsafe {
            sys::napi_is_typedarray(env, value, &mut is_array);
            if is_array {
                Floats::from_napi_value(env, value).map(Operand::Floats)
            } else {
                Quantized::from_napi_value(env, value).map(Operand::Quantized)
            }
        }
    }
}

per_isa! {
    fn put<Y: Element>(x: &[f32], y: &mut [Y]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = Y::put(*x);
        }
    }
}

/// Rows of the matrix, named by `row_of`, to the rows of y, each as f32 or rounded to bf16.
pub fn rows_to<Y: Element>(x: &Quantized, row_of: impl Fn(usize) -> usize + Sync, y: &mut [Y]) {
    let width = x.columns;
    if y.is_empty() {
        return;
    }
    let count = y.len() / width;
    let task = pool::task_rows(width);
    let y = Shared(y.as_mut_ptr());
    queue::drain(count.div_ceil(task), |i| {
        scratch::with([width], |[numbers]| {
            for row in i * task..((i + 1) * task).min(count) {
                // SAFETY: the scratch has room for a row, and rows of y are one task's.
                unsafe {
                    x.decode(row_of(row), 0, width, numbers);
                    let from = std::slice::from_raw_parts(numbers, width);
                    put(from, std::slice::from_raw_parts_mut(y.get().add(row * width), width));
                }
            }
        });
    });
}

/// All numbers of a matrix.
#[napi]
pub fn expand(x: Quantized, y: Floats) -> Result<()> {
    expect_length("y", y.len(), x.rows * x.columns)?;
    each_storage!(y; rows_to(&x, |row| row, y));
    Ok(())
}
