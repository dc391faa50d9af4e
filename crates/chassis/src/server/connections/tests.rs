use super::*;

#[test]
fn the_longest_idle_connection_makes_room() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let connections = Connections::new(3);
    let places: Vec<_> = (0..3)
        .map(|n| connections.admit(n, at(n)).unwrap())
        .collect();
    // The oldest connection has just answered; the second one is in the middle of a request.
    places[0].activity.request_began();
    places[0].activity.request_ended(at(10));
    places[1].activity.request_began();
    let open = |connections: &Connections| {
        let mut open: Vec<_> = connections.open.lock().unwrap().keys().copied().collect();
        open.sort_unstable();
        open
    };
    let _third = connections.admit(3, at(11)).unwrap();
    assert_eq!(open(&connections), [0, 1, 3]);
    let _fourth = connections.admit(4, at(12)).unwrap();
    assert_eq!(open(&connections), [1, 3, 4]);
}

#[test]
fn without_an_idle_connection_there_is_no_room() {
    let connections = Connections::new(2);
    let now = Instant::now();
    let places: Vec<_> = (0..2).map(|n| connections.admit(n, now).unwrap()).collect();
    places[0].activity.request_began();
    places[1].activity.write_blocked.store(true, Relaxed);
    assert!(connections.admit(2, now).is_none());
    drop(places);
    assert!(connections.admit(2, now).is_some());
}

#[test]
fn without_an_idle_connection_a_slow_client_makes_room() {
    let connections = Connections::new(3);
    let now = Instant::now();
    let places: Vec<_> = (0..3).map(|n| connections.admit(n, now).unwrap()).collect();
    places[0].activity.request_began();
    places[1]
        .activity
        .write_blocked(now + Duration::from_secs(1));
    places[2].activity.write_blocked(now);
    let soon = now + SLOW / 2;
    assert!(connections.admit(3, soon).is_none(), "it may catch up");
    let _third = connections.admit(4, now + SLOW).unwrap();
    let open = connections.open.lock().unwrap();
    assert!(!open.contains_key(&2), "the slowest is gone");
    assert_eq!(open.len(), 3);
}

#[test]
fn connections_that_hold_most_for_longest_make_room() {
    let start = Instant::now();
    let connections = Connections::new(4);
    let places: Vec<_> = (0..4)
        .map(|n| connections.admit(n, start).unwrap())
        .collect();
    let buffer = |n: usize, bytes| connections.buffer(&places[n].activity, bytes);
    // It has just answered, so it has not held its bytes for long.
    places[0].activity.request_began();
    places[0].activity.request_ended(start + SLOW);
    buffer(0, BUFFERED_BYTES_MAX / 2);
    // It is being answered: it does not wait for its client.
    places[1].activity.request_began();
    buffer(1, BUFFERED_BYTES_MAX / 4);
    buffer(2, BUFFERED_BYTES_MAX / 8);
    let open = |n| connections.open.lock().unwrap().contains_key(&n);
    assert!((0..4).all(open), "there is room for all");
    connections
        .buffered
        .bytes
        .fetch_add(BUFFERED_BYTES_MAX / 8, Relaxed);
    connections.shed(start + SLOW);
    assert!(open(0) && open(1) && !open(2) && open(3));
    assert!(connections.full(), "until its task has ended");
    // What it buffers until it is closed counts against no other connection.
    buffer(2, 7);
    buffer(2, 0);
    assert!(!connections.full());
    assert_eq!(connections.buffered.leaving.load(Relaxed), 0);
}

#[test]
fn a_copied_piece_counts_until_all_of_it_is_sent() {
    let activity = Activity::new(Instant::now());
    assert_eq!(activity.copied(), 0);
    activity.copy(PIECE_BYTES);
    activity.copy(PIECE_BYTES);
    activity.sent(1);
    assert_eq!(activity.copied(), 2 * PIECE_BYTES);
    activity.sent(PIECE_BYTES - 1);
    assert_eq!(activity.copied(), PIECE_BYTES);
    activity.sent(PIECE_BYTES - 1);
    assert_eq!(activity.copied(), PIECE_BYTES);
    activity.sent(1);
    assert_eq!(activity.copied(), 0);
}
