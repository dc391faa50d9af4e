use std::collections::BTreeMap;

use super::*;
use crate::memory::blocks::Place;

/// Checks that every look-up yields the same as an ordered map.
fn check(pages: &Pages, map: &BTreeMap<u64, Vec<u8>>) {
    let mut next = pages.first();
    for (id, record) in map {
        let place = next.unwrap();
        assert_eq!(
            (pages.id(place), pages.block(place.at).record(place.slot)),
            (*id, &record[..])
        );
        assert_eq!(pages.find(*id), Some(place));
        assert_eq!(pages.block(place.at).text().first(), Some(&b'['));
        next = pages.next(place);
    }
    assert_eq!(next, None);
    assert_eq!(
        pages.last().map(|place| pages.id(place)),
        map.keys().last().copied()
    );
    for id in 0..70 {
        let of = |place: Option<Place>| place.map(|place| pages.id(place));
        assert_eq!(pages.find(id).is_some(), map.contains_key(&id));
        assert_eq!(
            of(pages.after(id)),
            map.range(id + 1..).next().map(|(id, _)| *id)
        );
        assert_eq!(
            of(pages.before(id)),
            map.range(..id).next_back().map(|(id, _)| *id)
        );
    }
    let mut at = pages.first_block();
    while let Some(block) = at {
        let page = pages.block(block);
        let text: Vec<serde_json::Value> = serde_json::from_slice(page.text()).unwrap();
        assert_eq!(text.len(), page.len());
        let summary = (0..page.len()).map(|slot| page.summary(slot)).sum();
        assert_eq!(pages.summary(block), summary);
        at = pages.next_block(block);
    }
}

#[test]
fn pages_hold_what_an_ordered_map_holds() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
        for _ in 0..300 {
            let mut changes = BTreeMap::new();
            for _ in 0..rng.usize(1..5) {
                let id = rng.u64(1..64);
                // Some records are larger than a page.
                let bytes = [10, 100, 3000, 20_000][rng.usize(..4)];
                let record = format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(bytes));
                let removed = rng.u8(..3) == 0;
                changes.insert(id, (!removed).then(|| record.into_bytes()));
            }
            let of = |json: Option<&Vec<u8>>| json.map(|json| Summary::of(json));
            let edits: Vec<_> = (changes.iter())
                .map(|(id, json)| Edit {
                    id: *id,
                    json: json.as_deref(),
                    before: of(map.get(id)).unwrap_or_default(),
                    after: of(json.as_ref()).unwrap_or_default(),
                })
                .collect();
            pages.apply(&edits);
            for (id, json) in changes {
                match json {
                    Some(json) => map.insert(id, json),
                    None => map.remove(&id),
                };
            }
            check(&pages, &map);
        }
    }
}
