//! How many files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are reserved for other uses than connections. A writable service has thirteen
/// open: the standard streams, those of the runtime, the listener, the lock and the journal. It
/// opens three more while it folds the journal. The rest is for connections that are refused.
const KEPT: u64 = 32;

/// Raises the limit on open files to what `connections` need, as far as the system allows. Returns
/// how many connections there may be: some descriptors must be left, or the store could not fold
/// its journal.
pub(crate) fn raise_limit(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(KEPT);
    let unlimited = u64::MAX;
    let mut allowed = current.unwrap_or(unlimited);
    let raised = wanted.min(maximum.unwrap_or(unlimited));
    if raised > allowed {
        let limit = Rlimit {
            current: Some(raised),
            maximum,
        };
        match setrlimit(Resource::Nofile, limit) {
            Ok(()) => allowed = raised,
            Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
        }
    }
    let room = room(allowed, connections);
    if room < connections {
        tracing::warn!(
            max_connections = room,
            "fewer connections than MAX_CONNECTIONS says ({connections}): the process may open \
             {allowed} files, and {KEPT} of them are kept for others; raise its hard limit \
             (ulimit -Hn, or nofile of its container)"
        );
    }
    room
}

/// How many of these connections fit into this many descriptors, but at least one.
fn room(allowed: u64, connections: usize) -> usize {
    let room = usize::try_from(allowed.saturating_sub(KEPT)).unwrap_or(usize::MAX);
    connections.min(room.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_stores_files() {
        assert_eq!(room(u64::MAX, 2000), 2000);
        assert_eq!(room(2032, 2000), 2000);
        assert_eq!(room(1024, 2000), 992);
        assert_eq!(room(20, 2000), 1);
    }
}
