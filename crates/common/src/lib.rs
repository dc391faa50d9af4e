//! The forum's models, the rules for their members, and the closed list of problems that a
//! client can be told about.
//!
//! This crate is plain data: it opens no sockets or files, and knows nothing of HTTP.

mod declare;
mod id;
mod member;
mod model;
mod post;
mod problem;
mod text;
mod thread;
mod timestamp;
mod user;

pub use id::{Id, InvalidId};
pub use member::MemberValue;
pub use model::{Index, Key, Member, Model, Owner};
pub use post::{Post, PostId};
pub use problem::{MemberError, Problem};
pub use text::{Text, Username};
pub use thread::{Thread, ThreadId};
pub use timestamp::Timestamp;
pub use user::{User, UserId};
