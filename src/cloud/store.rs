//! Object stores through the crate `object_store`, on threads of their own: whoever reads waits.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart,
};
use tokio::runtime::Runtime;

use super::failed;
use crate::error::{Error, Result};

/// What is written at once; more goes in pieces of a fourth.
const AT_ONCE: u64 = 32 << 20;

/// An object, or the place of one.
#[derive(Debug, Clone)]
pub struct Object {
    address: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What the store says of it; none where it was not asked.
    meta: Option<ObjectMeta>,
}

/// Requests of all threads.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> =
        LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build());
    RUNTIME.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

/// Waits for a request.
fn wait<T>(request: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    runtime()?.block_on(request).map_err(told)
}

/// An error of the store as one of the system.
fn told(error: object_store::Error) -> io::Error {
    use object_store::Error as E;
    let kind = match &error {
        E::NotFound { .. } => io::ErrorKind::NotFound,
        E::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::InvalidPath { .. } => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::Other,
    };
    // What the store answered, without the text of its page.
    let text = error.to_string();
    let mut text =
        text.lines().next().unwrap_or_default().split(": <?xml").next().unwrap_or_default().to_owned();
    for (sign, remedy) in [
        ("builder error", "an endpoint without TLS needs AWS_ALLOW_HTTP=true"),
        (
            "169.254.169.254",
            "there are no credentials in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
        ),
    ] {
        if text.contains(sign) {
            text = format!("{text}; {remedy}");
        }
    }
    io::Error::new(kind, text)
}

impl Object {
    /// The place of an object, credentials and endpoints being those of the environment.
    pub fn at(address: &str) -> Result<Self> {
        let wrong = |error: io::Error| failed("open the address", address, error);
        let unfit = |why: &str| wrong(io::Error::new(io::ErrorKind::InvalidInput, why.to_owned()));
        let (scheme, rest) = address.split_once("://").ok_or_else(|| unfit("no address"))?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(unfit("it names no bucket"));
        }
        let root = format!("{scheme}://{bucket}");
        let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
            "s3" | "s3a" => {
                AmazonS3Builder::from_env().with_url(&root).build().map(|store| Arc::new(store) as _)
            }
            "gs" => GoogleCloudStorageBuilder::from_env()
                .with_url(&root)
                .build()
                .map(|store| Arc::new(store) as _),
            _ => MicrosoftAzureBuilder::from_env().with_url(&root).build().map(|store| Arc::new(store) as _),
        };
        let store = store.map_err(|error| wrong(told(error)))?;
        let path = Path::parse(path.trim_end_matches('/')).map_err(|error| unfit(&error.to_string()))?;
        Ok(Self { address: address.to_owned(), store, path, meta: None })
    }

    /// The objects behind an address: the one that has it, those below it, or those that a pattern matches. Sorted by name.
    pub fn find(address: &str) -> Result<Vec<Self>> {
        let wrong = |error: io::Error| failed("open the address", address, error);
        let pattern = address.contains(['*', '?', '[']);
        let fixed = if pattern {
            let end = address.find(['*', '?', '[']).unwrap_or(address.len());
            address[..end].rsplit_once('/').map_or(address, |(folder, _)| folder)
        } else {
            address
        };
        let at = Self::at(fixed)?;
        if !pattern && !address.ends_with('/') && !at.path.as_ref().is_empty() {
            match wait(at.store.head(&at.path)) {
                Ok(meta) if meta.size > 0 => return Ok(vec![Self { meta: Some(meta), ..at }]),
                // Empty, or the mark of a folder.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(wrong(error)),
            }
        }
        let prefix = Some(&at.path).filter(|path| !path.as_ref().is_empty());
        let mut found: Vec<ObjectMeta> = wait(at.store.list(prefix).try_collect()).map_err(wrong)?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let (scheme, rest) = address.split_once("://").unwrap_or_default();
        let root = format!("{scheme}://{}", rest.split('/').next().unwrap_or_default());
        let matches = if pattern {
            let pattern = glob::Pattern::new(address)
                .map_err(|error| Error::Usage(format!("{address}: not a valid pattern: {error}")))?;
            let options = glob::MatchOptions {
                require_literal_separator: true,
                require_literal_leading_dot: true,
                ..glob::MatchOptions::new()
            };
            Some((pattern, options))
        } else {
            None
        };
        let found_below = found.iter().any(|meta| meta.size > 0);
        let object = |meta: ObjectMeta| {
            let address = format!("{root}/{}", meta.location);
            let fits = match &matches {
                Some((pattern, options)) => pattern.matches_with(&address, *options),
                None => true,
            };
            // Consoles mark folders with objects of no bytes.
            let marks = meta.size == 0 && found_below;
            (fits && !marks).then(|| Self {
                address,
                path: meta.location.clone(),
                store: at.store.clone(),
                meta: Some(meta),
            })
        };
        let found: Vec<Self> = found.into_iter().filter_map(object).collect();
        if found.is_empty() {
            let missing =
                io::Error::new(io::ErrorKind::NotFound, "there is no such object, and none below it");
            return Err(wrong(missing));
        }
        Ok(found)
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.size)
    }

    /// What changes when it does.
    pub fn version(&self) -> String {
        let of = |meta: &ObjectMeta| meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.to_string());
        self.meta.as_ref().map(of).unwrap_or_default()
    }

    /// Whether it is there.
    pub fn exists(&self) -> Result<bool> {
        match wait(self.store.head(&self.path)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("open the address", &self.address, error)),
        }
    }

    /// Some of its bytes, in one request.
    pub fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        // Of the version that was found: else a file would have the footer of one and the pages of another.
        let if_match = self.meta.as_ref().and_then(|meta| meta.e_tag.clone());
        let options = GetOptions { range: Some(range.into()), if_match, ..GetOptions::default() };
        wait(async { self.store.get_opts(&self.path, options).await?.bytes().await })
    }

    /// Writes a file's bytes: whole, or nothing.
    pub fn write(&self, file: &mut File, overwrite: bool) -> Result<()> {
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(self.address.clone().into()),
            _ => failed("write to the address", &self.address, error),
        };
        file.rewind().map_err(wrong)?;
        let bytes = file.metadata().map_err(wrong)?.len();
        if bytes <= AT_ONCE {
            let mut all = Vec::with_capacity(bytes as usize);
            file.read_to_end(&mut all).map_err(wrong)?;
            let mode = if overwrite { PutMode::Overwrite } else { PutMode::Create };
            let put = self.store.put_opts(&self.path, PutPayload::from(all), PutOptions::from(mode));
            return wait(put).map(drop).map_err(wrong);
        }
        if !overwrite && self.exists()? {
            return Err(Error::Exists(self.address.clone().into()));
        }
        let upload = wait(self.store.put_multipart(&self.path)).map_err(wrong)?;
        let whole = async {
            let mut upload = WriteMultipart::new_with_chunk_size(upload, AT_ONCE as usize / 4);
            let mut piece = vec![0; AT_ONCE as usize / 4];
            loop {
                let read = match file.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) => {
                        // The store forgets the pieces that it has.
                        upload.abort().await?;
                        return Err(object_store::Error::Generic { store: "file", source: Box::new(error) });
                    }
                };
                if let Err(error) = upload.wait_for_capacity(4).await {
                    upload.abort().await?;
                    return Err(error);
                }
                upload.write(&piece[..read]);
            }
            upload.finish().await
        };
        wait(whole).map(drop).map_err(wrong)
    }
}
