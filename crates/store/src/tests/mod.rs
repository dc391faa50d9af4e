//! Tests of the store with crashes, damaged files, failures of the disk, other writers, and
//! random bodies and files.

mod crashes;
mod damage;
mod folding;
mod foreign;
mod isolation;
mod keys;
mod oracle;
pub(crate) mod simulated;
mod soundness;
mod tallies;
mod writer;
