use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn start() -> Timestamp {
    serde_json::from_str("\"2026-03-04T09:12:33.120Z\"").unwrap()
}

fn key(user: Option<u64>, key: u64, at: Timestamp) -> Remembered {
    Remembered {
        key: digest(key),
        user: user.map(|user| Id::new(user).unwrap()),
        body: digest(7),
        id: Id::new(key + 1).unwrap(),
        at,
    }
}

fn remember(keys: &mut RememberedKeys, remember: Vec<Remembered>) {
    let forget = None;
    keys.apply(&KeyChanges { forget, remember });
}

/// How many keys each caller has.
fn counts(keys: &RememberedKeys) -> BTreeMap<Option<u64>, usize> {
    let callers = keys.callers.iter();
    let counts: BTreeMap<_, _> = callers
        .map(|(user, caller)| {
            assert_eq!(caller.by_key.len(), caller.numbers.len());
            (*user, caller.numbers.len())
        })
        .collect();
    assert_eq!(counts.values().sum::<usize>(), keys.iter().len());
    counts
}

#[test]
fn a_key_is_its_callers_own() {
    let mut keys = RememberedKeys::default();
    let callers = [None, Some(1), Some(2)];
    for (number, user) in (0..).zip(callers) {
        let id = Id::new(number + 1).unwrap();
        let key = Remembered {
            id,
            ..key(user, 5, start())
        };
        remember(&mut keys, vec![key]);
    }
    for (number, user) in (1..).zip(callers) {
        assert_eq!(keys.get(user, digest(5)).unwrap().id.get(), number);
        assert_eq!(keys.get(user, digest(6)), None);
    }
    assert_eq!(keys.get(Some(3), digest(5)), None);
}

#[test]
fn a_key_holds_for_24_hours() {
    let made = key(None, 1, start().saturating_sub(24 * HOUR));
    let millisecond = Duration::from_millis(1);
    assert!(made.holds_at(start().saturating_sub(millisecond)));
    assert!(!made.holds_at(start()));
    // A clock that was set back is no reason to make a second record.
    assert!(made.holds_at(start().saturating_sub(48 * HOUR)));
}

#[test]
fn a_batch_forgets_what_is_older_than_24_hours() {
    let mut keys = RememberedKeys::default();
    for (number, hours) in (0..).zip([30, 24, 23, 1]) {
        let at = start().saturating_sub(hours * HOUR);
        remember(&mut keys, vec![key(Some(hours.into()), number, at)]);
    }
    assert_eq!(keys.forgotten_at(start().saturating_sub(7 * HOUR)), None);
    let forget = keys.forgotten_at(start());
    assert_eq!(forget, Some(start().saturating_sub(24 * HOUR)));
    let remember = vec![key(Some(30), 0, start())];
    keys.apply(&KeyChanges { forget, remember });
    let left: Vec<_> = keys.iter().map(|key| key.user().unwrap()).collect();
    assert_eq!(left, [23, 1, 30]);
    assert_eq!(keys.forgotten_at(start()), None);
    counts(&keys);
}

#[test]
fn the_last_10000_are_remembered_and_1000_of_a_user() {
    let mut keys = RememberedKeys::default();
    let all = |user, numbers: std::ops::Range<u64>| -> Vec<_> {
        numbers.map(|number| key(user, number, start())).collect()
    };
    remember(&mut keys, all(Some(1), 0..1500));
    assert_eq!(counts(&keys), BTreeMap::from([(Some(1), 1000)]));
    assert_eq!(keys.get(Some(1), digest(499)), None);
    assert!(keys.get(Some(1), digest(500)).is_some());

    remember(&mut keys, all(None, 0..9000));
    let expected = BTreeMap::from([(None, 9000), (Some(1), 1000)]);
    assert_eq!(counts(&keys), expected);
    remember(&mut keys, all(Some(2), 0..1));
    assert_eq!(keys.get(Some(1), digest(500)), None, "the oldest of all");
    assert!(keys.get(Some(1), digest(501)).is_some());
    remember(&mut keys, all(None, 9000..20000));
    assert_eq!(counts(&keys), BTreeMap::from([(None, 10_000)]));
}

#[test]
fn the_same_key_has_its_last_meaning() {
    let mut keys = RememberedKeys::default();
    for (number, id) in [(1, 1), (2, 2), (1, 3)] {
        let id = Id::new(id).unwrap();
        let key = Remembered {
            id,
            ..key(Some(1), number, start())
        };
        assert_eq!(keys.remember(key), id.get() == 3);
    }
    let ids: Vec<_> = keys.iter().map(|key| key.id.get()).collect();
    assert_eq!(ids, [2, 3]);
    counts(&keys);
}

#[test]
fn a_key_takes_a_bounded_number_of_bytes_in_a_file() {
    let most = Id::<()>::MAX;
    let longest = Remembered {
        id: Id::new(most).unwrap(),
        ..key(Some(most), 1, start())
    };
    let text = serde_json::to_string(&longest).unwrap();
    assert!((text.len() + ",\n    ".len()) as u64 <= KEY_BYTES_MAX);
    assert_eq!(serde_json::from_str::<Remembered>(&text).unwrap(), longest);
}
