//! Resources that processes use.

use std::fmt;
use std::fs;
use std::sync::Arc;

use crate::support::{descriptors, resident_kib};
use crate::system::{SERVICES, System};

/// Resources that a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    pub resident_kib: u64,
    pub descriptors: usize,
    /// The length of its journal; 0 without one.
    pub journal_bytes: u64,
}

impl Sample {
    /// The larger value of each resource.
    pub fn max(self, other: Self) -> Self {
        Self {
            resident_kib: self.resident_kib.max(other.resident_kib),
            descriptors: self.descriptors.max(other.descriptors),
            journal_bytes: self.journal_bytes.max(other.journal_bytes),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resident_kib,
            descriptors,
            journal_bytes,
        } = self;
        write!(
            f,
            "{resident_kib:>6} KiB  {descriptors:>3} descriptors  {journal_bytes:>8} bytes of journal"
        )
    }
}

/// The processes of a system and what they use now.
pub async fn sample(system: &Arc<System>) -> Vec<(String, Sample)> {
    let of = |pid, journal_bytes| Sample {
        resident_kib: resident_kib(pid),
        descriptors: descriptors(pid),
        journal_bytes,
    };
    let mut samples = vec![(format!("{} local", system.name), of(system.pid().await, 0))];
    for service in SERVICES {
        for (index, pid) in system.pids(service).await.into_iter().enumerate() {
            let journal = fs::metadata(system.data(service).join("db.json.journal"));
            let bytes = journal.map_or(0, |journal| journal.len());
            let name = format!("{} {service}/{}", system.name, index + 1);
            samples.push((name, of(pid, bytes)));
        }
    }
    samples
}
