//! The snapshots of each asset in the order of time.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::groups::extent::encoded;
use crate::groups::schema::convert;
use crate::ingest::Ingest;
use crate::options::{By, Options};

/// Some columns of a group's key, as bytes that compare in their order.
type Key = Vec<Box<[u8]>>;

/// Which group columns tell snapshots apart, and which assets; owners must have names.
pub fn snapshots(ingest: &Ingest, options: &Options, command: &str) -> Result<(Vec<usize>, Vec<usize>)> {
    if let Some(unnamed) = ingest.roles.iter().position(|roles| roles.owner.is_none()) {
        let problem =
            format!("no column of owners was found, and {command} follows owners; name it with --owner");
        return Err(Error::Schema { file: ingest.files[unnamed].source.shown.clone(), problem });
    }
    let fields = &ingest.schema.fields;
    let (times, assets): (Vec<usize>, Vec<usize>) =
        (0..fields.len()).partition(|&column| ingest.is_snapshot(column, options));
    if times.is_empty() {
        return Err(Error::Usage(format!(
            "{command} needs snapshots: leave out --by, or name `snapshot` in it, and its column with --snapshot"
        )));
    }
    if times.len() > 1 && matches!(options.by, By::Columns(_)) {
        let names: Vec<&str> = times.iter().map(|&column| fields[column].name().as_str()).collect();
        let problem = format!("--by names several snapshots, {}: name one of them", names.join(" and "));
        return Err(Error::Usage(problem));
    }
    Ok((times, assets))
}

/// Groups in the order of their snapshots, those without any left out, and each group's snapshot in words. Snapshots that
/// are named by one column come before those that are named by another.
pub fn by_time(columns: &[ArrayRef], times: &[usize]) -> Result<(Vec<usize>, Vec<Option<String>>)> {
    let mut values = encoded(columns)?;
    for &column in times {
        if let Some(numbers) = numbers(&columns[column]) {
            values[column] = numbers;
        }
    }
    let groups = columns.first().map_or(0, Array::len);
    let shown = shown(columns, times, groups)?;
    let key = |&group: &usize| -> (Option<usize>, Key) {
        (named_by(columns, times, group), times.iter().map(|&column| values[column][group].clone()).collect())
    };
    let mut order: Vec<usize> = (0..groups).filter(|&group| shown[group].is_some()).collect();
    order.sort_by_cached_key(key);
    Ok((order, shown))
}

/// What to tell of groups without a snapshot.
pub fn nameless(shown: &[Option<String>]) -> Option<String> {
    let nameless = shown.iter().filter(|shown| shown.is_none()).count();
    let groups = if nameless == 1 { "1 group has".into() } else { format!("{nameless} groups have") };
    (nameless > 0).then(|| format!("{groups} no snapshot (null), and no part in changes"))
}

/// Which of the columns names a group's snapshot.
pub fn named_by(columns: &[ArrayRef], times: &[usize], group: usize) -> Option<usize> {
    times.iter().position(|&column| columns[column].is_valid(group))
}

/// The groups of each asset, in the order of their snapshots; assets in the order of their keys. Snapshots that are named
/// by different columns are not set beside each other.
pub fn series(
    columns: &[ArrayRef],
    times: &[usize],
    assets: &[usize],
    order: &[usize],
) -> Result<Vec<Vec<usize>>> {
    let values = encoded(columns)?;
    let mut of_assets: BTreeMap<(Key, Option<usize>), Vec<usize>> = BTreeMap::new();
    for &group in order {
        let asset = assets.iter().map(|&column| values[column][group].clone()).collect();
        of_assets.entry((asset, named_by(columns, times, group))).or_default().push(group);
    }
    Ok(of_assets.into_values().collect())
}

/// Numbers in text as bytes in the order of numbers; none where some text is no whole number as it would be written.
fn numbers(column: &ArrayRef) -> Option<Vec<Box<[u8]>>> {
    let texts = column.as_string_opt::<i32>()?;
    let number = |text: Option<&str>| -> Option<Box<[u8]>> {
        let Some(text) = text else { return Some(Box::default()) };
        let number: i128 = text.parse().ok().filter(|number: &i128| number.to_string() == text)?;
        // The sign turned around, so that numbers below zero come first.
        Some((number ^ i128::MIN).to_be_bytes().into())
    };
    texts.iter().map(number).collect()
}

/// Each group's snapshot in words; none where it is null.
fn shown(columns: &[ArrayRef], times: &[usize], groups: usize) -> Result<Vec<Option<String>>> {
    let texts: Vec<ArrayRef> =
        times.iter().map(|&column| convert(&columns[column], &DataType::Utf8)).collect::<Result<_>>()?;
    let of = |group: usize| {
        let text = texts.iter().find(|text| text.is_valid(group))?;
        Some(text.as_string::<i32>().value(group).to_owned())
    };
    Ok((0..groups).map(of).collect())
}
