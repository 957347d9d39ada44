//! A file's bytes for the Parquet reader: tried again where the system fails for a moment, and refused where they claim
//! to be more than they can be.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::Source;
use crate::cloud::Object;
use crate::record::retried;

/// How long to wait before each further attempt; after the last one there is none.
const WAITS: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(500)];

/// Pages of fewer bytes are never too large: some writers say less of a column than it has.
const LARGE: u64 = 64 << 20;

/// Input/output error, as systems number it: what disks and network mounts say of a bad moment, too.
const EIO: i32 = 5;

/// Whether the same may succeed a moment later.
fn is_transient(error: &io::Error) -> bool {
    use ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        NotConnected, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock,
    };
    let kinds = [
        ConnectionAborted,
        ConnectionReset,
        HostUnreachable,
        Interrupted,
        NetworkDown,
        NetworkUnreachable,
        NotConnected,
        ResourceBusy,
        StaleNetworkFileHandle,
        TimedOut,
        WouldBlock,
    ];
    kinds.contains(&error.kind()) || (cfg!(unix) && error.raw_os_error() == Some(EIO))
}

/// Tries a few times, as long as what fails may succeed a moment later.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for wait in WAITS {
        match attempt() {
            Err(error) if is_transient(&error) => {
                tracing::info!("{error}; tried again in {} ms", wait.as_millis());
                retried();
                std::thread::sleep(wait);
            }
            done => return done,
        }
    }
    attempt()
}

/// What bytes are read from, wherever they begin.
pub(super) trait Medium: Send + Sync {
    type Reader: Read + Send;

    fn bytes(&self) -> u64;

    fn from(&self, start: u64) -> io::Result<Self::Reader>;

    /// Where column chunks lie, for whoever fetches them whole.
    fn expect(&self, _: Vec<Range<u64>>) {}
}

impl Medium for File {
    type Reader = Self;

    fn bytes(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn from(&self, start: u64) -> io::Result<Self> {
        let mut file = self.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }
}

/// A medium whose reads are tried again.
pub(super) struct Pages<M = Place> {
    medium: Arc<M>,
    /// Where column chunks lie, and how many bytes their pages have without compression.
    chunks: Vec<(Range<u64>, u64)>,
    /// Why the system refused to read, for errors lose their kind on the way through the decoder.
    refused: Refused,
}

/// Why the system refused to read, if it did.
pub(super) type Refused = Arc<Mutex<Option<io::Error>>>;

/// A file, or an object that is elsewhere.
pub(super) enum Place {
    File(File),
    Object(Arc<Object>, Mutex<Fetched>),
}

/// What is fetched of an object: column chunks whole, in one request each, since their pages are read one after the other.
#[derive(Default)]
pub(super) struct Fetched {
    chunks: Vec<Range<u64>>,
    pieces: Vec<(u64, Bytes)>,
}

/// Where footers lie: most are shorter, and one request brings all.
const TAIL: u64 = 64 << 10;

impl Fetched {
    /// The bytes of the piece that a place lies in, from there on.
    fn from(&mut self, object: &Object, start: u64) -> io::Result<Bytes> {
        let holds = |(at, bytes): &&(u64, Bytes)| (*at..*at + bytes.len() as u64).contains(&start);
        if let Some((at, bytes)) = self.pieces.iter().find(holds) {
            return Ok(bytes.slice((start - at) as usize..));
        }
        let all = object.bytes();
        let range = match self.chunks.iter().find(|chunk| chunk.contains(&start)) {
            Some(chunk) => chunk.start..chunk.end.min(all),
            // The end of the file with its footer, and all of it where it is longer.
            None => start.min(all.saturating_sub(TAIL))..all,
        };
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let bytes = object.read(range.clone())?;
        self.pieces.push((range.start, bytes.clone()));
        Ok(bytes.slice(((start - range.start) as usize).min(bytes.len())..))
    }
}

/// Reads on.
pub(super) enum PlaceReader {
    File(File),
    Bytes(bytes::buf::Reader<Bytes>),
}

impl Read for PlaceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Medium for Place {
    type Reader = PlaceReader;

    fn bytes(&self) -> u64 {
        match self {
            Self::File(file) => Medium::bytes(file),
            Self::Object(object, _) => object.bytes(),
        }
    }

