//! CPU kernels of the native engine. Each file is named as its TypeScript twin in `src/kernels`.

mod adamw;
mod convert;
mod dropout;
mod elementwise;
mod floats;
mod gelu;
mod isa;
mod layer_norm;
mod math;
mod memory;
mod philox;
mod pool;
mod random;
mod reduce;
mod rms_norm;
mod rope;
mod rows;
mod sample;
mod swiglu;
