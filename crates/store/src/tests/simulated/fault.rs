//! What goes wrong on a simulated disk, and which calls can meet it.

use std::io;

/// What a call does instead of what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process ends in the middle of it.
    Kill,
    /// It fails, once.
    Fails(io::ErrorKind),
    /// It fails, once, before it has changed anything: as without a descriptor.
    Early,
}

/// What a call could be in want of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    /// More room on the disk.
    Room,
    /// A descriptor, or a look at a name.
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

/// No room is left: calls that need none go on.
pub(crate) const FULL: Fault = Fault::Fails(io::ErrorKind::StorageFull);
