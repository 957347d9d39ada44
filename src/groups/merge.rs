//! Rows of one owner: merged into one holder, or refused.

use std::hash::BuildHasher;

use arrow::array::Array;
use hashbrown::hash_table::{Entry, HashTable};
use rayon::prelude::*;
use ruint::aliases::U256;

use super::chunk::{Chunk, DROPPED, Part};
use super::{Column, Groups, amount_of, offsets, place_error};
use crate::columns::owner;
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::moments::Total;
use crate::numbers::key;
use crate::numbers::wide::U320;

/// Shares of the owners, each handled by one thread at a time.
const PARTITIONS: usize = 64;

/// One owner's row: its chunk, its part, its row.
type At = (u32, u32, u32);

/// One owner's holding in a group: the group, the exact amount, and whether nothing of it was cut off.
pub type Holding = (u32, U256, bool);

/// Visits the kept rows of wanted groups, share by share: rows of one owner in one group are in one share. The
/// visitor gets the group, a hash of group and owner, and the row's place.
fn partition<T: Send>(
    chunks: &[Chunk<'_>],
    groups: &Groups,
    files: &[InputFile],
    wanted: impl Fn(u32) -> bool + Sync,
    visit: impl Fn(&mut dyn Iterator<Item = (u32, u64, At)>) -> Result<T, (At, Error)> + Sync,
) -> Result<Vec<T>> {
    let hasher = hashbrown::DefaultHashBuilder::default();
    let mut rows: Vec<(u64, u32, At)> = Vec::new();
    let hashed: Vec<Result<Vec<(u64, u32, At)>>> = chunks
        .par_iter()
        .enumerate()
        .map(|(c, chunk)| {
            let mut rows = Vec::new();
            for (p, part) in chunk.parts.iter().enumerate() {
                let owners = part.owners.as_ref().expect("owners are read where they are compared");
                part.ids.try_each(part.rows, |row, number| {
                    if owners.is_null(row) {
                        return Err(null_owner(chunk, part.first_row + row as u64 + 1, files));
                    }
                    let id = groups.ranks[number as usize];
                    if wanted(id) {
                        let hash = hasher.hash_one((id, owners.value(row)));
                        rows.push((hash, id, (c as u32, p as u32, row as u32)));
                    }
                    Ok(())
                })?;
            }
            Ok(rows)
        })
        .collect();
    for part in hashed {
        rows.extend(part?);
    }
    // The middle bits choose the share, for the hash table lives on the others. The sort is stable: places stay in
    // order within a share.
    let share = |hash: u64| (hash >> 32) as usize % PARTITIONS;
    rows.par_sort_by_key(|&(hash, _, _)| share(hash));
    let borders: Vec<usize> =
        (0..=PARTITIONS).map(|s| rows.partition_point(|&(hash, _, _)| share(hash) < s)).collect();
    let shares: Vec<&[(u64, u32, At)]> = borders.windows(2).map(|b| &rows[b[0]..b[1]]).collect();
    let visited: Vec<Result<T, (At, Error)>> = shares
        .into_par_iter()
        .map(|rows| visit(&mut rows.iter().map(|&(hash, id, at)| (id, hash, at))))
        .collect();
    // Shares depend on the hash: the error told is the one that comes first in the order of files and rows.
    let (mut done, mut first) = (Vec::with_capacity(visited.len()), None::<(At, Error)>);
    for share in visited {
        match share {
            Ok(share) => done.push(share),
            Err(error) if first.as_ref().is_none_or(|first| error.0 < first.0) => first = Some(error),
            Err(_) => {}
        }
    }
    first.map_or(Ok(done), |(_, error)| Err(error))
}

fn owner_of<'c>(chunks: &'c [Chunk<'_>], at: At) -> &'c [u8] {
    let (_, part) = locate(chunks, at);
    part.owners.as_ref().expect("owners are read where they are compared").value(at.2 as usize)
}

fn locate<'c, 's>(chunks: &'c [Chunk<'s>], (c, p, _): At) -> (&'c Chunk<'s>, &'c Part) {
    let chunk = &chunks[c as usize];
    (chunk, &chunk.parts[p as usize])
}

/// The holders of the wanted groups: each owner's amounts summed exactly.
pub fn merge(
    chunks: &[Chunk<'_>],
    groups: &Groups,
    files: &[InputFile],
    wanted: impl Fn(u32) -> bool + Sync,
) -> Result<Vec<Vec<Holding>>> {
    partition(chunks, groups, files, wanted, |rows| {
        let mut holdings: Vec<Holding> = Vec::new();
        let mut firsts: Vec<(u64, At)> = Vec::new();
        let mut table: HashTable<u32> = HashTable::new();
        for (id, hash, at) in rows {
            let (chunk, part) = locate(chunks, at);
            let row = at.2 as usize;
            let refuse = |problem| (at, place_error(chunk, part, row, files, problem));
            let (amount, whole) =
                amount_of(part.amounts(), row, groups.units[id as usize]).map_err(refuse)?;
            let same = |&i: &u32| {
                holdings[i as usize].0 == id && owner_of(chunks, firsts[i as usize].1) == owner_of(chunks, at)
            };
            match table.entry(hash, same, |&i| firsts[i as usize].0) {
                Entry::Occupied(entry) => {
                    let (_, sum, all_whole) = &mut holdings[*entry.get() as usize];
                    let problem = "the sum of this owner's amounts is beyond 256 bits";
                    *sum = sum.checked_add(amount.wide()).ok_or_else(|| refuse(problem))?;
                    *all_whole &= whole;
                }
                Entry::Vacant(entry) => {
                    entry.insert(holdings.len() as u32);
                    holdings.push((id, amount.wide(), whole));
                    firsts.push((hash, at));
                }
            }
        }
        Ok(holdings)
    })
}

/// Merged holders as a column; the groups' counts become those of owners.
pub(super) fn column(merged: Vec<Vec<Holding>>, groups: &mut Groups) -> Column {
    let mut owners = vec![0u64; groups.keys.len()];
    let mut zeros = vec![0u64; groups.keys.len()];
    for &(id, amount, _) in merged.iter().flatten() {
        owners[id as usize] += 1;
        zeros[id as usize] += u64::from(amount.is_zero());
    }
    for (id, counts) in groups.counts.iter_mut().enumerate() {
        counts.merged = counts.holders - owners[id];
        counts.zero = zeros[id];
        counts.holders = owners[id] - zeros[id];
    }
    let offsets = offsets(groups);
    let mut next = offsets.clone();
    let mut keys = vec![0; *offsets.last().unwrap_or(&0)];
    let mut totals = vec![Total { amount: U320::ZERO, exact: true }; groups.keys.len()];
    for (id, amount, whole) in merged.into_iter().flatten().filter(|(_, amount, _)| !amount.is_zero()) {
        let id = id as usize;
        let (key, exact) = key::of(amount);
        keys[next[id]] = key;
        next[id] += 1;
        totals[id].amount += U320::from(amount);
        totals[id].exact &= exact & whole;
    }
    Column { keys, offsets, totals, scratch: vec![] }
}

/// Refuses an owner's second row in a group: the first such row in the order of files and rows.
pub(super) fn check(chunks: &[Chunk<'_>], groups: &Groups, files: &[InputFile]) -> Result<()> {
    let seconds = partition(
        chunks,
        groups,
        files,
        |_| true,
        |rows| {
            let mut table: HashTable<(u64, u32, At)> = HashTable::new();
            let mut second: Option<(At, At)> = None;
            for (id, hash, at) in rows {
                let same = |&(_, group, first): &(u64, u32, At)| {
                    group == id && owner_of(chunks, first) == owner_of(chunks, at)
                };
                match table.entry(hash, same, |&(hash, _, _)| hash) {
                    Entry::Occupied(entry) => {
                        if second.is_none_or(|(earlier, _)| at < earlier) {
                            second = Some((at, entry.get().2));
                        }
                    }
                    Entry::Vacant(entry) => {
                        entry.insert((hash, id, at));
                    }
                }
            }
            Ok(second)
        },
    )?;
    let Some((second, first)) = seconds.into_iter().flatten().min() else { return Ok(()) };
    let row = |at: At| locate(chunks, at).1.first_row + u64::from(at.2) + 1;
    let chunk = locate(chunks, second).0;
    let owner = owner::show(owner_of(chunks, second));
    let earlier = format!("{}, row {}", files[locate(chunks, first).0.file].source.shown, row(first));
    Err(Error::Cell {
        place: Place {
            file: files[chunk.file].source.shown.clone(),
            column: chunk.owner.clone(),
            row: row(second),
        },
        problem: format!("{owner} has a row already in this group ({earlier})"),
        remedy: "add such rows up with --owners merge, or count each with --owners trust".into(),
    })
}

/// Once owners are known to be distinct, zeros are holders of nothing.
pub(super) fn drop_zeros(groups: &mut Groups, chunks: &mut [Chunk<'_>]) {
    for counts in &mut groups.counts {
        counts.holders -= counts.zero;
    }
    let parts = chunks.par_iter_mut().flat_map(|chunk| &mut chunk.parts);
    parts.for_each(|part| {
        let zeros: Vec<usize> = (0..part.rows).filter(|&row| part.amounts().values.is_zero(row)).collect();
        if !zeros.is_empty() {
            let ids = part.ids.by_row(part.rows);
            zeros.into_iter().for_each(|row| ids[row] = DROPPED);
        }
    });
}

fn null_owner(chunk: &Chunk<'_>, row: u64, files: &[InputFile]) -> Error {
    Error::Cell {
        place: Place { file: files[chunk.file].source.shown.clone(), column: chunk.owner.clone(), row },
        problem: "the owner is null".into(),
        remedy: "leave the row out, or count it as an owner of its own with --owners trust".into(),
    }
}
