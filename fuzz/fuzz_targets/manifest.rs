//! Any bytes are a manifest or none; one that is read says the same when it is written and read again.

#![no_main]

use concentra::dataset::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(manifest) = Manifest::parse(data) else { return };
    let folder = tempfile::tempdir().unwrap();
    manifest.write(folder.path()).unwrap();
    assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest));
});
