//! Sessions: somebody signed in with one browser, and for how long.

use chrono::Duration;

use super::id::{SessionId, UserId};
use super::time::Moment;

/// How long a session lasts without a request.
pub const LONGEST_IDLE: Duration = Duration::hours(12);
/// How long a session lasts at most.
pub const LONGEST: Duration = Duration::days(7);
/// The most sessions a user has at once. Another one ends the oldest.
pub const MOST_SESSIONS: usize = 100;
/// How old a session's stored last request may get before it is written again: one write a minute,
/// not one per request.
pub const SEEN_AGAIN_AFTER: Duration = Duration::minutes(1);

/// A session, without its secret: of that, only `store` has the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names the session; it is not secret.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// When the user signed in.
    pub created_at: Moment,
    /// When the session's last request came, to about a minute.
    pub last_seen_at: Moment,
    /// The address that signed in.
    pub address: Option<String>,
    /// The browser, as it names itself.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether the session is still valid at a moment.
    pub fn is_live(&self, now: Moment) -> bool {
        now < self.last_seen_at + LONGEST_IDLE && now < self.created_at + LONGEST
    }

    /// Whether the time of its last request is to be written again.
    pub fn is_seen_again(&self, now: Moment) -> bool {
        now >= self.last_seen_at + SEEN_AGAIN_AFTER
    }
}
