//! Says what a collection's files hold.

use common::Model;

use crate::config::Config;

/// Reads `db.json` and its journal, says what they hold, and changes nothing.
///
/// # Errors
/// What is wrong with them, as the service would say at its start.
pub(crate) fn verify<M: Model>(config: &Config) -> anyhow::Result<()> {
    let found = store::verify::<M>(&config.db, config.collection_bytes_max())?;
    let path = config.db.display();
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
