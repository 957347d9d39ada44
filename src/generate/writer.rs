//! Streams record batches into a Parquet file that appears under its name only when complete.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tempfile::{Builder, NamedTempFile};

use super::args::Codec;
use crate::{Error, Result};

/// Says neither version nor build, so that the bytes depend on the request alone.
const CREATED_BY: &str = "concentra version 1 (build generate)";

/// How the file is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) compression: Codec,
    pub(super) zstd_level: i32,
    pub(super) row_group_rows: usize,
    pub(super) overwrite: bool,
}

/// A Parquet file in the making.
pub(super) struct Writer {
    path: PathBuf,
    overwrite: bool,
    parquet: ArrowWriter<NamedTempFile>,
}

impl Writer {
    /// Starts the file, so that a bad path fails before the work.
    pub(super) fn create(path: &Path, schema: SchemaRef, layout: Layout) -> Result<Self> {
        refuse_existing(path, layout.overwrite)?;
        let properties = properties(layout).map_err(|e| damaged(path, e))?;
        let parquet = ArrowWriter::try_new(temporary(path)?, schema, Some(properties));
        Ok(Self {
            path: path.to_owned(),
            overwrite: layout.overwrite,
            parquet: parquet.map_err(|e| damaged(path, e))?,
        })
    }

    /// Appends a batch.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.parquet.write(batch).map_err(|e| damaged(&self.path, e))
    }

    /// Completes the file and gives it its name.
    pub(super) fn finish(self) -> Result<PathBuf> {
        let file = self.parquet.into_inner().map_err(|e| damaged(&self.path, e))?;
        persist(file, &self.path, self.overwrite)?;
        Ok(self.path)
    }
}

/// An error if the path is taken.
pub(super) fn refuse_existing(path: &Path, overwrite: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::Usage(format!("{} is a folder; name a file in it with -o", path.display())));
    }
    if !overwrite && path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }
    Ok(())
}

fn properties(layout: Layout) -> Result<WriterProperties, ParquetError> {
    let compression = match layout.compression {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(layout.zstd_level)?),
        Codec::Snappy => Compression::SNAPPY,
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::None => Compression::UNCOMPRESSED,
    };
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(layout.row_group_rows))
        .build())
}

/// A hidden file in the target's folder: renaming works only within one file system.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = Builder::new();
    builder.prefix(".concentra-");
    // Temporary files are private by default; the result is an ordinary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(|e| Error::io("create the file", path, e))
}

fn persist(mut file: NamedTempFile, path: &Path, overwrite: bool) -> Result<()> {
    let failed = |source| Error::io("write the file", path, source);
    file.flush().map_err(failed)?;
    if overwrite {
        file.persist(path).map_err(|e| failed(e.error))?;
        return Ok(());
    }
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::Exists(path.to_owned())),
        Err(e) => Err(failed(e.error)),
    }
}

fn damaged(path: &Path, source: ParquetError) -> Error {
    Error::Parquet {
        file: path.display().to_string(),
        problem: "cannot be written; is the disk full?".into(),
        source: Some(std::sync::Arc::new(source)),
    }
}
