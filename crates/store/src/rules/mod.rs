//! The rules for records: what a client's request makes of a record. They are pure functions
//! of the record, the request and the model.

pub(crate) mod body;
pub(crate) mod edit;
pub(crate) mod merge;
pub(crate) mod owner;
pub(crate) mod times;
pub(crate) mod unique;