    fn from(&self, start: u64) -> io::Result<PlaceReader> {
        Ok(match self {
            Self::File(file) => PlaceReader::File(file.from(start)?),
            Self::Object(object, fetched) => {
                let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
                PlaceReader::Bytes(fetched.from(object, start)?.reader())
            }
        })
    }

    fn expect(&self, chunks: Vec<Range<u64>>) {
        if let Self::Object(_, fetched) = self {
            fetched.lock().unwrap_or_else(PoisonError::into_inner).chunks = chunks;
        }
    }
}

impl Pages {
    pub(super) fn open(source: &Source) -> io::Result<Self> {
        if let Some(object) = &source.object {
            return Ok(Self::of(Place::Object(object.clone(), Mutex::default())));
        }
        patiently(|| File::open(&source.path)).map(Place::File).map(Self::of)
    }
}

impl<M: Medium> Pages<M> {
    fn of(medium: M) -> Self {
        Self { medium: Arc::new(medium), chunks: vec![], refused: Refused::default() }
    }

    /// The same where pages are known to be of a row group.
    pub(super) fn within(mut self, row_group: &RowGroupMetaData) -> Self {
        let chunk = |column: &parquet::file::metadata::ColumnChunkMetaData| {
            let start = column.dictionary_page_offset().unwrap_or(i64::MAX).min(column.data_page_offset());
            let start = u64::try_from(start).ok()?;
            let length = u64::try_from(column.compressed_size()).ok()?;
            Some((start..start.checked_add(length)?, u64::try_from(column.uncompressed_size()).ok()?))
        };
        self.chunks = row_group.columns().iter().filter_map(chunk).collect();
        self.medium.expect(self.chunks.iter().map(|(chunk, _)| chunk.clone()).collect());
        self
    }

    /// Shows what the system refused, once the decoder failed.
    pub(super) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    fn reader(&self, start: u64) -> io::Result<Patient<M>> {
        let reader = patiently(|| self.medium.from(start))?;
        Ok(Patient { medium: self.medium.clone(), at: start, reader, refused: self.refused.clone() })
    }

    /// A page that claims more bytes than its column has would be given memory for them before it is found out.
    fn check_page(&self, start: u64) -> Result<(), ParquetError> {
        let Some((_, most)) = self.chunks.iter().find(|(chunk, _)| chunk.contains(&start)) else {
            return Ok(());
        };
        let mut header = Vec::new();
        self.reader(start)?.take(12).read_to_end(&mut header)?;
        match page_bytes(&header) {
            Some(bytes) if bytes > LARGE.max(*most) => Err(ParquetError::General(format!(
                "a page claims {bytes} bytes, more than the {most} of all pages of its column"
            ))),
            _ => Ok(()),
        }
    }
}

/// The size of a page without compression: the second field of its header, in Thrift's compact protocol, of two
/// integers that every writer begins with.
fn page_bytes(header: &[u8]) -> Option<u64> {
    const NEXT_I32: u8 = 0x15;
    let mut rest = header;
    let mut field = || {
        let (&NEXT_I32, mut tail) = rest.split_first()? else { return None };
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let (&byte, after) = tail.split_first()?;
            value |= u64::from(byte & 0x7f) << shift;
            (tail, shift) = (after, shift + 7);
            if byte & 0x80 == 0 {
                rest = tail;
                // Zigzag: odd ones are below zero, and no size.
                return (value & 1 == 0).then_some(value >> 1);
            }
            if shift == 35 {
                // The decoder would take some of its bits.
                return Some(u64::MAX);
            }
        }
    };
    field()?;
    field()
}

/// Reads on where it was when it was tried before.
pub(super) struct Patient<M: Medium> {
    medium: Arc<M>,
    at: u64,
    reader: M::Reader,
    refused: Refused,
}

impl<M: Medium> Read for Patient<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut again = false;
        let read = patiently(|| {
            if std::mem::replace(&mut again, true) {
                self.reader = self.medium.from(self.at)?;
            }
            self.reader.read(buffer)
        });
        match read {
            Ok(read) => {
                self.at += read as u64;
                Ok(read)
            }
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(told)
            }
        }
    }
}

