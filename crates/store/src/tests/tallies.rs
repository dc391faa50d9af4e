//! Compares tallies with what a client computes from the lists, through random writes and folds.

use std::{path::Path, sync::Arc};

use common::{Key, Post};
use proptest::{prelude::*, test_runner::TestCaseResult};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    author::Author,
    journal::{file::file_journal::FileJournal, shared::Shared, writer::Writer},
    json::Object,
    memory::index::tally::{Counted, Last, Tally},
    query::{Filter, Query},
    store::open_writer,
    tests::{folding::fold, simulated::Simulated, writer::DB},
    write::{Operation, Precondition},
};

/// The ids of threads and users that posts have. The last one is only asked for.
const IDS: std::ops::RangeInclusive<u64> = 1..=4;

/// What happens to the collection. `which` selects one of the ids so far.
#[derive(Debug, Clone)]
enum Step {
    Create { thread: u64, user: u64 },
    Move { which: u64, thread: u64, user: u64 },
    Edit { which: u64 },
    Delete { which: u64 },
    Fold,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Most posts are in one thread, so that its ids are in many blocks.
    let thread = || prop_oneof![6 => Just(1), 1 => Just(2), 1 => Just(3)];
    let user = || 1..IDS.end() - 1;
    let step = prop_oneof![
        8 => (thread(), user()).prop_map(|(thread, user)| Step::Create { thread, user }),
        3 => (0..64u64, thread(), user())
            .prop_map(|(which, thread, user)| Step::Move { which, thread, user }),
        1 => (0..64u64).prop_map(|which| Step::Edit { which }),
        // The last post is the one that tallies name.
        4 => prop_oneof![0..64u64, Just(u64::MAX)].prop_map(|which| Step::Delete { which }),
        3 => Just(Step::Fold),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..120)
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

/// The write of a step; `None` for a step that is none.
fn operation(step: &Step, last_id: u64) -> Option<Operation> {
    let id = |which: &u64| match *which {
        u64::MAX => last_id.max(1),
        which => which % (last_id + 1) + 1,
    };
    let patch = |which, patch| Operation::Patch(id(which), patch, Precondition::default());
    Some(match step {
        Step::Create { thread, user } => {
            let post = json!({"thread": thread, "text": "t", "user": user});
            Operation::Create(object(post), None)
        }
        Step::Move {
            which,
            thread,
            user,
        } => patch(which, json!({"thread": thread, "user": user})),
        Step::Edit { which } => patch(which, json!({"text": "other"})),
        Step::Delete { which } => Operation::Delete(id(which), Precondition::default()),
        Step::Fold | Step::Restart => return None,
    })
}

fn open(disk: &Simulated) -> (Arc<Shared<Post>>, Writer<Post, FileJournal>) {
    let (shared, writer) =
        open_writer(Arc::new(disk.clone()), Path::new(DB), None, u64::MAX).unwrap();
    (shared, writer.unwrap())
}

/// The tally that a client computes from the list of the records that pass the filter.
fn of_the_list(shared: &Shared<Post>, filter: &Filter) -> Tally {
    let query = Query {
        filters: vec![filter.clone()],
        ..Query::default()
    };
    let list = shared.state().select(&query).list(&query);
    let json: Vec<_> = list.frames.map(Result::unwrap).collect();
    let posts: Vec<Value> = serde_json::from_slice(&json.concat()).unwrap();
    Tally {
        count: posts.len(),
        last: posts.last().map(|post| Last {
            id: post["id"].as_u64().unwrap(),
            created_at: post["createdAt"].as_str().map(str::to_owned),
        }),
    }
}

/// Compares the tallies of all threads and users.
fn compare(shared: &Shared<Post>) -> TestCaseResult {
    for (index, id) in [0, 1]
        .into_iter()
        .flat_map(|index| IDS.map(move |id| (index, id)))
    {
        let key = Key::Id(id);
        let filter = Filter { index, key };
        let counted: Counted = shared.state().count(&filter);
        prop_assert_eq!(
            counted.tally(),
            of_the_list(shared, &filter),
            "{:?}",
            filter
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tallies_are_what_a_client_computes_from_the_lists(steps in steps()) {
        let disk = Simulated::new(0);
        // Records older than their times, and one whose time is spelled in another way.
        let text = r#"{"posts": [
            {"id": 2, "thread": 2, "text": "t", "user": 1},
            {"id": 5, "thread": 1, "text": "t", "user": 2, "createdAt": "2026-03-04T10:12:33+01:00"},
            {"id": 6, "thread": 1, "text": "t", "user": 3}
        ]}"#;
        disk.put(Path::new(DB), text.as_bytes());
        let (mut shared, mut writer) = open(&disk);
        compare(&shared)?;
        for step in steps {
            let last_id = shared.state().last_id;
            match operation(&step, last_id) {
                Some(operation) => {
                    let (answer, mut answered) = oneshot::channel();
                    writer.write(vec![(Author::Service, operation, answer)]);
                    // Some ids are gone, and writes to them are refused.
                    let _ = answered.try_recv().unwrap().into_outcome();
                }
                None if matches!(step, Step::Fold) => fold(&mut writer),
                None => {
                    drop(writer);
                    disk.restart(true);
                    (shared, writer) = open(&disk);
                }
            }
            compare(&shared)?;
        }
    }
}
