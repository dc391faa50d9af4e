use tokio::time::advance;

use super::*;

fn connections(connections: usize, bytes: usize) -> Connections {
    Connections::new(Limits { connections, bytes })
}

fn closed(open: &[Admitted]) -> Vec<usize> {
    let closed = |one: &Admitted| one.activity.closed.load(Relaxed);
    (0..open.len()).filter(|&n| closed(&open[n])).collect()
}

async fn admitted(connections: &Connections, count: usize) -> Vec<Admitted> {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(connections.admit().unwrap());
        advance(Duration::from_secs(1)).await;
    }
    open
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_has_been_idle_for_longest_makes_room() {
    let connections = connections(3, 1000);
    let open = admitted(&connections, 3).await;
    // The first has just been answered, the second waits for its answer, and the third sends
    // a head byte by byte.
    drop(open[0].activity.begin());
    let _answering = open[1].activity.begin();
    for _ in 0..3 {
        open[2].activity.received(1);
        advance(Duration::from_secs(1)).await;
    }
    drop(open[0].activity.begin());
    advance(Duration::from_secs(1)).await;
    let _fourth = connections.admit().unwrap();
    assert_eq!(closed(&open), [2]);
    let _fifth = connections.admit().unwrap();
    assert_eq!(closed(&open), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_others_waiting_makes_room_in_the_end_and_one_that_waits_does_not() {
    let connections = connections(2, 1000);
    let open = admitted(&connections, 2).await;
    let _answering = open[0].activity.begin();
    let _unread = open[1].activity.begin();
    assert!(connections.admit().is_none(), "both wait for a target");
    open[1].activity.blocked();
    advance(SLOW / 2).await;
    open[1].activity.sent();
    open[1].activity.body_awaited(true);
    advance(SLOW / 2).await;
    assert!(connections.admit().is_none(), "it may send yet");
    advance(SLOW).await;
    let third = connections.admit().unwrap();
    assert_eq!(closed(&open), [1]);
    let _new = third.activity.begin();
    assert!(connections.admit().is_none());
    drop(third);
    assert!(connections.admit().is_some(), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_holds_most_is_closed() {
    let connections = connections(10, 10 * ABOUT_BYTES);
    let open = admitted(&connections, 5).await;
    let held = || connections.0.held.load(Relaxed);
    let little = open[1].activity.hold(10);
    let much = open[2].activity.hold(4 * ABOUT_BYTES);
    let mut as_much = open[3].activity.hold(4 * ABOUT_BYTES + 1);
    assert_eq!(held(), 8 * ABOUT_BYTES + 11);
    // It takes some of its answer, and the other one none.
    open[2].activity.sent();
    let rest = open[4].activity.hold(2 * ABOUT_BYTES);
    assert_eq!(closed(&open), [3]);
    assert_eq!(held(), 6 * ABOUT_BYTES + 10);
    as_much.grow_to(5 * ABOUT_BYTES);
    drop(as_much);
    assert_eq!(
        held(),
        6 * ABOUT_BYTES + 10,
        "what was closed counts no more"
    );
    drop((little, much, rest));
    assert_eq!(held(), 0);
}
