//! CPU kernels of the native engine. Each file is named as its TypeScript twin in `src/kernels`.

mod adamw;
mod adamw8;
mod attention;
mod convert;
mod cross_entropy;
mod decoding_attention;
mod dropout;
mod elementwise;
mod floats;
mod gelu;
mod gemm;
mod isa;
mod layer_norm;
mod math;
mod memory;
mod philox;
mod pool;
mod quantized;
mod queue;
mod random;
mod reduce;
mod rms_norm;
mod rope;
mod row_products;
mod rows;
mod sample;
mod scratch;
mod simd;
mod swiglu;

#[cfg(test)]
mod soundness;
