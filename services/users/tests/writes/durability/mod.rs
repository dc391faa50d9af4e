//! What becomes of writes when the process, the disk or the files do not last.

mod crashes;
mod descriptors;
mod disk;
mod files;
mod folds;
mod full;
mod hangs;
mod intruders;
