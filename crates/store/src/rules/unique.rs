//! The rule that no two records have the same value in a unique member, such as a username.

use common::{Key, Model};

/// The member in which a record has the value of another one, and the other record's id;
/// `None` when there is no such member. `holder` returns the record that has a unique key
/// already, by the number of the index and the key.
pub(crate) fn conflict<M: Model>(
    record: &M,
    id: u64,
    holder: impl Fn(&(usize, Key)) -> Option<u64>,
) -> Option<(&'static str, u64)> {
    record.unique_keys().find_map(|(index, member, key)| {
        let other = holder(&(index, key)).filter(|holder| *holder != id)?;
        Some((member, other))
    })
}
