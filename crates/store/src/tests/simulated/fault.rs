//! Faults of a simulated disk, and which calls can meet them.

use std::io;

use rustix::io::Errno;

/// What a call does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process crashes during the call.
    Kill,
    /// The call fails once.
    Fails(io::ErrorKind),
    /// The call fails once and changes nothing, as if no file descriptor were left.
    Early(Errno),
}

/// What a call needs, and may lack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    /// More space on the disk.
    Room,
    /// A file descriptor, or access to a name.
    Access,
    Both,
}

impl Wants {
    pub fn meets(self, fault: Fault) -> bool {
        match fault {
            FULL => matches!(self, Self::Room | Self::Both),
            Fault::Early(_) => matches!(self, Self::Access | Self::Both),
            Fault::Kill | Fault::Fails(_) => true,
        }
    }
}

/// The disk is full. Calls that need no more space still work.
pub(crate) const FULL: Fault = Fault::Fails(io::ErrorKind::StorageFull);

/// The process has no descriptor left.
pub(crate) const EARLY: Fault = Fault::Early(Errno::MFILE);

/// The errors of a process without a descriptor, of a system without one, and of a system without
/// memory for one.
pub(crate) const EARLY_ERRORS: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
