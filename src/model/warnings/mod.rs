//! Warnings: what somebody ought to know about a key, who is told, and what a message says.

mod delivery;
mod expiry;
mod message;
mod warning;
mod webhook_secret;

pub use delivery::{Channel, Channels, Delivery, DeliveryState, GIVEN_UP_AFTER, pause_after};
pub use expiry::{DAYS_AHEAD, is_warned_of};
pub use message::Message;
pub use warning::{Warning, WarningKind};
pub use webhook_secret::WebhookSecret;
