//! What a client's words make of a record: pure functions of the record, the words and the model.

pub(crate) mod edit;
pub(crate) mod merge;
pub(crate) mod times;
