//! Objects in S3, Google Cloud Storage and Azure as files: listed, read in ranges, written whole.
//!
//! Without the feature `cloud` the same interface is there, and says that this build has none.

use crate::error::Error;

#[cfg(feature = "cloud")]
mod store;
#[cfg(not(feature = "cloud"))]
#[path = "cloud/none.rs"]
mod store;

pub use store::Object;

/// How addresses begin.
const SCHEMES: [&str; 7] = ["s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://", "adl://"];

/// Whether a path is the address of an object, or of objects below it.
pub fn is_address(path: &str) -> bool {
    SCHEMES.iter().any(|scheme| path.starts_with(scheme))
}

/// Whether two addresses are of one object: some stores have several schemes.
pub fn is_same(a: &str, b: &str) -> bool {
    let plain = |address: &str| address.replacen("s3a://", "s3://", 1).replacen("abfss://", "abfs://", 1);
    plain(a) == plain(b)
}

/// An error with the address that it is about.
fn failed(action: &'static str, address: &str, error: std::io::Error) -> Error {
    Error::io(action, address, error)
}
