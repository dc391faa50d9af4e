//! A model of a collection: what it may hold after writes, some of which have an unknown outcome.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The value of the member that writes set, or `None` when there is no record. No two writes set the
/// same value.
pub type Content = Option<String>;

/// What one record may hold, the oldest content first. A write that was answered leaves one content.
/// A write whose answer was lost adds one.
#[derive(Debug, Clone)]
pub struct Record(Vec<Content>);

impl Record {
    pub fn new(content: Content) -> Self {
        Self(vec![content])
    }

    /// What it holds, if that is known.
    pub fn known(&self) -> Option<&Content> {
        match &self.0[..] {
            [content] => Some(content),
            _ => None,
        }
    }

    pub fn acknowledged(&mut self, content: Content) {
        self.0 = vec![content];
    }

    pub fn unknown(&mut self, content: Content) {
        self.0.push(content);
    }

    /// Notes what a client has read: nothing older may be read from now on. Returns whether the record
    /// may hold this content.
    pub fn seen(&mut self, content: &Content) -> bool {
        let found = self.0.iter().position(|possible| possible == content);
        found.inspect(|&at| drop(self.0.drain(..at))).is_some()
    }
}

/// What one writer knows of a collection.
#[derive(Debug, Default, Clone)]
pub struct Model {
    /// Records that it created, by id, including deleted ones.
    pub records: BTreeMap<u64, Record>,
    /// The contents of creations whose outcome is unknown.
    pub maybe: BTreeSet<String>,
}

/// How `list`, a whole collection, differs from the seed and from what the writers know. `member` is
/// the member that writes set.
pub fn faults(models: &[Model], seed: &[Value], list: &[Value], member: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed = BTreeMap::new();
    for record in list {
        let id = record["id"].as_u64().unwrap_or_default();
        if listed.insert(id, record).is_some() {
            faults.push(format!("two records {id}"));
        }
    }
    for record in seed {
        let id = record["id"].as_u64().unwrap_or_default();
        let found = listed.remove(&id);
        if found != Some(record) {
            faults.push(format!("the seed's {record} is {found:?}"));
        }
    }
    for (id, record) in models.iter().flat_map(|model| &model.records) {
        let content = listed
            .remove(id)
            .map(|record| record[member].as_str().unwrap_or_default().to_owned());
        if !record.clone().seen(&content) {
            faults.push(format!("{id} is {content:?}, expected {record:?}"));
        }
    }
    let mut maybe: BTreeSet<_> = models.iter().flat_map(|model| &model.maybe).collect();
    for record in listed.values() {
        let content = record[member].as_str().unwrap_or_default();
        if !maybe.remove(&content.to_owned()) {
            faults.push(format!("nobody created this, or only once: {record}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(list: &Value) -> usize {
        let mut model = Model::default();
        let mut changed = Record::new(Some("a".into()));
        changed.acknowledged(Some("b".into()));
        let mut unsure = Record::new(Some("c".into()));
        unsure.unknown(None);
        model
            .records
            .extend([(2, changed), (3, unsure), (4, Record::new(None))]);
        model.maybe.insert("d".to_owned());
        let seed = [json!({"id": 1, "text": "seed"})];
        faults(&[model], &seed, list.as_array().unwrap(), "text").len()
    }

    #[test]
    fn every_known_outcome_must_be_there_and_an_unknown_one_may_be() {
        let seed = json!({"id": 1, "text": "seed"});
        let b = json!({"id": 2, "text": "b"});
        let c = json!({"id": 3, "text": "c"});
        let d = |id| json!({"id": id, "text": "d"});
        assert_eq!(found(&json!([seed, b, c])), 0);
        assert_eq!(found(&json!([seed, b, d(5)])), 0);

        assert_eq!(found(&json!([b, c])), 1, "the seed is gone");
        assert_eq!(found(&json!([seed, c])), 1, "an acknowledged write is gone");
        assert_eq!(
            found(&json!([seed, {"id": 2, "text": "a"}])),
            1,
            "an old one is back"
        );
        assert_eq!(
            found(&json!([seed, b, {"id": 4, "text": "e"}])),
            1,
            "undeleted"
        );
        assert_eq!(
            found(&json!([seed, b, {"id": 5, "text": "b"}])),
            1,
            "done twice"
        );
        assert_eq!(
            found(&json!([seed, b, d(5), d(6)])),
            1,
            "an unknown one done twice"
        );
        assert_eq!(found(&json!([seed, b, {"id": 5, "text": "refused"}])), 1);
    }

    #[test]
    fn what_was_seen_is_not_unseen() {
        let mut record = Record::new(Some("a".into()));
        record.unknown(Some("b".into()));
        assert!(record.seen(&Some("a".into())) && record.known().is_none());
        assert!(record.seen(&Some("b".into())) && record.known() == Some(&Some("b".into())));
        assert!(!record.seen(&Some("a".into())));
    }
}
