//! Parameters that name several records, such as `id=3,7,12`.

use common::Id;

/// The largest number of ids in a request. A repeated id counts each time, so that a client can
/// tell from the length of its list whether it fits.
pub(crate) const IDS_MAX: usize = 100;

/// Reads a value of such a parameter, which is one or more ids with commas between them, and
/// adds the ids to those of the values before it.
///
/// # Errors
/// What is expected, when a part is not an id, and when there are more than [`IDS_MAX`] ids.
pub(crate) fn read(value: &str, ids: &mut Vec<u64>) -> Result<(), String> {
    for part in value.split(',') {
        let id = part.parse::<Id<()>>();
        let id = id.map_err(|_| "expected ids with commas between them, as in 3,7,12")?;
        if ids.len() == IDS_MAX {
            return Err(format!(
                "expected at most {IDS_MAX} ids, repeated ones counted each time"
            ));
        }
        ids.push(id.get());
    }
    Ok(())
}
