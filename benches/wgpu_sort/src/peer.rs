//! The crate `wgpu_sort`: pairs of a 32-bit key and a 32-bit value.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use wgpu_sort::utils::download_buffer;
use wgpu_sort::{GPUSorter, SortBuffers};

use crate::{Failure, Time};

pub struct Peer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    sorter: GPUSorter,
    pub subgroup_size: u32,
}

/// Two timestamps of the device.
struct Clock {
    times: wgpu::QuerySet,
    buffer: wgpu::Buffer,
}

impl Peer {
    pub fn open(name: &str, subgroup_size: u32) -> Result<Self, Failure> {
        let instance = wgpu::Instance::default();
        let is_named =
            |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&name.to_lowercase());
        let adapters = instance.enumerate_adapters(wgpu::Backends::PRIMARY);
        let adapter = adapters.into_iter().find(is_named).ok_or("wgpu 0.19 does not find the adapter")?;
        let descriptor = wgpu::DeviceDescriptor {
            label: None,
            required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits: adapter.limits(),
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor, None))?;
        let sorter = GPUSorter::new(&device, subgroup_size);
        Ok(Self { device, queue, sorter, subgroup_size })
    }

    /// Sorts the keys, each with its index, and checks both.
    pub fn sort(&self, keys: &[u32]) -> Result<Time, Failure> {
        let length = NonZeroU32::new(keys.len() as u32).ok_or("no keys")?;
        let buffers = self.sorter.create_sort_buffers(&self.device, length);
        let words =
            |words: &mut dyn Iterator<Item = u32>| words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        self.queue.write_buffer(buffers.keys(), 0, &words(&mut keys.iter().copied()));
        self.queue.write_buffer(buffers.values(), 0, &words(&mut (0..length.get())));
        self.wait(wgpu::CommandEncoder::finish);

        let clock = self.clock();
        let started = Instant::now();
        self.wait(|mut encoder| {
            if let Some(clock) = &clock {
                encoder.write_timestamp(&clock.times, 0);
            }
            self.sorter.sort(&mut encoder, &self.queue, &buffers, None);
            if let Some(clock) = &clock {
                encoder.write_timestamp(&clock.times, 1);
                encoder.resolve_query_set(&clock.times, 0..2, &clock.buffer, 0);
            }
            encoder.finish()
        });
        let wall = started.elapsed();
        self.check(keys, &buffers)?;
        Ok(Time { wall, device: clock.map(|clock| self.elapsed(&clock)) })
    }

    /// Submits commands and waits for them. `Maintain::Wait` of wgpu 0.19 gives up after five seconds without a word, and
    /// takes the work for done; polling asks the fence.
    fn wait(&self, commands: impl FnOnce(wgpu::CommandEncoder) -> wgpu::CommandBuffer) {
        let encoder = self.device.create_command_encoder(&Default::default());
        self.queue.submit([commands(encoder)]);
        while !self.device.poll(wgpu::Maintain::Poll).is_queue_empty() {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn check(&self, keys: &[u32], buffers: &SortBuffers) -> Result<(), Failure> {
        let valid = 0..buffers.keys_valid_size();
        let fetch =
            |buffer| pollster::block_on(download_buffer(buffer, &self.device, &self.queue, valid.clone()));
        let (sorted, from): (Vec<u32>, Vec<u32>) = (fetch(buffers.keys()), fetch(buffers.values()));
        let mut expected: Vec<(u32, u32)> = keys.iter().copied().zip(0..).collect();
        expected.sort_unstable();
        let is_right = sorted.into_iter().zip(from).eq(expected);
        is_right.then_some(()).ok_or_else(|| "wrong order".into())
    }

    fn clock(&self) -> Option<Clock> {
        let has_clock = self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        has_clock.then(|| Clock {
            times: self.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            buffer: self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        })
    }

    fn elapsed(&self, clock: &Clock) -> Duration {
        let times: Vec<u64> =
            pollster::block_on(download_buffer(&clock.buffer, &self.device, &self.queue, ..));
        let ticks = times[1].saturating_sub(times[0]) as f64;
        Duration::from_nanos((ticks * f64::from(self.queue.get_timestamp_period())) as u64)
    }
}
