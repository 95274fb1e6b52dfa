//! Matrix products. Spec: `src/kernels/gemm.ts`.

#[cfg(target_arch = "x86_64")]
pub mod amx;
mod caches;
mod codes;
mod cuts;
mod finish;
pub mod pack;
mod panels;
pub mod peak;
mod product;
#[cfg(target_arch = "x86_64")]
mod thirds;
pub mod tile;
mod words;
mod work;

use napi::Result;
use napi_derive::napi;
use pack::Matrix;
use product::{Codes, Factors, Product, Scales, Source};

use crate::floats::{Floats, expect_length, from_bf16, invalid, rows_of};
use crate::isa::{Isa, isa};
use crate::quantized::{Form, Operand, Quantized};
use crate::queue::Shared;
use crate::scratch;

/// Columns of C up to which it is made the other way round where A lies in columns: then neither operand is transposed.
const FEW_COLUMNS: usize = 64;

pub fn matrix(floats: &Floats, stride: usize) -> Matrix {
    match floats {
        Floats::F32(a) => Matrix { data: a.as_ptr().cast(), bf16: false, stride },
        Floats::Bf16(a) => Matrix { data: a.as_ptr().cast(), bf16: true, stride },
    }
}

fn source(b: &Operand, stride: usize) -> Source<'_> {
    match b {
        Operand::Floats(b) => Source::Floats(matrix(b, stride)),
        Operand::Quantized(b) => Source::Quantized(b),
    }
}

fn at_least(name: &str, length: usize, wanted: usize) -> Result<()> {
    if length >= wanted {
        return Ok(());
    }
    Err(invalid(format!("`{name}` has {length} elements where {wanted} are needed")))
}

/// The operand is there, and large enough for [rows, columns].
fn expect_operand(b: &Operand, rows: usize, columns: usize) -> Result<()> {
    match b {
        Operand::Floats(b) => at_least("b", b.len(), rows * columns),
        Operand::Quantized(b) if b.columns == columns && b.rows >= rows => Ok(()),
        Operand::Quantized(b) => Err(invalid(format!(
            "`b` is [{}, {}] where [{rows}, {columns}] is needed",
            b.rows, b.columns
        ))),
    }
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn gemm(
    a: Floats,
    b: Operand,
    c: Floats,
    m: u32,
    n: u32,
    k: u32,
    trans_a: bool,
    trans_b: bool,
    alpha: f64,
    beta: f64,
    bias: Option<Floats>,
    low_a: Option<Floats>,
    low_b: Option<Floats>,
) -> Result<()> {
    let (m, n, k) = (m as usize, n as usize, k as usize);
    let alpha = alpha as f32;
    at_least("a", a.len(), m * k)?;
    let (b_rows, b_columns) = if trans_b { (n, k) } else { (k, n) };
    expect_operand(&b, b_rows, b_columns)?;
    at_least("c", c.len(), m * n)?;
    if beta != 0.0 && beta != 1.0 {
        return Err(invalid("`beta` must be 0 or 1"));
    }
    let bias = match bias {
        Some(bias) if bias.len() != n => {
            return Err(invalid(format!(
                "`bias` has {} elements where {n} are needed",
                bias.len()
            )));
        }
        Some(Floats::F32(bias)) => Some(bias.to_vec()),
        Some(Floats::Bf16(bias)) => Some(bias.iter().map(|&bits| from_bf16(bits)).collect()),
        None => None,
    };
    if m == 0 || n == 0 {
        return Ok(());
    }
    let low = match (&low_a, &low_b) {
        (Some(h), Some(b)) => {
            let k = rows_of("low_a", h.len(), m)?;
            expect_length("low_b", b.len(), n * k)?;
            let b = Source::Floats(matrix(b, if trans_b { k } else { n }));
            Some(Factors { a: matrix(h, k), b, k, trans_a: false, trans_b, alpha: 1.0 })
        }
        (None, None) => None,
        _ => return Err(invalid("`low_a` and `low_b` are given together")),
    };
    let (data, c_bf16) = match c {
        Floats::F32(c) => (c.as_mut_ptr().cast(), false),
        Floats::Bf16(c) => (c.as_mut_ptr().cast(), true),
    };
    let (c, accumulate) = (Shared(data), beta == 1.0);
    let mut p = Product {
        m,
        n,
        factors: Vec::with_capacity(2),
        c,
        c_bf16,
        c_transposed: false,
        accumulate,
        bias: bias.as_deref(),
        in_words: false,
        scales: None,
    };
    if let Operand::Quantized(Quantized { integer: true, bytes, form: Form::Int8(scales), .. }) = &b
        && k > 0
    {
        if trans_a {
            return Err(invalid("products of whole numbers take `a` by rows"));
        }
        // SAFETY: bytes of either sign.
        let codes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) };
        let codes = Codes { codes, stride: b_columns, rows: b_rows };
        integers(p, &a, k, codes, scales, (trans_b, alpha), low);
        return Ok(());
    }
    let turned = trans_a && n <= FEW_COLUMNS && n < m && p.bias.is_none() && low.is_none();
    let a = matrix(&a, if trans_a { m } else { k });
    let b = source(&b, b_columns);
    if let (true, Source::Floats(b)) = (turned, b) {
        (p.m, p.n, p.c_transposed) = (n, m, true);
        let (a, b) = (b, Source::Floats(a));
        p.factors.push(Factors { a, b, k, trans_a: !trans_b, trans_b: false, alpha });
    } else {
        p.factors.push(Factors { a, b, k, trans_a, trans_b, alpha });
    }
    p.factors.extend(low);
    run(p);
    Ok(())
}