/// Bytes of headers, which end before their file does. At its end the decoder would go on and on through a list that
/// claims 2^60 elements.
pub(super) struct Headers<M: Medium>(BufReader<Patient<M>>);

impl<M: Medium> Read for Headers<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl<M: Medium> Length for Pages<M> {
    fn len(&self) -> u64 {
        self.medium.bytes()
    }
}

impl<M: Medium> ChunkReader for Pages<M> {
    type T = Headers<M>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.check_page(start)?;
        Ok(Headers(BufReader::new(self.reader(start)?)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.len()) {
            let problem = format!("{length} bytes from {start} on, of a file of {}", self.len());
            return Err(ParquetError::EOF(problem));
        }
        let mut buffer = Vec::with_capacity(length);
        self.reader(start)?.take(length as u64).read_to_end(&mut buffer)?;
        if buffer.len() != length {
            return Err(ParquetError::EOF(format!("{length} bytes expected, {} read", buffer.len())));
        }
        Ok(buffer.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Bytes that fail to be read so many times, in this way.
    struct Flaky {
        bytes: Vec<u8>,
        failures: AtomicU32,
        kind: ErrorKind,
    }

    struct FlakyReader(Vec<u8>, Arc<AtomicU32>, ErrorKind);

    impl Read for FlakyReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let left = self.1.load(Ordering::Relaxed);
            if left > 0 {
                self.1.store(left - 1, Ordering::Relaxed);
                return Err(self.2.into());
            }
            // Piece by piece, so that a failure meets a reader that is under way.
            let n = buffer.len().min(self.0.len()).min(3);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            self.1.store(u32::from(!self.0.is_empty()), Ordering::Relaxed);
            Ok(n)
        }
    }

    impl Medium for Flaky {
        type Reader = FlakyReader;

        fn bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn from(&self, start: u64) -> io::Result<FlakyReader> {
            let left = self.failures.swap(0, Ordering::Relaxed);
            Ok(FlakyReader(self.bytes[start as usize..].to_vec(), Arc::new(AtomicU32::new(left)), self.kind))
        }
    }

    fn flaky(failures: u32, kind: ErrorKind) -> Pages<Flaky> {
        Pages::of(Flaky { bytes: (0..20).collect(), failures: AtomicU32::new(failures), kind })
    }

    #[test]
    fn what_fails_for_a_moment_is_read_on_where_it_was() {
        for failures in 0..=1 {
            let pages = flaky(failures, ErrorKind::TimedOut);
            assert_eq!(pages.get_bytes(4, 12).unwrap(), (4..16).collect::<Vec<u8>>());
            assert!(pages.refused().lock().unwrap().is_none());
        }
    }

    #[test]
    fn what_fails_for_good_is_told_at_once() {
        let pages = flaky(1, ErrorKind::PermissionDenied);
        assert!(pages.get_bytes(0, 4).is_err());
        let refused = pages.refused().lock().unwrap().take().unwrap();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn attempts_are_bounded_and_counted() {
        use crate::record::{Recorder, Stage, Volume};
        let tries = AtomicU32::new(0);
        let attempt = || -> io::Result<()> {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(ErrorKind::TimedOut.into())
        };
        let recorder = Recorder::default();
        let work = || patiently(attempt).map_err(|e| crate::Error::io("read", "a file", e));
        assert!(recorder.time(Stage::Read, "a task", Volume::default(), work).is_err());
        assert_eq!((tries.into_inner(), recorder.events()[0].attempts), (4, 4));
    }

    #[test]
    fn sizes_of_pages() {
        assert_eq!(page_bytes(&[0x15, 0, 0x15, 0x10, 0x15, 0x14]), Some(8));
        assert_eq!(page_bytes(&[0x15, 4, 0x15, 0x80, 0x80, 0x80, 0x80, 0x08]), Some(1 << 30));
        assert_eq!(page_bytes(&[0x15, 0, 0x15, 0x80]), None, "cut short");
        assert_eq!(page_bytes(&[0x15, 0, 0x15, 0x11]), None, "below zero");
        assert_eq!(page_bytes(&[0x25, 0, 0x15, 0x10]), None, "another field");
        assert_eq!(page_bytes(&[0x15, 0, 0x15, 255, 255, 255, 255, 255, 1]), Some(u64::MAX), "too long");
    }
}
