//! On whose behalf a record is written, and what they may not do.

/// On whose behalf a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The service's own token. Writes every record, and names the owner of a new one.
    Service,
    /// The user with this id, who writes what they own.
    User(u64),
    /// The user with this id, who keeps order and writes every record.
    Moderator(u64),
}

impl Author {
    /// The user; `None` for the service. A moderator is the same user as without that role.
    pub(crate) fn user(self) -> Option<u64> {
        match self {
            Self::Service => None,
            Self::User(user) | Self::Moderator(user) => Some(user),
        }
    }
}

/// What an author may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// A user created a record of a kind that users do not create.
    #[error("a user creates no such record")]
    Create,
    /// A user deleted a record of a kind that users do not delete.
    #[error("a user deletes no such record")]
    Delete,
    /// A user wrote a record that they do not own.
    #[error("the user does not own the record")]
    NotOwner,
    /// A user named another owner than themselves.
    #[error("{member} names another owner than {user}")]
    OtherOwner {
        /// The member that holds the owner's id.
        member: &'static str,
        /// The user who writes.
        user: u64,
    },
}
