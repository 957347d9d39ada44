//! The device's own clock: when a pass began and ended.

use std::time::Duration;

use super::Core;
use super::buffers::{Buffer, Download, Use};
use super::fault::Fault;

/// Two times, and where they are written.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) queries: wgpu::QuerySet,
    pub(super) times: Buffer,
    tick: f32,
}

impl Clock {
    pub(super) fn new(core: &Core, tick: f32) -> Result<Self, Fault> {
        let queries = core.device.scoped(|| {
            core.device.inner.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            })
        })?;
        Ok(Self { queries, times: core.pool.take(&core.device, Use::Times, 16)?, tick })
    }

    /// What a pass writes.
    pub(super) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// How long the last pass took.
    pub(super) fn read(&self, core: &Core) -> Result<Duration, Fault> {
        let mut words = Vec::with_capacity(4);
        Download::start(&core.device, &core.pool, &self.times, 4)?
            .finish(&core.device, |window| words.extend_from_slice(window))?;
        let time = |i: usize| u64::from(words[i]) | u64::from(words[i + 1]) << 32;
        let ticks = time(2).saturating_sub(time(0));
        Ok(Duration::from_nanos((ticks as f64 * f64::from(self.tick)) as u64))
    }
}
