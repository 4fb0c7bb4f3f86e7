//! Sends the messages about warnings: for each channel, a thread of its own takes them from the
//! database, one after the other, so that a receiver that is slow keeps nobody waiting but the next
//! message of its channel.

mod courier;
mod mail;
mod webhook;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::health::Health;
use crate::domain::Bitting;
use crate::model::warnings::Channel;
use crate::model::words::Word;
use crate::store;

pub use courier::Courier;

/// How often it is looked for keys to warn about, and for messages to send.
const ROUND: Duration = Duration::from_secs(1);
/// How long one piece of work may wait for the database.
const LONGEST_WORK: Duration = Duration::from_secs(10);

/// Looks for what is due, and sends it, until the process stops.
pub(super) fn run(bitting: &Bitting, courier: &Courier, stopping: &AtomicBool) {
    thread::scope(|scope| {
        let channels = bitting.warnings.channels.iter();
        let senders: Vec<_> = channels
            .map(|channel| scope.spawn(move || send(bitting, courier, channel, stopping)))
            .collect();
        let mut looking = Health::of("looking for what somebody ought to know of keys");
        while !stopping.load(Ordering::Acquire) {
            thread::park_timeout(ROUND);
            looking.note(look(bitting, stopping));
        }
        senders.iter().for_each(|sender| sender.thread().unpark());
    });
}

fn send(bitting: &Bitting, courier: &Courier, channel: Channel, stopping: &AtomicBool) {
    let mut sending = Health::of("taking messages about warnings from the database");
    let mut arriving = Arriving::on(channel);
    while !stopping.load(Ordering::Acquire) {
        thread::park_timeout(ROUND);
        sending.note(send_due(bitting, courier, &mut arriving, stopping));
    }
}

fn look(bitting: &Bitting, stopping: &AtomicBool) -> store::Result<()> {
    let again = |more: bool| more && !stopping.load(Ordering::Acquire);
    while again(bitting.within(LONGEST_WORK, Bitting::warn_of_sightings)?) {}
    while again(bitting.within(LONGEST_WORK, Bitting::warn_of_expiring_keys)?) {}
    Ok(())
}

/// Sends what is due on one channel. The first failure ends the round: what is wrong with one message
/// is mostly wrong with the next.
fn send_due(
    bitting: &Bitting,
    courier: &Courier,
    arriving: &mut Arriving,
    stopping: &AtomicBool,
) -> store::Result<()> {
    while !stopping.load(Ordering::Acquire) {
        let claimed = bitting.within(LONGEST_WORK, |b| b.claim_message(arriving.channel))?;
        let Some(delivery) = claimed else { return Ok(()) };
        match courier.send(&delivery, bitting.time.now().timestamp()) {
            Ok(()) => {
                arriving.works();
                bitting.within(LONGEST_WORK, |b| b.note_delivered(&delivery))?;
            }
            Err(why) => {
                arriving.fails(&why);
                if bitting.within(LONGEST_WORK, |b| b.note_undelivered(&delivery, &why))? {
                    let (id, kind) = (delivery.id, delivery.kind.as_str());
                    tracing::error!(%id, kind, %why, "a message was tried for a day and is given up");
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Logs once that messages of a channel no longer arrive, and once that they do again.
struct Arriving {
    channel: Channel,
    failing: bool,
}

impl Arriving {
    fn on(channel: Channel) -> Self {
        Self { channel, failing: false }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(channel = self.channel.as_str(), "messages about warnings arrive again");
        }
    }

    fn fails(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            let channel = self.channel.as_str();
            tracing::warn!(channel, why, "a message about a warning did not arrive; it is retried");
        }
    }
}
