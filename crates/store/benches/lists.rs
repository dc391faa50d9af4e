//! The cost of lists: look-ups must not scan, and whole lists must not copy.

use std::{fmt::Write, fs, hint::black_box};

use common::{Key, Post};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use store::{Filter, Query, Store};
use tokio::runtime::{Builder, Runtime};

/// Posts of one user, whatever the number of posts is.
const POSTS_OF_ONE: usize = 20;

/// Position of `user` among a post's indexes.
const USER: usize = 1;

/// A collection of `count` posts of about 200 bytes each.
fn posts(count: usize) -> Store<Post> {
    let users = count / POSTS_OF_ONE;
    let text = "A post about as long as most are. ".repeat(4);
    let mut db = String::from("{\"posts\":[");
    for id in 1..=count {
        let (thread, user) = (id % 50 + 1, id % users + 1);
        let comma = if id < count { "," } else { "]}" };
        let post =
            format!(r#"{{"id":{id},"thread":{thread},"text":"{text}","user":{user}}}{comma}"#);
        db.write_str(&post).expect("a String takes all");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("db.json");
    fs::write(&path, db).expect("it can be written");
    Store::open(&path, u64::MAX).expect("the file is as it should be")
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers")
}

/// Reads the posts of some users in turn, to the last byte. With few users, their posts are in
/// the processor's caches, so only the cost of the look-up depends on the collection's size.
/// With all users, the processor also waits for memory once the collection is larger than its
/// caches.
fn by_user(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("by-user");
    for (count, users, name) in [
        (1_000, 8, "8 users"),
        (100_000, 8, "8 users"),
        (1_000, 50, "all users"),
        (100_000, 5_000, "all users"),
    ] {
        let store = posts(count);
        let mut user = 0_u64;
        group.bench_function(BenchmarkId::new(name, count), |bencher| {
            bencher.iter_batched(
                || {
                    user = (user + 7) % users;
                    let key = Key::Id(user + 1);
                    Query {
                        filters: vec![Filter { index: USER, key }],
                        ..Query::default()
                    }
                },
                |query| {
                    let list = runtime
                        .block_on(store.list(&query))
                        .expect("it is read from memory");
                    assert_eq!(list.total, POSTS_OF_ONE);
                    list.frames
                        .map(|piece| black_box(piece).map_or(0, |piece| piece.len()))
                        .sum::<usize>()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Reads the whole collection piece by piece. If it were copied, the throughput would be that
/// of the memory; shared pieces are far faster.
fn whole_list(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("whole list");
    for count in [1_000, 100_000] {
        let store = posts(count);
        let list = || {
            runtime
                .block_on(store.list(&Query::default()))
                .expect("it is read from memory")
                .frames
        };
        group.throughput(Throughput::Bytes(list().bytes_left() as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let pieces = list().map(|piece| black_box(piece).map_or(0, |piece| piece.len()));
                pieces.sum::<usize>()
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    by_user(&mut criterion);
    whole_list(&mut criterion);
    criterion.final_summary();
}
