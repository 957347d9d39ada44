//! One kernel on its own, on given words: how tests compare every buffer with the twin's.

use super::Gpu;
use super::commands::{Commands, Dispatch};
use super::transfer::{fetch, upload_table};
use crate::error::Result;
use crate::kernels::{Kernel, Params};

impl Gpu {
    /// Creates a buffer and drops it: how tests meet a real lack of memory.
    pub fn try_buffer(&self, bytes: u64) -> Result<()> {
        self.attempt(|| self.core.device.create(bytes, wgpu::BufferUsages::STORAGE).map(drop))
    }

    /// Runs `workgroups` workgroups of a kernel, `unit` entries each, over copies of `buffers`, and returns these.
    pub fn run_kernel(
        &self,
        kernel: &'static Kernel,
        buffers: &[Vec<u32>],
        params: Params,
        workgroups: u32,
        unit: u32,
    ) -> Result<Vec<Vec<u32>>> {
        self.attempt(|| {
            let core = &self.core;
            let on_device =
                buffers.iter().map(|words| upload_table(core, words)).collect::<Result<Vec<_>, _>>()?;
            let mut commands = Commands::new(core);
            commands.push(Dispatch {
                kernel,
                buffers: &on_device.iter().collect::<Vec<_>>(),
                params,
                workgroups,
                unit,
                items: workgroups.into(),
                bytes: 0,
            })?;
            commands.run()?;
            let mut out = Vec::with_capacity(buffers.len());
            for (buffer, words) in on_device.iter().zip(buffers) {
                let mut host = Vec::with_capacity(words.len());
                fetch(core, buffer, words.len(), |window| host.extend_from_slice(window))?;
                out.push(host);
            }
            Ok(out)
        })
    }
}
