//! Parameters that name several records, such as `id=3,7,12`.

use common::Id;

use crate::{api::query::invalid, problem::ProblemDetails};

/// The largest number of ids in a request. Those that it repeats count each time, so that
/// whether a request is taken does not depend on the records that a client has ids of.
pub(crate) const IDS_MAX: usize = 100;

/// Reads the value of the parameter `name`, which is one or more ids with commas between them,
/// and adds the ids to those of the values before it.
///
/// # Errors
/// When a part is not an id, and when there are more than [`IDS_MAX`] ids.
pub(crate) fn read(name: &str, value: &str, ids: &mut Vec<u64>) -> Result<(), ProblemDetails> {
    for part in value.split(',') {
        let id = part.parse::<Id<()>>();
        let id =
            id.map_err(|_| invalid(name, "expected ids with commas between them, as in 3,7,12"))?;
        if ids.len() == IDS_MAX {
            let expected =
                format!("expected at most {IDS_MAX} ids, repeated ones counted each time");
            return Err(invalid(name, &expected));
        }
        ids.push(id.get());
    }
    Ok(())
}
