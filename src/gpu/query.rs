//! Queries: those about segments on the host are answered there; for the others the sums of tiles, which the host
//! has, say which tile decides, and the device walks that tile only.

use std::ops::Range;

use super::Core;
use super::buffers::Use;
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::sorted::{Resident, Sorted};
use super::transfer::{fetch, upload_table};
use crate::backend::words::{self, FIRST, LAST, LOGS, NEEDS_LOGS, RECORD, key_at};
use crate::backend::{Bound, Prefix, Search};
use crate::cpu;
use crate::kernels::{PREFIX, Params, RANKS, REDUCE, SEARCH};
use crate::moments::{Below, Needs, Sums};
use crate::numbers::wide::U320;

/// Words of a search query on the device.
const QUERY: usize = 8;

/// The tiles of a segment on the device; none where it is on the host.
fn tiles_of<'a>(sorted: &'a Sorted<'_>, segment: usize) -> Option<(&'a Resident, Range<usize>)> {
    let resident = sorted.resident.as_ref()?;
    let tiles = resident.of_segment[segment]..resident.of_segment[segment + 1];
    (!tiles.is_empty()).then_some((resident, tiles))
}

/// Splits queries by where their segments are, answers both kinds, and puts the answers in order.
fn answer<Q: Copy, A: Clone + Default>(
    sorted: &Sorted<'_>,
    queries: &[Q],
    segment: impl Fn(&Q) -> usize,
    on_host: impl FnOnce(&[Q]) -> Vec<A>,
    on_device: impl FnOnce(&Resident, &[Q]) -> Result<Vec<A>, Fault>,
) -> Result<Vec<A>, Fault> {
    let (device, host): (Vec<usize>, Vec<usize>) =
        (0..queries.len()).partition(|&i| tiles_of(sorted, segment(&queries[i])).is_some());
    let select = |which: &[usize]| which.iter().map(|&i| queries[i]).collect::<Vec<Q>>();
    let mut answers = vec![A::default(); queries.len()];
    for (i, answer) in host.iter().zip(on_host(&select(&host))) {
        answers[*i] = answer;
    }
    if let Some(resident) = sorted.resident.as_ref().filter(|_| !device.is_empty()) {
        for (i, answer) in device.iter().zip(on_device(resident, &select(&device))?) {
            answers[*i] = answer;
        }
    }
    Ok(answers)
}

