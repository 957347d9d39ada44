//! The exclusive sum over a workgroup's threads, in two levels of sixteen.

use super::THREADS;
use super::shared::Shared;

/// Its shared memory.
#[derive(Debug)]
pub struct BlockScan {
    parts: Shared,
    sixteens: Shared,
}

impl Default for BlockScan {
    fn default() -> Self {
        Self { parts: Shared::new(THREADS), sixteens: Shared::new(16) }
    }
}

impl BlockScan {
    fn barrier(&mut self) {
        self.parts.barrier();
        self.sixteens.barrier();
    }

    /// The sum of the parts of all threads before each one.
    pub fn scan(&mut self, part: &[u32; THREADS]) -> [u32; THREADS] {
        self.barrier();
        for (thread, &part) in part.iter().enumerate() {
            self.parts.write(thread, thread, part);
        }
        self.barrier();
        for thread in 0..16 {
            let sum =
                (0..16).fold(0, |sum: u32, i| sum.wrapping_add(self.parts.read(thread, thread * 16 + i)));
            self.sixteens.write(thread, thread, sum);
        }
        self.barrier();
        std::array::from_fn(|thread| {
            let mut before = 0u32;
            for i in 0..thread / 16 {
                before = before.wrapping_add(self.sixteens.read(thread, i));
            }
            for i in thread & !15..thread {
                before = before.wrapping_add(self.parts.read(thread, i));
            }
            before
        })
    }

    /// The sum over all threads, after [`BlockScan::scan`].
    pub fn total(&mut self, thread: usize) -> u32 {
        (0..16).fold(0, |sum: u32, i| sum.wrapping_add(self.sixteens.read(thread, i)))
    }
}
