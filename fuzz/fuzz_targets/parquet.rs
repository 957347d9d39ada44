//! A file of any bytes is analyzed, or refused with an error: no panic, no NaN, no memory without bound.

#![no_main]

use concentra::ingest::Context;
use concentra::options::{By, Negatives, Options, Owners};
use concentra::progress::Progress;
use concentra::record::Recorder;
use libfuzzer_sys::fuzz_target;

mod hook;

fuzz_target!(|data: &[u8]| {
    hook::tolerate_guarded_panics();
    let [choice, bytes @ ..] = data else { return };
    let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let options = Options {
        paths: vec![file.path().to_str().unwrap().to_owned()],
        by: if choice & 1 == 0 { By::Roles } else { By::Nothing },
        owners: [Owners::Trust, Owners::Merge, Owners::Check, Owners::Trust][usize::from(choice >> 1 & 3)],
        negatives: if choice & 8 == 0 { Negatives::Error } else { Negatives::Drop },
        spill_beyond: (choice & 16 != 0).then_some(3),
        ..Options::default()
    };
    let recorder = Recorder::default();
    let progress = Progress::hidden();
    let context = Context { recorder: &recorder, interrupted: &|| false, progress: &progress };
    if let Ok(analysis) = concentra::analyze::analyze(&options, &context) {
        let table = analysis.results.table().unwrap();
        for column in
            table.columns().iter().filter_map(|c| c.as_any().downcast_ref::<arrow::array::Float64Array>())
        {
            assert!(column.iter().flatten().all(f64::is_finite));
        }
    }
});
