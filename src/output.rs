//! Results to a file or to standard output: whole or not at all.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::Format;
use crate::cloud::{Object, is_address};
use crate::error::{Error, Result};
use crate::results::Results;

pub mod parquet;
pub mod table;
pub mod text;

/// How temporary files are called.
pub const TEMPORARY: (&str, &str) = (".concentra-", ".tmp");

/// Where results go, checked before the work starts.
pub struct Output {
    format: Format,
    target: Target,
}

enum Target {
    Stdout,
    /// A pipe or a device, which has no name to take.
    Stream(fs::File, PathBuf),
    File(Pending),
    /// A temporary file that goes to an object store when it is whole.
    Object(Upload),
}

/// What becomes an object when it is whole.
pub struct Upload {
    temporary: fs::File,
    object: Object,
    overwrite: bool,
}

impl Upload {
    fn create(address: &str, overwrite: bool) -> Result<Self> {
        let object = Object::at(address)?;
        if !overwrite && object.exists()? {
            return Err(Error::Exists(address.into()));
        }
        let temporary =
            tempfile::tempfile().map_err(|e| Error::io("keep a temporary file for", address, e))?;
        Ok(Self { temporary, object, overwrite })
    }

    fn finish(mut self) -> Result<PathBuf> {
        self.object.write(&mut self.temporary, self.overwrite)?;
        Ok(self.object.address().into())
    }
}

/// A file that takes its name when it is whole.
pub struct Pending {
    temporary: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
}

impl Output {
    /// Checks the path and opens a temporary file beside it.
    pub fn open(path: Option<&Path>, format: Option<Format>, overwrite: bool) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let format = format.unwrap_or(Format::Table);
            if format == Format::Parquet && io::stdout().is_terminal() {
                return Err(Error::Usage(
                    "Parquet is not for a terminal; name a file with -o, or pipe it".into(),
                ));
            }
            return Ok(Self { format, target: Target::Stdout });
        };
        if path.is_dir() || path.to_string_lossy().ends_with('/') {
            return Err(Error::Usage(format!("{}: is a folder; name a file", path.display())));
        }
        let format = format.or_else(|| Format::of(path)).ok_or_else(|| {
            Error::Usage(format!(
                "{}: no format is known by this extension; use .parquet, .csv, .json, .ndjson, .md or .txt, or give --format",
                path.display()
            ))
        })?;
        let target = if let Some(address) = path.to_str().filter(|path| is_address(path)) {
            Target::Object(Upload::create(address, overwrite)?)
        } else if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let stream = fs::OpenOptions::new().write(true).open(path);
            Target::Stream(stream.map_err(|e| Error::io("write to", path, e))?, path.to_owned())
        } else {
            // What a link leads to is replaced, not the link.
            let link = fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
            let real = if link { fs::canonicalize(path).ok() } else { None };
            let real = real.unwrap_or_else(|| path.to_owned());
            Target::File(Pending::create(&real, overwrite)?)
        };
        Ok(Self { format, target })
    }

    /// Whether the format keeps every digit.
    pub fn is_exact(&self) -> bool {
        !matches!(self.format, Format::Table | Format::Markdown)
    }

    /// Whether it is Parquet.
    pub fn is_parquet(&self) -> bool {
        self.format == Format::Parquet
    }

    /// Writes the results and gives the file its name; the path written, if any.
    pub fn write(self, results: &Results, look: &table::Look) -> Result<Option<PathBuf>> {
        self.prepare(results, look)?.finish()
    }

    /// Writes the results; a file has no name yet.
    pub fn prepare(self, results: &Results, look: &table::Look) -> Result<Prepared> {
        let plain = table::Look { color: false, width: None, ..*look };
        match self.target {
            Target::Stdout => {
                let mut out = io::BufWriter::new(io::stdout());
                write(&mut out, self.format, results, look)?;
                out.flush().map_err(|e| Error::io("write to", "standard output", e))?;
                Ok(Prepared::Written(None))
            }
            Target::Stream(mut stream, path) => {
                write(&mut stream, self.format, results, &plain)?;
                Ok(Prepared::Written(Some(path)))
            }
            Target::File(mut file) => {
                write(file.temporary.as_file_mut(), self.format, results, &plain)?;
                Ok(Prepared::File(file))
            }
            Target::Object(mut upload) => {
                write(&mut upload.temporary, self.format, results, &plain)?;
                Ok(Prepared::Object(upload))
            }
        }
    }

    /// Writes text and gives the file its name; the path written, if any.
    pub fn write_text(self, text: &str) -> Result<Option<PathBuf>> {
        match self.target {
            Target::Stdout => print(text).map(|()| None),
            Target::Stream(mut stream, path) => write_text(&mut stream, text).map(|()| Some(path)),
            Target::File(mut file) => {
                write_text(file.temporary.as_file_mut(), text)?;
                file.finish().map(Some)
            }
            Target::Object(mut upload) => {
                write_text(&mut upload.temporary, text)?;
                upload.finish().map(Some)
            }
        }
    }

    /// Whether two outputs would go to the same place.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.target, &other.target) {
            (Target::Stdout, Target::Stdout) => true,
            (Target::Stream(_, a), Target::Stream(_, b)) => a == b,
            (Target::File(a), Target::File(b)) => a.place() == b.place(),
            (Target::Object(a), Target::Object(b)) => a.object.address() == b.object.address(),
            _ => false,
        }
    }
}

