//! The one integration binary.

mod backends;
mod devices;
mod generate;
#[cfg(feature = "gpu")]
mod gpu_cli;
#[cfg(feature = "gpu")]
mod gpu_engine;
#[cfg(feature = "gpu")]
mod gpu_faults;
#[cfg(feature = "gpu")]
mod gpu_kernels;
mod random;
#[cfg(feature = "gpu")]
mod shaders;
