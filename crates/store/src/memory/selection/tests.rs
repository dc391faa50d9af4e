use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::{Key, Post};
use fastrand::Rng;
use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::{document::load::Document, memory::state::StateChange, query::Filter};

/// A post of the model: its thread, its user and its JSON.
type Plain = (u64, u64, Vec<u8>);

/// What a list should be.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    total: usize,
    digest: String,
    next_after: Option<u64>,
    json: Vec<u8>,
}

fn post(id: u64, rng: &mut Rng) -> Plain {
    // Most posts are in one thread and many by one user; some are larger than a page.
    let thread = [1, 1, 1, 2, 3][rng.usize(..5)];
    let user = [4, 4, 5, 6, 7, 8][rng.usize(..6)];
    let bytes = [1, 20, 100, 900, 20_000][[0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4][rng.usize(..12)]];
    let text = char::from(rng.u8(b'a'..=b'z')).to_string().repeat(bytes);
    let json =
        format!(r#"{{"id":{id},"thread":{thread},"text":"x","user":{user},"more":"{text}"}}"#);
    (thread, user, json.into_bytes())
}

/// The list in a few plain lines.
fn expected(posts: &BTreeMap<u64, Plain>, query: &Query) -> Expected {
    let passes = |(id, (thread, user, _)): &(&u64, &Plain)| {
        let of = |filter: &Filter| Key::Id([*thread, *user][filter.index]);
        let asked = query
            .ids
            .as_ref()
            .is_none_or(|ids| ids.binary_search(id).is_ok());
        asked && query.filters.iter().all(|filter| filter.key == of(filter))
    };
    let mut matching: Vec<_> = posts.iter().filter(passes).collect();
    let total = matching.len();
    if query.descending {
        matching.reverse();
    }
    matching.retain(|(id, _)| match (query.after, query.descending) {
        (Some(after), true) => **id < after,
        (Some(after), false) => **id > after,
        (None, _) => true,
    });
    let more = query.limit.is_some_and(|limit| limit < matching.len());
    matching.truncate(query.limit.unwrap_or(usize::MAX));
    let jsons: Vec<_> = matching.iter().map(|(_, (.., json))| &json[..]).collect();
    let digests = jsons.iter().map(|json| xxh3_128(json));
    Expected {
        total,
        digest: format!("{:032x}", digests.fold(0, u128::wrapping_add)),
        next_after: matching.last().filter(|_| more).map(|(id, _)| **id),
        json: [b"[", &jsons.join(&b","[..])[..], b"]"].concat(),
    }
}

fn listed(list: List) -> Expected {
    let bytes = list.frames.bytes_left();
    let json = list.frames.map(|piece| Vec::from(piece.unwrap()));
    let json = json.collect::<Vec<_>>().concat();
    assert_eq!(json.len(), bytes);
    Expected {
        total: list.total,
        digest: list.digest.to_string(),
        next_after: list.next_after,
        json,
    }
}

/// At most so many ids, some of them of posts that are not there.
fn asked(most: usize, last_id: u64, rng: &mut Rng) -> Vec<u64> {
    let ids: BTreeSet<_> = (0..most).map(|_| rng.u64(1..=last_id + 3)).collect();
    ids.into_iter().collect()
}

/// Every combination of filters, ids, direction, `after` and `limit`.
fn queries(last_id: u64, rng: &mut Rng) -> Vec<Query> {
    let by = |index, id| Filter {
        index,
        key: Key::Id(id),
    };
    let (thread, user) = (by(0, 1), by(1, 4));
    let mut queries = Vec::new();
    for filters in [
        vec![],
        vec![thread.clone()],
        vec![user.clone()],
        vec![by(1, 7)],
        vec![by(0, 9)],
        vec![thread.clone(), user.clone()],
        vec![user, thread.clone()],
        vec![thread.clone(), by(1, 9)],
        vec![by(0, 2), by(1, 5)],
        vec![thread, by(0, 2)],
    ] {
        let (few, many) = (rng.usize(1..10), rng.usize(100..1000));
        for ids in [
            None,
            Some(asked(few, last_id, rng)),
            Some(asked(many, last_id, rng)),
        ] {
            for descending in [false, true] {
                let somewhere = rng.u64(1..=last_id + 1);
                for after in [None, Some(0), Some(1), Some(somewhere), Some(u64::MAX)] {
                    for limit in [None, Some(1), Some(rng.usize(2..80)), Some(1000)] {
                        queries.push(Query {
                            filters: filters.clone(),
                            ids: ids.clone(),
                            descending,
                            after,
                            limit,
                        });
                    }
                }
            }
        }
    }
    queries
}

/// Some posts to begin with, as a start reads them.
fn begin(rng: &mut Rng) -> (State<Post>, BTreeMap<u64, Plain>) {
    let step = rng.u64(1..3);
    let ids = (1..=rng.u64(1..400)).map(|n| n * step);
    let posts: BTreeMap<_, _> = ids.map(|id| (id, post(id, rng))).collect();
    let jsons = posts
        .values()
        .map(|(.., json)| str::from_utf8(json).unwrap());
    let text = format!("{{\"posts\":[{}]}}", jsons.collect::<Vec<_>>().join(","));
    (Document::parse(text.as_bytes()).unwrap().state, posts)
}

/// Changes some posts in one batch, some of them more than once.
fn change(state: &mut State<Post>, posts: &mut BTreeMap<u64, Plain>, rng: &mut Rng) {
    let mut batch = Vec::new();
    let most = [3, 30, 300][rng.usize(..3)];
    for _ in 0..rng.usize(1..=most) {
        let known = posts.keys().nth(rng.usize(..=posts.len()));
        let id = match (rng.u8(..4), known) {
            (0 | 1, Some(known)) => *known,
            (2, _) => rng.u64(1..=state.last_id + 1),
            _ => posts.keys().last().copied().unwrap_or(state.last_id) + rng.u64(1..3),
        };
        if rng.u8(..4) == 0 && posts.contains_key(&id) {
            posts.remove(&id);
            batch.push(StateChange { id, record: None });
        } else {
            let post = post(id, rng);
            let json = Bytes::from(post.2.clone());
            let record: Post = serde_json::from_slice(&json).unwrap();
            posts.insert(id, post);
            let record = Some((json, record));
            batch.push(StateChange { id, record });
        }
    }
    let highest = batch.iter().filter(|change| change.record.is_some());
    let highest = highest.map(|change| change.id).chain([state.last_id]).max();
    state.apply(&batch);
    assert_eq!(Some(state.last_id), highest);
}

/// The digest is compared too: a list's `ETag` must not depend on how the collection
/// has come about, nor on the release.
#[test]
fn every_list_is_what_a_plain_model_lists() {
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let (mut state, mut posts) = begin(&mut rng);
        let mut begun = Vec::new();
        for _ in 0..8 {
            for query in queries(state.last_id, &mut rng) {
                let list = state.select(&query).list(&query);
                assert_eq!(listed(list), expected(&posts, &query), "{seed}: {query:?}");
            }
            // A list that goes on while others write.
            let all = queries(state.last_id, &mut rng);
            let query = &all[rng.usize(..all.len())];
            let mut list = state.select(query).list(query);
            let bytes = list.frames.bytes_left();
            let first = list.frames.next().unwrap().unwrap();
            begun.push((bytes, first, list, expected(&posts, query)));
            change(&mut state, &mut posts, &mut rng);
        }
        for (bytes, first, list, expected) in begun {
            assert_eq!(first.len() + list.frames.bytes_left(), bytes);
            let rest = list.frames.map(Result::unwrap);
            assert_eq!(
                [first].into_iter().chain(rest).collect::<Vec<_>>().concat(),
                expected.json
            );
        }
    }
}
