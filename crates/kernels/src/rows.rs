//! Rows taken from, put in and added to tables, and columns copied between buffers. Spec: `src/kernels/rows.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, Ints, expect_length, invalid, rows_of};
use crate::quantized::{self, Operand, Quantized};
use crate::{each_storage, per_isa, pool};

/// The width of a table's rows, given the buffer that has one row for each index.
fn width_of(rows: usize, indices: &[i32], table: usize) -> Result<usize> {
    rows_of("rows", rows, indices.len())?;
    let width = rows / indices.len();
    let height = rows_of("table", table, width)?;
    match indices.iter().find(|&&i| i < 0 || i as usize >= height) {
        Some(index) => Err(invalid(format!("index {index} is outside a table of {height} rows"))),
        None => Ok(width),
    }
}

per_isa! {
    fn convert<X: Element, Y: Element>(x: &[X], y: &mut [Y]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = Y::put(x.get());
        }
    }
}

fn gather<X: Element, Y: Element>(table: &[X], indices: &[i32], y: &mut [Y]) -> Result<()> {
    if indices.is_empty() {
        return expect_length("y", y.len(), 0);
    }
    let width = width_of(y.len(), indices, table.len())?;
    let task = pool::task_rows(width);
    pool::each(indices.chunks(task).zip(y.chunks_mut(task * width)), |(indices, y)| {
        for (index, y) in indices.iter().zip(y.chunks_exact_mut(width)) {
            convert(&table[*index as usize * width..][..width], y);
        }
    });
    Ok(())
}

/// From a table in blocks.
fn gather_blocks<Y: Element>(table: &Quantized, indices: &[i32], y: &mut [Y]) -> Result<()> {
    if indices.is_empty() {
        return expect_length("y", y.len(), 0);
    }
    let width = width_of(y.len(), indices, table.rows * table.columns)?;
    expect_length("rows", width, table.columns)?;
    quantized::rows_to(table, |row| indices[row] as usize, y);
    Ok(())
}

#[napi]
pub fn gather_rows(table: Operand, indices: Ints, y: Floats) -> Result<()> {
    match table {
        Operand::Floats(table) => each_storage!(table, y; gather(table, indices.0, y)),
        Operand::Quantized(table) => each_storage!(y; gather_blocks(&table, indices.0, y)),
    }
}

/// One thread: the rows of a pass are few, and a place that stands twice keeps the later row.
fn put<X: Element, Y: Element>(x: &[X], indices: &[i32], table: &mut [Y]) -> Result<()> {
    if indices.is_empty() {
        return expect_length("x", x.len(), 0);
    }
    let width = width_of(x.len(), indices, table.len())?;
    for (index, x) in indices.iter().zip(x.chunks_exact(width)) {
        convert(x, &mut table[*index as usize * width..][..width]);
    }
    Ok(())
}

#[napi]
pub fn put_rows(x: Floats, indices: Ints, table: Floats) -> Result<()> {
    each_storage!(x, table; put(x, indices.0, table))
}

per_isa! {
    fn add_row<X: Element>(x: &[X], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x.get();
        }
    }
}

/// Rows that go to one place are added in their order, each place by one task.
fn scatter<X: Element>(dy: &[X], indices: &[i32], table: Floats) -> Result<()> {
    let mut rest = table.f32()?;
    if indices.is_empty() {
        return expect_length("dy", dy.len(), 0);
    }
    let width = width_of(dy.len(), indices, rest.len())?;
    let mut order: Vec<u32> = (0..indices.len() as u32).collect();
    order.sort_by_key(|&row| indices[row as usize]);
    let mut places = Vec::new();
    let mut next = 0;
    for rows in order.chunk_by(|&a, &b| indices[a as usize] == indices[b as usize]) {
        let index = indices[rows[0] as usize] as usize;
        let (place, after) = rest[(index - next) * width..].split_at_mut(width);
        places.push((place, rows));
        rest = after;
        next = index + 1;
    }
    pool::each(places.chunks_mut(pool::task_rows(width)), |places| {
        for (place, rows) in places {
            for &row in *rows {
                add_row(&dy[row as usize * width..][..width], place);
            }
        }
    });
    Ok(())
}

#[napi]
pub fn scatter_add_rows(dy: Floats, indices: Ints, table: Floats) -> Result<()> {
    each_storage!(dy; scatter(dy, indices.0, table))
}

/// Where columns lie in rows: [offset, offset + width) of every row of `row`.
struct Columns {
    row: usize,
    offset: usize,
}

fn copy<X: Element, Y: Element>(
    x: &[X],
    rows: usize,
    from: Columns,
    y: &mut [Y],
    to: Columns,
    width: usize,
) -> Result<()> {
    expect_length("x", x.len(), rows * from.row)?;
    expect_length("y", y.len(), rows * to.row)?;
    if from.offset + width > from.row || to.offset + width > to.row {
        return Err(invalid(format!(
            "{width} columns at {} of {} do not fit at {} of {}",
            from.offset, from.row, to.offset, to.row
        )));
    }
    if rows == 0 || width == 0 {
        return Ok(());
    }
    let task = pool::task_rows(width);
    pool::each(x.chunks(task * from.row).zip(y.chunks_mut(task * to.row)), |(x, y)| {
        for (x, y) in x.chunks_exact(from.row).zip(y.chunks_exact_mut(to.row)) {
            convert(&x[from.offset..][..width], &mut y[to.offset..][..width]);
        }
    });
    Ok(())
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn copy_columns(
    x: Floats,
    rows: u32,
    x_width: u32,
    x_offset: u32,
    y: Floats,
    y_width: u32,
    y_offset: u32,
    width: u32,
) -> Result<()> {
    let from = Columns { row: x_width as usize, offset: x_offset as usize };
    let to = Columns { row: y_width as usize, offset: y_offset as usize };
    each_storage!(x, y; copy(x, rows as usize, from, y, to, width as usize))
}
