//! The doors for requests that somebody else serves: a proxy or a program asks here whether one may
//! pass, and is told who its key is.

pub mod answer;
pub mod describe;
pub mod family;
pub mod forward;
pub mod judging;
pub mod protect;
pub mod question;
pub mod verify;
