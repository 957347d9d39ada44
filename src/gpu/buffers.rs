//! Buffers that are used again and again, and words on their way to the host.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::device::{Device, Ticket};
use super::fault::Fault;

/// Bytes that are mapped at once.
const WINDOW: u64 = 16 << 20;

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Data that kernels read and write.
    Storage,
    /// Parameters.
    Uniform,
    /// Times that the device writes.
    Times,
    /// Results on their way to the host.
    Download,
}

impl Use {
    fn usages(self) -> wgpu::BufferUsages {
        use wgpu::BufferUsages as U;
        match self {
            Self::Storage => U::STORAGE | U::COPY_SRC | U::COPY_DST,
            Self::Uniform => U::UNIFORM | U::COPY_DST,
            Self::Times => U::QUERY_RESOLVE | U::COPY_SRC,
            Self::Download => U::MAP_READ | U::COPY_DST,
        }
    }
}

/// Buffers that nobody uses now.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    free: Arc<Mutex<Vec<(Use, wgpu::Buffer)>>>,
}

/// A buffer that goes back to its pool when dropped. It may be longer than asked for, and holds what was in it.
#[derive(Debug)]
pub(super) struct Buffer {
    inner: wgpu::Buffer,
    usage: Use,
    /// The bytes asked for.
    pub(super) size: u64,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.inner
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Ok(mut free) = self.pool.free.lock() {
            free.push((self.usage, self.inner.clone()));
        }
    }
}

impl Pool {
    /// A buffer of at least `size` bytes.
    pub(super) fn take(&self, device: &Device, usage: Use, size: u64) -> Result<Buffer, Fault> {
        // Bindings are not empty, and whole words.
        let size = size.next_multiple_of(4).max(16);
        let reused = self.free.lock().ok().and_then(|mut free| {
            let fits = |b: &wgpu::Buffer| (size..=size.saturating_mul(4).max(1 << 16)).contains(&b.size());
            let best = free
                .iter()
                .enumerate()
                .filter(|(_, (u, b))| *u == usage && fits(b))
                .min_by_key(|(_, (_, b))| b.size())?;
            let at = best.0;
            Some(free.swap_remove(at).1)
        });
        let inner = match reused {
            Some(buffer) => buffer,
            None => self.create(device, usage, size)?,
        };
        Ok(Buffer { inner, usage, size, pool: self.clone() })
    }

    /// A new buffer, if need be in the place of all unused ones.
    fn create(&self, device: &Device, usage: Use, size: u64) -> Result<wgpu::Buffer, Fault> {
        // Rounded up, so that the next load, of about this size, finds it fitting.
        let rounded = size.saturating_add(size / 8).next_multiple_of(4).min(device.limits.max_buffer_size);
        match device.create(rounded.max(size), usage.usages()) {
            Err(Fault::OutOfMemory) => {
                if let Ok(mut free) = self.free.lock() {
                    free.clear();
                }
                // Their memory comes back when the work that used them is done.
                device.settle()?;
                device.create(size, usage.usages())
            }
            other => other,
        }
    }
}

/// Words on their way to the host.
#[derive(Debug)]
pub(super) struct Download {
    windows: Vec<Window>,
}

/// Some of them, copied to where the host reaches them.
#[derive(Debug)]
struct Window {
    stage: Buffer,
    bytes: u64,
    copied: Ticket,
}

impl Drop for Window {
    fn drop(&mut self) {
        // Before the buffer goes back to its pool, whether it was read or not.
        self.stage.unmap();
    }
}

impl Download {
    /// Has words copied from a buffer once all work submitted so far is done.
    pub(super) fn start(device: &Device, pool: &Pool, buffer: &Buffer, words: usize) -> Result<Self, Fault> {
        let total = words as u64 * 4;
        let most = WINDOW.min(device.limits.max_buffer_size & !3);
        let mut windows = Vec::new();
        let mut start = 0;
        while start < total {
            let bytes = most.min(total - start);
            let stage = pool.take(device, Use::Download, bytes)?;
            let mut encoder = device.inner.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(buffer, start, &stage, 0, bytes);
            let copied = device.submit(encoder)?;
            // Whether mapping worked shows when the mapped range is asked for.
            device.scoped(|| stage.slice(..bytes).map_async(wgpu::MapMode::Read, |_| ()))?;
            windows.push(Window { stage, bytes, copied });
            start += bytes;
        }
        Ok(Self { windows })
    }

    /// Waits for the words and hands them out in order.
    pub(super) fn finish(self, device: &Device, mut take: impl FnMut(&[u32])) -> Result<(), Fault> {
        for window in self.windows {
            device.wait(window.copied)?;
            let slice = window.stage.slice(..window.bytes);
            let mapped = slice.get_mapped_range().map_err(|error| Fault::Lost(error.to_string()))?;
            take(bytemuck::cast_slice(&mapped));
        }
        Ok(())
    }
}
