//! The command `verify`, which reports what a collection's files hold.

use common::Model;
use store::OpenError;

use crate::{config::Config, identity::caller::Identity};

/// Reads `db.json` and its journal, prints what they hold, and changes nothing. Like a start, it
/// accepts that there is no file if somebody may write.
///
/// # Errors
/// Those with which the service would refuse to start.
pub(crate) fn verify<M: Model>(config: &Config) -> anyhow::Result<()> {
    let path = config.db.display();
    let found = match store::verify::<M>(&config.db, config.collection_bytes_max()) {
        Err(OpenError::Missing { .. }) if Identity::configured(config)?.writers().any() => {
            println!(
                "{path} does not exist: a start with this write token begins with no {}",
                M::COLLECTION
            );
            return Ok(());
        }
        found => found?,
    };
    println!(
        "{path}: {} {}, the last id given is {}",
        found.records_in_file,
        M::COLLECTION,
        found.last_id
    );
    match found.journal {
        None => println!("no journal: {path} is all there is"),
        Some(journal) => {
            println!(
                "journal: {} writes that {path} does not hold yet",
                journal.changes
            );
            if journal.torn_bytes > 0 {
                let bytes = journal.torn_bytes;
                println!(
                    "journal: ends with {bytes} bytes of a write that was never acknowledged; the next start drops them"
                );
            }
        }
    }
    println!(
        "sound: {} {} once the journal is replayed",
        found.records,
        M::COLLECTION
    );
    Ok(())
}
