//! What any exact answer costs at least: the columns decoded and the amounts sorted as 64-bit keys. No groups are
//! found, nothing is checked, summed or written.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use clap::{Parser, ValueEnum};
use concentra::numbers::key;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use rdst::RadixSort;
use voracious_radix_sort::RadixSort as VoraciousSort;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about)]
struct Args {
    /// A file of `concentra generate` with doubles or Decimal128, or a folder of such files.
    input: PathBuf,
    #[arg(long, value_enum)]
    sort: Sort,
    /// Equal segments to sort, in place of groups.
    #[arg(long, default_value_t = 1)]
    groups: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sort {
    Rdst,
    Voracious,
    Rayon,
}

impl Sort {
    /// On all threads.
    fn whole(self, keys: &mut [u64]) {
        match self {
            Self::Rdst => keys.radix_sort_unstable(),
            Self::Voracious => keys.voracious_mt_sort(rayon::current_num_threads()),
            Self::Rayon => keys.par_sort_unstable(),
        }
    }

    /// On the calling thread.
    fn segment(self, keys: &mut [u64]) {
        match self {
            Self::Rdst => keys.radix_sort_builder().with_parallel(false).sort(),
            Self::Voracious => keys.voracious_sort(),
            Self::Rayon => keys.sort_unstable(),
        }
    }
}

/// Positive amounts as integers of the same order.
fn keys(amounts: &dyn Array) -> Result<Vec<u64>, Failure> {
    Ok(match amounts.data_type() {
        DataType::Float64 => {
            let values = amounts.as_primitive::<Float64Type>().values().iter();
            values.filter(|&&a| a > 0.0).map(|a| a.to_bits()).collect()
        }
        DataType::Decimal128(..) => {
            let values = amounts.as_primitive::<Decimal128Type>().values().iter();
            values.filter(|&&a| a > 0).map(|&a| key::of_u128(a as u128).0).collect()
        }
        other => return Err(format!("amounts are {other}").into()),
    })
}

/// Every row group of every file.
fn decode(input: &Path) -> Result<Vec<u64>, Failure> {
    let files: Vec<PathBuf> = if input.is_dir() {
        std::fs::read_dir(input)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?
    } else {
        vec![input.to_owned()]
    };
    let open = |path: &PathBuf| -> Result<Vec<(PathBuf, ArrowReaderMetadata, usize)>, Failure> {
        let metadata = ArrowReaderMetadata::load(&File::open(path)?, Default::default())?;
        Ok((0..metadata.metadata().num_row_groups()).map(|at| (path.clone(), metadata.clone(), at)).collect())
    };
    let opened: Vec<Vec<_>> = files.par_iter().map(open).collect::<Result<_, _>>()?;
    let row_group =
        |(path, metadata, index): (PathBuf, ArrowReaderMetadata, usize)| -> Result<Vec<Vec<u64>>, Failure> {
            let columns = ["block_number", "token", "balance"];
            let mask = ProjectionMask::columns(metadata.parquet_schema(), columns);
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, metadata);
            let reader = builder.with_projection(mask).with_row_groups(vec![index]).build()?;
            reader.map(|batch| keys(batch?.column_by_name("balance").ok_or("no column `balance`")?)).collect()
        };
    let groups: Vec<_> = opened.into_iter().flatten().collect();
    let parts: Vec<Vec<Vec<u64>>> = groups.into_par_iter().map(row_group).collect::<Result<_, _>>()?;
    Ok(parts.concat().concat())
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let started = Instant::now();
    let mut keys = decode(&args.input)?;
    let decoded = started.elapsed().as_secs_f64();
    if args.groups == 1 {
        args.sort.whole(&mut keys);
    } else {
        let length = keys.len().div_ceil(args.groups).max(1);
        keys.par_chunks_mut(length).for_each(|keys| args.sort.segment(keys));
    }
    let sorted = started.elapsed().as_secs_f64() - decoded;
    let length = keys.len().div_ceil(args.groups).max(1);
    if !keys.par_chunks(length).all(<[u64]>::is_sorted) {
        return Err("not sorted".into());
    }
    println!("{{\"keys\": {}, \"decode_s\": {decoded:.6}, \"sort_s\": {sorted:.6}}}", keys.len());
    Ok(())
}
