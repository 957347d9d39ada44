//! Decoders of foreign files may panic on damaged bytes: that is the file's fault, and becomes an error that says so.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Source;
use crate::error::{Error, Result};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// A decoder's panic on a damaged file becomes an error; only other panics are for the hook.
pub fn keep_quiet() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            hook(panic);
        }
    }));
}

/// Runs a decoder; a panic becomes the error of a damaged file.
pub fn guard<T>(source: &Source, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = GUARDED.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(outer);
    decoded.unwrap_or_else(|panic| {
        let said =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(damaged(source, said.map(|said| Arc::from(Box::from(said)))))
    })
}

/// The error of bytes that cannot be decoded.
pub fn damaged(source: &Source, cause: Option<Arc<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Parquet {
        file: source.shown.clone(),
        problem:
            "it cannot be decoded: the file is damaged, or was replaced while being read; fetch it again"
                .into(),
        source: cause,
    }
}