/// Answers every search.
pub(super) fn search(core: &Core, sorted: &Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>, Fault> {
    answer(
        sorted,
        queries,
        |query| query.segment,
        |queries| cpu::search::search(&sorted.host, queries),
        |resident, queries| {
            // As many at a time as a binding holds.
            let most = core.device.limits.max_storage_buffer_binding_size as usize / (4 * QUERY);
            let mut answers = Vec::with_capacity(queries.len());
            for portion in queries.chunks(most) {
                answers.extend(search_tiles(core, resident, portion)?);
            }
            Ok(answers)
        },
    )
}

fn search_tiles(core: &Core, resident: &Resident, queries: &[Search]) -> Result<Vec<u64>, Fault> {
    let mut table = Vec::with_capacity(queries.len() * QUERY);
    let mut before = Vec::with_capacity(queries.len());
    let mut items = 0;
    for query in queries {
        let tiles = resident.of_segment[query.segment]..resident.of_segment[query.segment + 1];
        let first = |tile: usize| key_at(&resident.load.records[tile * RECORD..], FIRST);
        let (tile, mode, bound) = match query.bound {
            Bound::KeyAtMost(key) => {
                // The last tile that starts at or below the key.
                let offset = partition_point(tiles.len(), |i| first(tiles.start + i) <= key);
                (offset.checked_sub(1), 1, U320::from(key))
            }
            Bound::SumBelow(bound) => {
                let offset = partition_point(tiles.len(), |i| resident.below[tiles.start + i] < bound);
                let tile = offset.checked_sub(1);
                let below = tile.map_or(U320::ZERO, |tile| resident.below[tiles.start + tile]);
                (tile, 0, bound - below)
            }
        };
        // Where not even the first tile reaches it, a tile without keys answers 0.
        let at = resident.load.tiles[tiles.start + tile.unwrap_or(0)];
        let length = if tile.is_some() { at.length } else { 0 };
        let bound = narrow(bound);
        table.extend([at.start, length, mode, bound[0], bound[1], bound[2], bound[3], bound[4]]);
        before.push(u64::from(at.start - resident.load.tiles[tiles.start].start));
        items += u64::from(length);
    }
    let table = upload_table(core, &table)?;
    let found = core.pool.take(&core.device, Use::Storage, queries.len() as u64 * 4)?;
    let mut commands = Commands::new(core);
    commands.push(Dispatch {
        kernel: &SEARCH,
        buffers: &[&table, &resident.load.planes.lo, &resident.load.planes.hi, &found],
        params: Params { count: queries.len() as u32, ..Params::default() },
        workgroups: queries.len() as u32,
        unit: 1,
        items,
        bytes: 8 * items + 36 * queries.len() as u64,
    })?;
    commands.run()?;
    let mut ranks = Vec::with_capacity(queries.len());
    fetch(core, &found, queries.len(), |words| ranks.extend_from_slice(words))?;
    Ok(ranks.into_iter().zip(before).map(|(rank, before)| before + u64::from(rank)).collect())
}

/// A bound in five words; larger ones exceed every tile's sum anyway.
fn narrow(bound: U320) -> [u32; 5] {
    let largest = (U320::from(1u8) << 160) - U320::from(1u8);
    let limbs = *bound.min(largest).as_limbs();
    [limbs[0] as u32, (limbs[0] >> 32) as u32, limbs[1] as u32, (limbs[1] >> 32) as u32, limbs[2] as u32]
}

/// The first of `n` for which `holds` does not hold.
fn partition_point(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Answers every prefix query.
pub(super) fn prefix(core: &Core, sorted: &Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>, Fault> {
    answer(
        sorted,
        queries,
        |query| query.segment,
        |queries| cpu::prefix::prefix(&sorted.host, queries),
        |resident, queries| {
            let most = core.device.limits.max_storage_buffer_binding_size as usize / (4 * RECORD);
            let mut answers = vec![Below::default(); queries.len()];
            // Ranks of one tile come together, ascending; ranks of all keys need no walk.
            let mut asked = Vec::with_capacity(queries.len());
            for (i, query) in queries.iter().enumerate() {
                let sums = &sorted.sums[query.segment];
                if query.rank == sums.n {
                    let logs = if query.logs { sums.logs } else { 0 };
                    answers[i] = Below { rank: query.rank, amount: sums.amount, logs, next: 0 };
                } else {
                    asked.push((tile_of(resident, query.segment, query.rank), query.rank, i));
                }
            }
            asked.sort_unstable();
            for portion in asked.chunks(most) {
                walk_tiles(core, resident, queries, portion, &mut answers)?;
            }
            Ok(answers)
        },
    )
}

/// The sums of the smallest keys of segments up to ranks: tiles below are known, one tile is summed in part.
pub(super) fn reduce_below(
    core: &Core,
    sorted: &Sorted<'_>,
    ranks: &[(usize, u64)],
    needs: Needs,
) -> Result<Vec<Sums>, Fault> {
    answer(
        sorted,
        ranks,
        |&(segment, _)| segment,
        |ranks| cpu::reduce::reduce_below(&sorted.host, ranks),
        |resident, ranks| {
            let most = core.device.limits.max_storage_buffer_binding_size as usize / (4 * RECORD);
            let mut below = Vec::with_capacity(ranks.len());
            for portion in ranks.chunks(most) {
                below.extend(reduce_tiles_below(core, resident, portion, needs)?);
            }
            Ok(below)
        },
    )
}

fn reduce_tiles_below(
    core: &Core,
    resident: &Resident,
    ranks: &[(usize, u64)],
    needs: Needs,
) -> Result<Vec<Sums>, Fault> {
    // Those that end within a tile, and how many of its keys they have.
    let (mut tiles, mut table, mut items) = (Vec::with_capacity(ranks.len()), vec![], 0);
    for &(segment, rank) in ranks {
        let at = tile_of(resident, segment, rank);
        let (tile, first) = (resident.load.tiles[at], resident.load.tiles[resident.of_segment[segment]]);
        let length = rank as u32 - (tile.start - first.start);
        if length > 0 {
            table.extend([tile.start, length, 0, 0]);
            items += u64::from(length);
        }
        tiles.push((at, length));
    }
    let parts = table.len() / 4;
    let mut words = Vec::with_capacity(parts * RECORD);
    if parts > 0 {
        let table = upload_table(core, &table)?;
        let records = core.pool.take(&core.device, Use::Storage, (parts * RECORD) as u64 * 4)?;
        let planes = &resident.load.planes;
        let mut commands = Commands::new(core);
        commands.push(Dispatch {
            kernel: &REDUCE,
            buffers: &[&core.log_table, &table, &planes.lo, &planes.hi, &records],
            params: Params { count: parts as u32, needs: words::bits(needs), ..Params::default() },
            workgroups: parts as u32,
            unit: 1,
            items,
            bytes: 8 * items + (16 + 4 * RECORD as u64) * parts as u64,
        })?;
        commands.run()?;
        fetch(core, &records, parts * RECORD, |window| words.extend_from_slice(window))?;
    }
    let mut records = words.chunks(RECORD);
    let parts: Vec<Option<&[u32]>> =
        tiles.iter().map(|&(_, length)| if length > 0 { records.next() } else { None }).collect();
    // Tiles below are appended once for all ranks of a segment.
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_unstable_by_key(|&i| ranks[i]);
    let mut below = vec![Sums::default(); ranks.len()];
    let (mut lower, mut next, mut of) = (Sums::default(), 0, usize::MAX);
    for i in order {
        let (segment, (tile, length)) = (ranks[i].0, tiles[i]);
        if segment != of {
            (lower, next, of) = (Sums::default(), resident.of_segment[segment], segment);
        }
        for at in next..tile {
            let record = &resident.load.records[at * RECORD..];
            lower.append(&words::sums(record, resident.load.tiles[at].length.into()));
        }
        (next, below[i]) = (tile, lower);
        if let Some(record) = parts[i] {
            below[i].append(&words::sums(record, length.into()));
        }
    }
    Ok(below)
}

/// The tile that has the key after so many of a segment.
fn tile_of(resident: &Resident, segment: usize, rank: u64) -> usize {
    let tiles = resident.of_segment[segment]..resident.of_segment[segment + 1];
    let start = resident.load.tiles[tiles.start].start;
    let is_before = |i: usize| {
        let tile = resident.load.tiles[tiles.start + i];
        u64::from(tile.start - start + tile.length) <= rank
    };
    tiles.start + partition_point(tiles.len(), is_before)
}

/// Walks the tiles of some queries: tile, rank and index, in order.
fn walk_tiles(
    core: &Core,
    resident: &Resident,
    queries: &[Prefix],
    asked: &[(usize, u64, usize)],
    answers: &mut [Below],
) -> Result<(), Fault> {
    let (mut walks, mut ranks) = (Vec::new(), Vec::new());
    let (mut items, mut walked) = (0, 0);
    for of_tile in asked.chunk_by(|a, b| a.0 == b.0).flat_map(|of_tile| of_tile.chunks(RANKS as usize)) {
        let tile = resident.load.tiles[of_tile[0].0];
        let first = resident.of_segment[tile.segment];
        let before = u64::from(tile.start - resident.load.tiles[first].start);
        walks.extend([tile.start, ranks.len() as u32, of_tile.len() as u32, 0]);
        ranks.extend(of_tile.iter().map(|&(_, rank, _)| (rank - before) as u32));
        items += u64::from(tile.length);
        walked += u64::from(ranks[ranks.len() - 1]);
    }
    let workgroups = walks.len() / 4;
    let (walk_words, rank_words) = (upload_table(core, &walks)?, upload_table(core, &ranks)?);
    let records = core.pool.take(&core.device, Use::Storage, (ranks.len() * RECORD) as u64 * 4)?;
    let logs = asked.iter().any(|&(_, _, i)| queries[i].logs);
    let mut commands = Commands::new(core);
    commands.push(Dispatch {
        kernel: &PREFIX,
        buffers: &[
            &core.log_table,
            &walk_words,
            &rank_words,
            &resident.load.planes.lo,
            &resident.load.planes.hi,
            &records,
        ],
        params: Params {
            count: workgroups as u32,
            needs: if logs { NEEDS_LOGS } else { 0 },
            ..Params::default()
        },
        workgroups: workgroups as u32,
        unit: 1,
        items,
        bytes: 8 * walked + 16 * workgroups as u64 + (4 + 4 * RECORD as u64) * ranks.len() as u64,
    })?;
    commands.run()?;
    let mut words = Vec::with_capacity(ranks.len() * RECORD);
    fetch(core, &records, ranks.len() * RECORD, |window| words.extend_from_slice(window))?;
    for (record, &(tile, rank, i)) in words.chunks(RECORD).zip(asked) {
        let amount = words::sums(record, 0).amount;
        let logs = u128::from(key_at(record, LOGS)) + resident.logs_below[tile];
        answers[i] = Below {
            rank,
            amount: amount + resident.below[tile],
            logs: if queries[i].logs { logs } else { 0 },
            next: key_at(record, LAST),
        };
    }
    Ok(())
}
