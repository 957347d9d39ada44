//! A workgroup's shared memory, which panics where two threads' accesses between two barriers depend on their order.

/// The kinds of access: reads do not disturb each other, nor do atomic additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Add,
    Write,
}

/// Several threads read it, or added to it.
const MANY: usize = usize::MAX;

#[derive(Debug, Clone, Copy)]
struct Cell {
    value: u32,
    phase: u32,
    access: Access,
    thread: usize,
}

/// An array of words.
#[derive(Debug)]
pub struct Shared {
    cells: Vec<Cell>,
    phase: u32,
}

impl Shared {
    /// Words that nobody has written: reading them before that shows as a strange number.
    pub fn new(words: usize) -> Self {
        let cell = Cell { value: 0xdead_beef, phase: 0, access: Access::Read, thread: MANY };
        Self { cells: vec![cell; words], phase: 1 }
    }

    /// Everything before it happens before everything after it.
    pub fn barrier(&mut self) {
        self.phase += 1;
    }

    /// A thread reads a word.
    pub fn read(&mut self, thread: usize, at: usize) -> u32 {
        self.access(thread, at, Access::Read).value
    }

    /// A thread writes a word.
    pub fn write(&mut self, thread: usize, at: usize, value: u32) {
        self.access(thread, at, Access::Write).value = value;
    }

    /// A thread adds to a word atomically.
    pub fn add(&mut self, thread: usize, at: usize, value: u32) {
        let cell = self.access(thread, at, Access::Add);
        cell.value = cell.value.wrapping_add(value);
    }

    fn access(&mut self, thread: usize, at: usize, access: Access) -> &mut Cell {
        let (phase, cell) = (self.phase, &mut self.cells[at]);
        if cell.phase != phase {
            (cell.phase, cell.access, cell.thread) = (phase, access, thread);
        } else if cell.thread != thread {
            let harmless = cell.access == access && access != Access::Write;
            assert!(harmless, "word {at}: {access:?} by thread {thread} beside {:?} by another", cell.access);
            cell.thread = MANY;
        } else {
            cell.access = cell.access.max(access);
        }
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_matters_only_across_barriers() {
        let mut shared = Shared::new(2);
        shared.write(0, 0, 5);
        shared.barrier();
        assert_eq!((shared.read(1, 0), shared.read(2, 0)), (5, 5));
        shared.barrier();
        shared.add(1, 0, 1);
        shared.add(2, 0, 1);
        shared.barrier();
        assert_eq!(shared.read(3, 0), 7);
    }

    #[test]
    #[should_panic(expected = "Read by thread 1 beside Write by another")]
    fn a_missing_barrier_panics() {
        let mut shared = Shared::new(1);
        shared.write(0, 0, 1);
        shared.read(1, 0);
    }

    #[test]
    #[should_panic(expected = "Write by thread 2 beside Read by another")]
    fn so_does_overwriting_what_others_read() {
        let mut shared = Shared::new(1);
        shared.read(0, 0);
        shared.read(2, 0);
        shared.write(2, 0, 1);
    }
}
