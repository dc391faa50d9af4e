use std::ops::Range;

use bytes::Bytes;
use common::{Key, Post};

use super::*;
use crate::{
    document::load::Document,
    memory::{
        list::{CutOff, Frames},
        state::State,
    },
    query::{Filter, Query},
};

/// Records of the collection, which fill several pages.
const POSTS: u64 = 500;

fn post(id: u64, round: u64) -> String {
    let text = "x".repeat(1000);
    format!(r#"{{"id":{id},"thread":1,"text":"{round} {text}","user":2}}"#)
}

/// A collection whose lists may hold this many bytes.
fn posts(bytes_max: usize) -> State<Post> {
    let posts: Vec<_> = (1..=POSTS).map(|id| post(id, 0)).collect();
    let document = format!("{{\"posts\":[{}]}}", posts.join(","));
    let state = Document::parse(document.as_bytes()).unwrap().state;
    state.pins.bytes_max.store(bytes_max, Relaxed);
    state
}

fn put(state: &mut State<Post>, ids: Range<u64>, round: u64) {
    for id in ids {
        let json = post(id, round);
        let post = serde_json::from_str(&json).unwrap();
        state.put(id, json.into(), post);
    }
}

fn held(pins: &Pins) -> usize {
    pins.bytes(&pins.lists())
}

fn by(index: usize, id: u64) -> Filter {
    Filter {
        index,
        key: Key::Id(id),
    }
}

/// A list whose first piece was read.
fn begin(state: &State<Post>, filters: Vec<Filter>) -> (Bytes, Frames) {
    let query = Query {
        filters,
        ..Query::default()
    };
    let mut frames = state.select(&query).list(&query).frames;
    (frames.next().unwrap().unwrap(), frames)
}

/// The rest of a list, in which every post is of this round.
fn check_whole((first, rest): (Bytes, Frames), round: u64) {
    let json = rest.fold(first.to_vec(), |mut json, piece| {
        json.extend(piece.unwrap());
        json
    });
    let posts: Vec<Post> = serde_json::from_slice(&json).unwrap();
    let round = format!("{round} ");
    assert_eq!(posts.len() as u64, POSTS);
    assert!(posts.iter().all(|post| post.text.starts_with(&round)));
}

fn check_cut_off((_, mut rest): (Bytes, Frames)) {
    assert_eq!(rest.next(), Some(Err(CutOff)));
    assert_eq!(rest.next(), None);
    assert!(rest.bytes_left() > 0);
}

#[test]
fn lists_hold_a_bounded_part_of_what_was_replaced_and_the_oldest_end() {
    const ROUNDS: u64 = 12;
    let mut state = posts(0);
    let collection = state.summary.array_bytes();
    // Four lists hold one version of the collection each, and some bytes more per page.
    let bytes_max = collection * 9 / 2;
    state.pins.bytes_max.store(bytes_max, Relaxed);
    let pins = Arc::clone(&state.pins);
    let first = Arc::downgrade(&state.pages);
    let mut lists = Vec::new();
    for round in 0..ROUNDS {
        lists.push(begin(&state, Vec::new()));
        for id in 1..=POSTS {
            put(&mut state, id..id + 1, round + 1);
            pins.bound();
            assert!(held(&pins) <= bytes_max);
        }
    }
    assert!(held(&pins) > bytes_max - collection);
    assert_eq!(first.strong_count(), 0);
    let newest = lists.split_off(lists.len() - 4);
    lists.into_iter().for_each(check_cut_off);
    for (list, round) in newest.into_iter().zip(ROUNDS - 4..) {
        check_whole(list, round);
    }
    assert_eq!(held(&pins), 0);
    assert!(pins.lists().snapshots.is_empty());
}

#[test]
fn the_newest_list_is_whole_whatever_it_holds() {
    let mut state = posts(0);
    let list = begin(&state, Vec::new());
    put(&mut state, 1..POSTS + 1, 1);
    state.pins.bound();
    assert!(held(&state.pins) > state.summary.array_bytes());
    check_whole(list, 0);
    assert_eq!(held(&state.pins), 0);
}

#[test]
fn what_is_dropped_unread_is_held_no_more() {
    let mut state = posts(usize::MAX);
    let list = begin(&state, vec![by(0, 1)]);
    put(&mut state, 1..POSTS + 1, 1);
    // The list also holds the replaced ids of the index.
    assert!(held(&state.pins) > state.summary.array_bytes() + 8 * 500);
    drop(list);
    assert_eq!(held(&state.pins), 0);
    assert!(state.pins.lists().snapshots.is_empty());
}

#[test]
fn ids_of_one_list_alone_are_bounded_though_nothing_is_written() {
    let bytes = 8 * usize::try_from(POSTS).unwrap();
    let state = posts(2 * bytes);
    let both = || begin(&state, vec![by(0, 1), by(1, 2)]);
    let (oldest, old) = (both(), both());
    assert_eq!(held(&state.pins), 2 * bytes);
    let new = both();
    assert_eq!(held(&state.pins), 2 * bytes);
    check_cut_off(oldest);
    check_whole(old, 0);
    check_whole(new, 0);
    assert_eq!(held(&state.pins), 0);
}

#[test]
fn short_lists_are_made_at_once() {
    let mut state = posts(0);
    let query = Query {
        limit: Some(10),
        ..Query::default()
    };
    let mut frames = state.select(&query).list(&query).frames;
    let piece = frames.next().unwrap().unwrap();
    assert!(state.pins.lists().snapshots.is_empty());
    put(&mut state, 1..2, 1);
    assert_eq!(held(&state.pins), 0);
    assert_eq!((frames.next(), frames.bytes_left()), (None, 0));
    assert!(piece.starts_with(b"[{"));
}