fn run(p: Product) {
    #[cfg(target_arch = "x86_64")]
    match isa() {
        Isa::Amx if p.factors.iter().any(|of| p.pairs(of)) => {
            return product::run::<amx::AmxPairs>(&p);
        }
        Isa::Amx if p.in_thirds() => return thirds::run(p),
        Isa::Amx => return product::run::<tile::Avx512>(&p),
        Isa::Avx512Bf16 => return product::run::<tile::Avx512Dot>(&p),
        Isa::Avx512 => return product::run::<tile::Avx512>(&p),
        Isa::Avx2 => return product::run::<tile::Avx2>(&p),
        Isa::Portable => {}
    }
    product::run::<tile::Portable>(&p);
}

/// A product of whole numbers: the rows of A, times the scales of B's rows where those are summed over, are quantized.
fn integers(
    p: Product,
    a: &Floats,
    k: usize,
    b: Codes,
    scales: &[f32],
    (trans_b, alpha): (bool, f32),
    low: Option<Factors>,
) {
    let per_word = if isa() >= Isa::Avx512Bf16 { 4 } else { 2 };
    let stride = codes::row_words(k, per_word);
    let of_columns = if per_word == 4 { p.n } else { 0 };
    scratch::with([p.m * stride, p.m, of_columns], |[words, rows, offsets]| {
        let fold = (!trans_b).then(|| &scales[..k]);
        let a = match a {
            Floats::F32(a) => codes::Rows::F32(&a[..p.m * k]),
            Floats::Bf16(a) => codes::Rows::Bf16(&a[..p.m * k]),
        };
        codes::quantize(&a, k, fold, alpha, per_word, Shared(words.cast()), Shared(rows));
        // SAFETY: the buffers were just written, or are zeroed here.
        let (rows, offsets) = unsafe {
            let offsets = std::slice::from_raw_parts_mut(offsets.cast::<i32>(), of_columns);
            codes::offsets(&b, trans_b, offsets);
            (std::slice::from_raw_parts(rows, p.m), &*offsets)
        };
        let columns = trans_b.then(|| &scales[..p.n]);
        let offsets = (per_word == 4).then_some(offsets);
        let (a, k) = (Matrix { data: words.cast(), bf16: false, stride }, k.div_ceil(per_word));
        let mut p = Product { scales: Some(Scales { rows, columns, offsets }), ..p };
        p.factors.push(Factors { a, b: Source::Codes(b), k, trans_a: false, trans_b, alpha: 1.0 });
        p.factors.extend(low);
        #[cfg(target_arch = "x86_64")]
        match isa() {
            Isa::Amx => return product::run::<amx::AmxQuads>(&p),
            Isa::Avx512Bf16 => return product::run::<tile::Avx512Quads>(&p),
            Isa::Avx512 => return product::run::<tile::Avx512Pairs>(&p),
            Isa::Avx2 => return product::run::<tile::Avx2Pairs>(&p),
            Isa::Portable => {}
        }
        product::run::<tile::PortablePairs>(&p);
    });
}
