use common::{Key, Post};

use super::*;
use crate::{
    document::load::Document,
    memory::state::State,
    query::{Filter, Query},
};

/// Posts with the ids 10, 20, .. of the threads 1 to 3 and the users 1 to 7 in turn. They
/// fill several pages.
fn posts(count: u64) -> State<Post> {
    let post = |n: u64| {
        let (id, thread, user) = (n * 10, n % 3 + 1, n % 7 + 1);
        let text = "x".repeat(usize::try_from(n % 400).unwrap() + 1);
        format!(r#"{{"id":{id},"thread":{thread},"text":"{text}","user":{user}}}"#)
    };
    let posts: Vec<_> = (1..=count).map(post).collect();
    Document::parse(format!("{{\"posts\":[{}]}}", posts.join(",")).as_bytes())
        .unwrap()
        .state
}

fn made(state: &State<Post>, query: &Query) -> List {
    state.select(query).list(query)
}

/// The ids in the list's JSON. Checks the length that was announced.
fn ids(list: List) -> Vec<u64> {
    let expected = list.frames.bytes_left();
    let json: Vec<u8> = list
        .frames
        .flat_map(|piece| Vec::from(piece.unwrap()))
        .collect();
    assert_eq!(json.len(), expected);
    let records: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    records
        .iter()
        .map(|record| record["id"].as_u64().unwrap())
        .collect()
}

fn filter(index: usize, id: u64) -> Filter {
    Filter {
        index,
        key: Key::Id(id),
    }
}

#[test]
fn whole_lists_hold_every_record_once_in_order() {
    for count in [0, 1, 2, 50, 999] {
        let state = posts(count);
        let all: Vec<u64> = (1..=count).map(|n| n * 10).collect();
        assert_eq!(ids(made(&state, &Query::default())), all);
        let newest_first = Query {
            descending: true,
            ..Query::default()
        };
        assert!(ids(made(&state, &newest_first)).iter().rev().eq(&all));
    }
}

#[test]
fn whole_pages_are_shared_and_not_copied() {
    let state = posts(2000);
    let pieces: Vec<_> = made(&state, &Query::default())
        .frames
        .map(Result::unwrap)
        .collect();
    let shared = |piece: &&Bytes| {
        (state.pages.iter()).any(|page| page.text().as_ptr_range().contains(&piece.as_ptr()))
    };
    let copied = pieces.iter().filter(|piece| !shared(piece));
    assert!(
        copied.map(Bytes::len).all(|bytes| bytes == 1),
        "only commas stand apart"
    );
    assert!(pieces.len() > 10);
}

#[test]
fn long_records_are_shared_wherever_they_stand() {
    let post = |n: usize| {
        let bytes = if [1, 4, 5, 9].contains(&n) {
            FRAME_BYTES
        } else {
            1
        };
        let text = "x".repeat(bytes);
        format!(
            r#"{{"id":{n},"thread":{},"text":"x","user":1,"more":"{text}"}}"#,
            n % 2 + 1
        )
    };
    let posts: Vec<_> = (1..10).map(post).collect();
    let state: State<Post> =
        Document::parse(format!("{{\"posts\":[{}]}}", posts.join(",")).as_bytes())
            .unwrap()
            .state;
    for filters in [vec![], vec![filter(0, 1)], vec![filter(1, 1)]] {
        for (descending, limit) in [(false, 9), (true, 9), (true, 1), (false, 4), (true, 6)] {
            let query = Query {
                filters: filters.clone(),
                descending,
                limit: Some(limit),
                ..Query::default()
            };
            let list = made(&state, &query);
            let pieces = list.frames.map(Result::unwrap);
            let copied = pieces.filter(Bytes::is_unique);
            assert!(copied.map(|piece| piece.len()).sum::<usize>() < FRAME_BYTES);
            assert!(ids(made(&state, &query)).len() <= limit);
        }
    }
}

#[test]
fn paging_in_both_directions_reaches_every_record_once() {
    let state = posts(500);
    for filters in [
        vec![],
        vec![filter(0, 2)],
        vec![filter(1, 3)],
        vec![filter(0, 2), filter(1, 3)],
    ] {
        for descending in [false, true] {
            let whole = Query {
                filters: filters.clone(),
                descending,
                ..Query::default()
            };
            let expected = ids(made(&state, &whole));
            for limit in [1, 7, 100, 1000] {
                let mut query = Query {
                    limit: Some(limit),
                    ..whole.clone()
                };
                let mut seen = Vec::new();
                loop {
                    let list = made(&state, &query);
                    assert_eq!(list.total, expected.len());
                    query.after = list.next_after;
                    let page = ids(list);
                    assert!(page.len() == limit || query.after.is_none());
                    seen.extend(page);
                    if query.after.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, expected);
            }
        }
    }
}

#[test]
fn after_need_not_be_an_id_of_the_list() {
    let state = posts(50);
    let after = |after, descending| {
        let query = Query {
            after: Some(after),
            descending,
            ..Query::default()
        };
        ids(made(&state, &query))
    };
    assert_eq!(after(471, false), [480, 490, 500]);
    assert_eq!(after(500, false), [0; 0]);
    assert_eq!(after(u64::MAX, false), [0; 0]);
    assert_eq!(after(29, true), [20, 10]);
    assert_eq!(after(10, true), [0; 0]);
}

#[test]
fn equal_contents_have_equal_digests_and_others_do_not() {
    let digest = |state: &State<Post>, query: &Query| made(state, query).digest;
    let (one, two, more) = (posts(300), posts(300), posts(301));
    for query in [
        Query::default(),
        Query {
            filters: vec![filter(0, 2)],
            ..Query::default()
        },
        Query {
            limit: Some(5),
            after: Some(1490),
            descending: true,
            ..Query::default()
        },
    ] {
        assert_eq!(digest(&one, &query), digest(&two, &query));
    }
    assert_ne!(
        digest(&one, &Query::default()),
        digest(&more, &Query::default())
    );
}

#[test]
fn a_list_stays_as_it_was_when_it_began() {
    let mut state = posts(300);
    let list = made(&state, &Query::default());
    let json = br#"{"id":5,"thread":1,"text":"new","user":1}"#;
    let post = serde_json::from_slice(json).unwrap();
    state.put(5, json.as_slice().into(), post);
    assert_eq!(ids(list).len(), 300);
    assert_eq!(ids(made(&state, &Query::default())).len(), 301);
}
