//! Dispatches on their way to the device: cut to its limits, submitted in portions, waited for.

use std::time::{Duration, Instant};

use super::Core;
use super::buffers::{Buffer, Pool, Use};
use super::clock::Clock;
use super::device::Device;
use super::fault::Fault;
use crate::kernels::{Kernel, Params};

/// Keys that the dispatches of one submission may touch. A display driver resets a device that is busy for two
/// seconds, and a desktop stutters long before. The dearest kernels need some thousand integer operations a key, and
/// the slowest GPUs in use do some 2·10^11 a second, so 2^23 keys take them about 40 ms; a sort pass, 21 bytes a key
/// at 10 GB/s, 18 ms. On the fastest ones a submission still outlasts its making, which overlaps with the one before.
/// This is arithmetic, not a measurement.
pub const KEYS_PER_SUBMISSION: u64 = 1 << 23;

/// Dispatches of one submission, at most.
const SLOTS: u64 = 64;

/// What to run: a kernel over the entries of a table.
pub(super) struct Dispatch<'a> {
    pub(super) kernel: &'static Kernel,
    pub(super) buffers: &'a [&'a Buffer],
    /// `count` is that of the whole table.
    pub(super) params: Params,
    pub(super) workgroups: u32,
    /// Of `count`, how many belong to one workgroup.
    pub(super) unit: u32,
    /// Keys or elements.
    pub(super) items: u64,
    /// Moved in device memory.
    pub(super) bytes: u64,
}

/// Some workgroups of a dispatch.
struct Piece {
    kernel: &'static Kernel,
    bind_group: wgpu::BindGroup,
    params: Params,
    grid: [u32; 2],
    items: u64,
}

/// Dispatches in order.
pub(super) struct Commands<'d> {
    core: &'d Core,
    pieces: Vec<Piece>,
}

impl<'d> Commands<'d> {
    pub(super) fn new(core: &'d Core) -> Self {
        Self { core, pieces: vec![] }
    }

    /// What they run on.
    pub(super) fn core(&self) -> &'d Core {
        self.core
    }

    /// Adds a dispatch, as several where it is too large for one.
    pub(super) fn push(&mut self, dispatch: Dispatch<'_>) -> Result<(), Fault> {
        let Dispatch { kernel, buffers, params, workgroups, unit, items, bytes } = dispatch;
        if workgroups == 0 {
            return Ok(());
        }
        let bind_group = self.bind(kernel, buffers)?;
        let side = self.core.device.limits.max_compute_workgroups_per_dimension;
        let each = items.div_ceil(u64::from(workgroups)).max(1);
        let portion = (self.core.device.setup.portion / each).max(1).min(u64::from(side) * u64::from(side));
        let portion = portion.min(u64::from(workgroups)) as u32;
        let before = self.pieces.len();
        let mut first = 0;
        while first < workgroups {
            let taken = portion.min(workgroups - first);
            let columns = taken.min(side);
            // A grid may have some workgroups more than entries: `count` tells them to do nothing.
            let count = params.count.min((first + taken).saturating_mul(unit));
            self.pieces.push(Piece {
                kernel,
                bind_group: bind_group.clone(),
                params: Params { first, count, ..params },
                grid: [columns, taken.div_ceil(columns)],
                items: each * u64::from(taken),
            });
            first += taken;
        }
        let pieces = (self.pieces.len() - before) as u64;
        self.core.count(|counters| {
            let work = counters.kernels.entry(kernel.name).or_default();
            work.dispatches += pieces;
            work.workgroups += u64::from(workgroups);
            work.items += items;
            work.bytes += bytes;
        });
        Ok(())
    }

    fn bind(&self, kernel: &'static Kernel, buffers: &[&Buffer]) -> Result<wgpu::BindGroup, Fault> {
        let core = self.core;
        debug_assert_eq!(buffers.len(), kernel.bindings.len(), "{}", kernel.name);
        let pipeline = core.pipelines.get(&core.device, kernel)?;
        let bound = std::iter::once((&core.params, 16)).chain(buffers.iter().map(|&b| (b, b.size)));
        let entries: Vec<wgpu::BindGroupEntry<'_>> = bound
            .enumerate()
            .map(|(i, (buffer, size))| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(size),
                }),
            })
            .collect();
        core.device.scoped(|| {
            core.device.inner.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.name),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })
    }

    /// Submits everything in portions. Nobody waits here, except where each dispatch is timed.
    pub(super) fn run(self) -> Result<(), Fault> {
        if self.core.device.setup.timed {
            return self.run_timed();
        }
        let mut pieces = &self.pieces[..];
        while !pieces.is_empty() {
            let (portion, rest) = pieces.split_at(self.portion(pieces));
            pieces = rest;
            self.core.device.submit(self.encode(portion, None)?)?;
        }
        Ok(())
    }

    /// Submits piece by piece, waits for each, and notes how long it took.
    fn run_timed(self) -> Result<(), Fault> {
        let core = self.core;
        let clock = core.device.tick.map(|tick| Clock::new(core, tick)).transpose()?;
        for piece in &self.pieces {
            let started = Instant::now();
            let encoder = self.encode(std::slice::from_ref(piece), clock.as_ref())?;
            core.device.wait(core.device.submit(encoder)?)?;
            let time = started.elapsed();
            let device_time = clock.as_ref().map_or(Ok(Duration::ZERO), |clock| clock.read(core))?;
            core.count(|counters| {
                let work = counters.kernels.entry(piece.kernel.name).or_default();
                work.time += time;
                work.device_time += device_time;
            });
        }
        Ok(())
    }

    /// How many pieces go together.
    fn portion(&self, pieces: &[Piece]) -> usize {
        let slots = (self.core.params.size / stride(&self.core.device)) as usize;
        let mut items = 0;
        let fits = |piece: &&Piece| {
            items += piece.items;
            items <= self.core.device.setup.portion
        };
        pieces.iter().take(slots).take_while(fits).count().max(1)
    }

    /// One submission.
    fn encode(&self, pieces: &[Piece], clock: Option<&Clock>) -> Result<wgpu::CommandEncoder, Fault> {
        let core = self.core;
        let stride = stride(&core.device) as usize;
        let mut params = vec![0u32; pieces.len() * stride / 4];
        for (slot, piece) in params.chunks_mut(stride / 4).zip(pieces) {
            slot[..4].copy_from_slice(&piece.params.words());
        }
        // Writes take effect before the next submission and after the last one.
        core.device
            .scoped(|| core.device.queue.write_buffer(&core.params, 0, bytemuck::cast_slice(&params)))?;
        let mut encoder = core.device.inner.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: clock.map(Clock::writes),
            });
            for (i, piece) in pieces.iter().enumerate() {
                pass.set_pipeline(&core.pipelines.get(&core.device, piece.kernel)?.inner);
                pass.set_bind_group(0, &piece.bind_group, &[(i * stride) as u32]);
                pass.dispatch_workgroups(piece.grid[0], piece.grid[1], 1);
            }
        }
        if let Some(clock) = clock {
            encoder.resolve_query_set(&clock.queries, 0..2, &clock.times, 0);
        }
        core.count(|counters| counters.submissions += 1);
        Ok(encoder)
    }
}

/// The buffer of parameters, for the dispatches of one submission.
pub(super) fn params_buffer(pool: &Pool, device: &Device) -> Result<Buffer, Fault> {
    pool.take(device, Use::Uniform, SLOTS * stride(device))
}

/// Bytes between two sets of parameters.
pub(super) fn stride(device: &Device) -> u64 {
    u64::from(device.limits.min_uniform_buffer_offset_alignment).max(16)
}
