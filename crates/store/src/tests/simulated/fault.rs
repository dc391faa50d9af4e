//! Faults of a simulated disk, and which calls can meet them.

use std::io;

/// What a call does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process crashes during the call.
    Kill,
    /// The call fails once.
    Fails(io::ErrorKind),
    /// The call fails once and changes nothing, as if no file descriptor were left.
    Early,
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
            Fault::Early => matches!(self, Self::Access | Self::Both),
            Fault::Kill | Fault::Fails(_) => true,
        }
    }
}

/// The disk is full. Calls that need no more space still work.
pub(crate) const FULL: Fault = Fault::Fails(io::ErrorKind::StorageFull);
