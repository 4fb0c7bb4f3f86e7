//! Sessions: somebody signed in with one browser, and for how long.

use chrono::Duration;

use super::id::{SessionId, UserId};
use super::time::Moment;

/// Without a request, a session ends after this time.
pub const LONGEST_IDLE: Duration = Duration::hours(12);
/// It ends after this time in any case.
pub const LONGEST: Duration = Duration::days(7);
/// How many sessions of one user are good at once: beyond that the oldest ends.
pub const MOST_SESSIONS: usize = 100;
/// How old the note of a session's last request may get before it is written anew.
pub const SEEN_AGAIN_AFTER: Duration = Duration::minutes(1);

/// A session, without its secret: of that, only `store` has the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names the session; it is not secret.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// Since when.
    pub created_at: Moment,
    /// When its last request came, to about a minute.
    pub last_seen_at: Moment,
    /// The address that signed in.
    pub address: Option<String>,
    /// The browser, as it names itself.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether it is still good at a moment.
    pub fn is_live(&self, now: Moment) -> bool {
        now < self.last_seen_at + LONGEST_IDLE && now < self.created_at + LONGEST
    }

    /// Whether the note of its last request is to be written anew.
    pub fn is_seen_again(&self, now: Moment) -> bool {
        now >= self.last_seen_at + SEEN_AGAIN_AFTER
    }
}
