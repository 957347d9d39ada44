//! Files of labels, lists and cohorts of any bytes are read or refused.

#![no_main]

use concentra::population::cohorts::Cohorts;
use concentra::population::labels::Labels;
use concentra::population::list;
use libfuzzer_sys::fuzz_target;

mod hook;

fuzz_target!(|data: &[u8]| {
    hook::tolerate_guarded_panics();
    let [choice, bytes @ ..] = data else { return };
    let suffix = [".csv", ".json", ".txt", ".parquet", ".ndjson"][usize::from(*choice) % 5];
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    if let Ok(labels) = Labels::load(&[file.path().to_owned()]) {
        let _ = (labels.contracts(), labels.of_label("cex"), labels.of_entity("a"), labels.entities());
        labels.warnings();
    }
    let _ = list::read(file.path());
    let _ = Cohorts::read(file.path(), "cohort");
});
