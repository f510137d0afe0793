//! How many requests share each connection to a task that speaks HTTP/2.
//!
//! # Design notes
//!
//! A connection is known by its descriptor, a small number that is another's as soon as it is closed. A request that leaves
//! late then counts for the next connection of that number, which is right in the sum: as long as any request counts for a
//! descriptor, one permit does. Counters are made by the thousand when a descriptor needs them: a process that may open a
//! million files has 16 KB of empty places, not megabytes of zeros.

use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of counters that are made at once.
const CHUNK: usize = 1_024;

/// Above all descriptors that are counted: the system's own greatest (`fs.nr_open`) is far below.
const MOST: usize = 1 << 24;

/// A descriptor that no connection has.
pub(super) const NONE: RawFd = -1;

pub(super) struct Shared {
    chunks: Box<[OnceLock<Box<[AtomicU32]>>]>,
}

impl Shared {
    /// For a process that may open this number of files.
    pub(super) fn new(files: usize) -> Self {
        let chunks = files.min(MOST).div_ceil(CHUNK);
        Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Counts a request in; true for the first. `None` where the descriptor is not counted.
    pub(super) fn enter(&self, file: RawFd) -> Option<bool> {
        let counter = self.counter(file)?;
        Some(counter.fetch_add(1, Ordering::AcqRel) == 0)
    }

    /// Counts a request out that was counted in; true for the last.
    pub(super) fn leave(&self, file: RawFd) -> bool {
        let counter = self.counter(file);
        counter.is_some_and(|counter| counter.fetch_sub(1, Ordering::AcqRel) == 1)
    }

    fn counter(&self, file: RawFd) -> Option<&AtomicU32> {
        let file = usize::try_from(file).ok()?;
        let chunk = self.chunks.get(file / CHUNK)?;
        let counters = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU32::new(0)).collect());
        counters.get(file % CHUNK)
    }
}
