//! CPU kernels of the native engine. Each file is named as its TypeScript twin in `src/kernels`.

mod adamw;
mod convert;
mod elementwise;
mod floats;
mod isa;
mod math;
mod memory;
mod pool;
mod reduce;
mod rms_norm;
mod rope;
mod rows;
mod swiglu;
