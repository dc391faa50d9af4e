//! The store against crashes, damage, faults of the disk, other writers, and any bodies and files.

mod crashes;
mod damage;
mod foreign;
mod isolation;
mod oracle;
pub(crate) mod simulated;
mod soundness;
