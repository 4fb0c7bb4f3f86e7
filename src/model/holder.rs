//! Who is responsible for a key: a user, as far as a key has to know them.

use super::email::Email;
use super::id::UserId;

/// The user who is responsible for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// The user's id.
    pub id: UserId,
    /// What the user is called everywhere.
    pub email: Email,
    /// Whether the user has been disabled since.
    pub disabled: bool,
}

/// The holder in words, as pages and commands show them.
impl std::fmt::Display for KeyHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let remark = if self.disabled { " (disabled)" } else { "" };
        write!(f, "{}{remark}", self.email)
    }
}
