//! The forum's models, the rules their members obey, and the closed list of
//! problems that a client can be told about.
//!
//! Plain data: nothing here opens a socket or a file, and nothing knows HTTP.

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
