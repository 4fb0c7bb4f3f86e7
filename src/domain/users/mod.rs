//! Users: who they are, their passwords, sessions and links, and what becomes of their keys.

pub mod accounts;
pub mod disabling;
pub mod login;
pub mod login_throttle;
pub mod one_time_links;
pub mod passwords;
pub mod signed_in;
