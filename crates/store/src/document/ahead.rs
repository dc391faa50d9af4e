//! A producer and a consumer on two threads.

use std::{sync::mpsc::channel, thread};

/// How many slots there are at most: one that is filled, one that waits, and one that is
/// emptied.
const SLOTS: usize = 3;

/// Calls `fill` and then `empty` with one slot after the other. Ends when `fill` returns
/// `false`, or one of the two fails. `fill` gets slots back that `empty` is done with, so
/// their memory is used again.
///
/// `fill` runs on a thread of its own from the second slot on. If the system does not start
/// a thread, both run on this one.
///
/// # Errors
/// The failure of the first slot that has one.
pub(crate) fn fill_and_empty<S: Default + Send, E: Send>(
    mut fill: impl FnMut(&mut S) -> Result<bool, E> + Send,
    mut empty: impl FnMut(&mut S) -> Result<(), E>,
) -> Result<(), E> {
    let mut first = S::default();
    if !fill(&mut first)? {
        return Ok(());
    }
    empty(&mut first)?;
    let fill_ahead = &mut fill;
    let done = thread::scope(|scope| {
        let (filled, to_empty) = channel();
        let (emptied, to_fill) = channel();
        let run_ahead = move || {
            for mut slot in to_fill {
                let slot = match fill_ahead(&mut slot) {
                    Ok(true) => Ok(slot),
                    Ok(false) => return,
                    Err(error) => Err(error),
                };
                let failed = slot.is_err();
                if filled.send(slot).is_err() || failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("store-reader".to_owned());
        thread.spawn_scoped(scope, run_ahead).ok()?;
        let slots = (1..SLOTS).map(|_| S::default());
        for slot in slots.chain([first]) {
            // An error says that the thread has filled its last slot and ended.
            let _ = emptied.send(slot);
        }
        Some(to_empty.into_iter().try_for_each(|slot| {
            let mut slot = slot?;
            empty(&mut slot)?;
            let _ = emptied.send(slot);
            Ok(())
        }))
    });
    done.unwrap_or_else(|| {
        let mut slot = S::default();
        while fill(&mut slot)? {
            empty(&mut slot)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    /// The items that were used, and the result. Using 7 fails.
    fn used(items: &[Result<u8, &'static str>]) -> (Vec<u8>, Result<(), &'static str>) {
        let (mut items, mut used) = (items.iter().copied(), Vec::new());
        let fill = |slot: &mut u8| match items.next() {
            Some(Ok(item)) => {
                *slot = item;
                Ok(true)
            }
            Some(Err(error)) => Err(error),
            None => Ok(false),
        };
        let ended = fill_and_empty(fill, |slot| {
            used.push(*slot);
            if *slot == 7 { Err("empty") } else { Ok(()) }
        });
        (used, ended)
    }

    #[test]
    fn slots_are_emptied_in_order_up_to_the_first_failure() {
        assert_eq!(used(&[]), (vec![], Ok(())));
        for length in 1..20 {
            let items: Vec<_> = (10..10 + length).map(Ok).collect();
            let all: Vec<_> = (10..10 + length).collect();
            assert_eq!(used(&items), (all.clone(), Ok(())));
            for at in 0..items.len() {
                let mut failing = items.clone();
                failing[at] = Err("fill");
                assert_eq!(used(&failing), (all[..at].to_vec(), Err("fill")));
                failing[at] = Ok(7);
                failing.push(Err("fill"));
                let expected = [&all[..at], &[7]].concat();
                assert_eq!(used(&failing), (expected, Err("empty")));
            }
        }
    }

    #[test]
    fn no_more_slots_are_filled_than_there_are_before_one_is_emptied() {
        let (filled, mut emptied) = (AtomicUsize::new(0), 0);
        let fill = |slot: &mut usize| {
            *slot = filled.fetch_add(1, SeqCst);
            Ok::<_, ()>(*slot < 1000)
        };
        let ended = fill_and_empty(fill, |slot| {
            assert!(filled.load(SeqCst) <= emptied + SLOTS);
            assert_eq!(*slot, emptied);
            emptied += 1;
            Ok(())
        });
        assert_eq!((ended, emptied), (Ok(()), 1000));
    }
}