/// Results that are written, a file without its name.
pub enum Prepared {
    /// Where they went.
    Written(Option<PathBuf>),
    /// A file that waits for it.
    File(Pending),
    /// An object that is not there yet.
    Object(Upload),
}

impl Prepared {
    /// Gives the file its name; the path written, if any.
    pub fn finish(self) -> Result<Option<PathBuf>> {
        match self {
            Self::Written(path) => Ok(path),
            Self::File(file) => file.finish().map(Some),
            Self::Object(upload) => upload.finish().map(Some),
        }
    }
}

impl Pending {
    fn create(path: &Path, overwrite: bool) -> Result<Self> {
        if !overwrite && fs::symlink_metadata(path).is_ok() {
            return Err(Error::Exists(path.to_owned()));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "there is no such folder");
            return Err(Error::io("write into the folder", folder, missing));
        }
        let temporary = temporary(folder).map_err(|e| Error::io("write into the folder", folder, e))?;
        Ok(Self { temporary, path: path.to_owned(), overwrite })
    }

    /// The folder and the name, however they are written.
    fn place(&self) -> (Option<PathBuf>, Option<&std::ffi::OsStr>) {
        let folder = self.temporary.path().parent().and_then(|folder| folder.canonicalize().ok());
        (folder, self.path.file_name())
    }

    fn finish(self) -> Result<PathBuf> {
        let failed = |e| Error::io("write the file", &self.path, e);
        self.temporary.as_file().sync_all().map_err(failed)?;
        if self.overwrite {
            self.temporary.persist(&self.path).map_err(|e| failed(e.error))?;
        } else {
            // Somebody may have written it while we worked.
            self.temporary.persist_noclobber(&self.path).map_err(|e| match e.error.kind() {
                io::ErrorKind::AlreadyExists => Error::Exists(self.path.clone()),
                _ => failed(e.error),
            })?;
        }
        Ok(self.path)
    }
}

/// A file that has no name of its own yet.
pub fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes away what the user does not want.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn write(out: &mut (dyn Write + Send), format: Format, results: &Results, look: &table::Look) -> Result<()> {
    match format {
        Format::Parquet => parquet::write(out, results),
        Format::Csv => text::csv(out, results),
        Format::Json => text::json(out, results),
        Format::Ndjson => text::ndjson(out, results),
        Format::Table => write_text(out, &table::render(results, look)?),
        Format::Markdown => write_text(out, &table::markdown(results, look)?),
    }
}

fn write_text(out: &mut (dyn Write + Send), text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(|e| Error::io("write", "the result", e))
}

/// Writes text to standard output.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout();
    write_text(&mut out, text)?;
    out.flush().map_err(|e| Error::io("write to", "standard output", e))
}
