//! Keys and tables on their way to a device, results on their way back.

use std::time::Instant;

use super::Core;
use super::buffers::{Buffer, Download, Use};
use super::fault::Fault;
use super::layout::Bits;
use crate::numbers::key::Key;

/// Keys of one write: enough to keep a bus busy, little enough to stay in caches while planes are told apart.
const UPLOAD: usize = 1 << 20;
/// A plane that is the same in all keys is filled by at most so many copies of a piece of it.
const COPIES: usize = 256;
/// Words of that piece, at least: shorter copies take no less time.
const LEAST_COPY: usize = 1 << 10;

/// Keys on the device, as two planes of words.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) lo: Buffer,
    pub(super) hi: Buffer,
    keys: usize,
    bits: Bits,
}

/// One of the planes of keys with these bits.
#[derive(Debug, Clone, Copy)]
struct Plane {
    shift: u32,
    bits: Bits,
}

impl Plane {
    fn both(bits: Bits) -> [Self; 2] {
        [0, 32].map(|shift| Self { shift, bits })
    }

    fn word(self, key: Key) -> u32 {
        (key >> self.shift) as u32
    }

    /// The word that all keys have here, if they have.
    fn constant(self) -> Option<u32> {
        (self.word(self.bits.varying()) == 0).then(|| self.word(self.bits.all))
    }
}

impl Planes {
    /// Uploads `keys` keys with these bits. What is the same in all of them is not uploaded with each.
    pub(super) fn upload<'k>(
        core: &Core,
        keys: usize,
        bits: Bits,
        slices: impl Iterator<Item = &'k [Key]>,
    ) -> Result<Self, Fault> {
        let take = || core.pool.take(&core.device, Use::Storage, keys as u64 * 4);
        let planes = Self { lo: take()?, hi: take()?, keys, bits };
        let started = Instant::now();
        let mut sent = Vec::with_capacity(2);
        for (plane, buffer) in Plane::both(bits).into_iter().zip([&planes.lo, &planes.hi]) {
            match plane.constant() {
                Some(word) => fill(core, buffer, keys, word)?,
                None => sent.push((plane, buffer)),
            }
        }
        send(core, &sent, slices)?;
        if core.device.setup.timed {
            core.device.settle()?;
        }
        core.count(|counters| counters.upload_time += started.elapsed());
        Ok(planes)
    }

    /// Has the keys fetched once all work submitted so far is done.
    pub(super) fn download(&self, core: &Core) -> Result<Keys, Fault> {
        let mut varying = Vec::with_capacity(2);
        for (plane, buffer) in Plane::both(self.bits).into_iter().zip([&self.lo, &self.hi]) {
            if plane.constant().is_none() {
                varying.push((plane, begin(core, buffer, self.keys)?));
            }
        }
        Ok(Keys { varying, keys: self.keys, bits: self.bits })
    }
}

/// Keys on their way to the host.
#[derive(Debug)]
pub(super) struct Keys {
    varying: Vec<(Plane, Download)>,
    keys: usize,
    bits: Bits,
}

impl Keys {
    /// Waits for them.
    pub(super) fn finish(self, core: &Core) -> Result<Vec<Key>, Fault> {
        // What all keys have is there already; the rest of each plane joins it.
        let mut keys = vec![self.bits.all; self.keys];
        for (plane, download) in self.varying {
            let mut at = 0;
            finish(core, download, |words| {
                for (key, &word) in keys[at..].iter_mut().zip(words) {
                    *key |= Key::from(word) << plane.shift;
                }
                at += words.len();
            })?;
        }
        Ok(keys)
    }
}

/// Uploads planes, so that each part is on its way while the next one is told apart.
fn send<'k>(
    core: &Core,
    planes: &[(Plane, &Buffer)],
    slices: impl Iterator<Item = &'k [Key]>,
) -> Result<(), Fault> {
    if planes.is_empty() {
        return Ok(());
    }
    let mut words = vec![Vec::with_capacity(UPLOAD); planes.len()];
    let mut at = 0;
    let mut send = |words: &mut [Vec<u32>]| {
        core.device.scoped(|| {
            for ((_, buffer), words) in planes.iter().zip(&*words) {
                core.device.queue.write_buffer(buffer, at, bytemuck::cast_slice(words));
            }
        })?;
        at += words[0].len() as u64 * 4;
        words.iter_mut().for_each(Vec::clear);
        core.device.flush()
    };
    for part in slices.flat_map(|slice| slice.chunks(UPLOAD)) {
        if words[0].len() + part.len() > UPLOAD {
            send(&mut words)?;
        }
        for ((plane, _), words) in planes.iter().zip(&mut words) {
            words.extend(part.iter().map(|&key| plane.word(key)));
        }
    }
    send(&mut words)?;
    core.count(|counters| counters.uploaded += planes.len() as u64 * at);
    Ok(())
}

/// Fills a plane with one word, by copies on the device.
fn fill(core: &Core, buffer: &Buffer, n: usize, word: u32) -> Result<(), Fault> {
    let mut encoder = core.device.inner.create_command_encoder(&Default::default());
    if word == 0 {
        encoder.clear_buffer(buffer, 0, Some(n as u64 * 4));
    } else {
        let piece = n.div_ceil(COPIES).max(LEAST_COPY).min(n);
        let source = upload_table(core, &vec![word; piece])?;
        for start in (0..n).step_by(piece) {
            let bytes = piece.min(n - start) as u64 * 4;
            encoder.copy_buffer_to_buffer(&source, 0, buffer, start as u64 * 4, bytes);
        }
    }
    core.device.submit(encoder).map(drop)
}

/// Uploads a table.
pub(super) fn upload_table(core: &Core, words: &[u32]) -> Result<Buffer, Fault> {
    let buffer = core.pool.take(&core.device, Use::Storage, words.len() as u64 * 4)?;
    core.device.scoped(|| core.device.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words)))?;
    core.count(|counters| counters.uploaded += words.len() as u64 * 4);
    Ok(buffer)
}

/// Has words fetched once all work submitted so far is done.
pub(super) fn begin(core: &Core, buffer: &Buffer, words: usize) -> Result<Download, Fault> {
    let started = Instant::now();
    let download = Download::start(&core.device, &core.pool, buffer, words)?;
    core.count(|counters| {
        counters.downloaded += words as u64 * 4;
        counters.download_time += started.elapsed();
    });
    Ok(download)
}

/// Waits for words.
pub(super) fn finish(core: &Core, download: Download, take: impl FnMut(&[u32])) -> Result<(), Fault> {
    let started = Instant::now();
    download.finish(&core.device, take)?;
    core.count(|counters| counters.download_time += started.elapsed());
    Ok(())
}

/// Fetches words.
pub(super) fn fetch(
    core: &Core,
    buffer: &Buffer,
    words: usize,
    take: impl FnMut(&[u32]),
) -> Result<(), Fault> {
    finish(core, begin(core, buffer, words)?, take)
}
