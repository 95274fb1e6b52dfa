//! CPU kernels of the native engine. Each file is named as its TypeScript twin in `src/kernels`.

mod floats;
mod isa;
mod pool;
mod rms_norm;
