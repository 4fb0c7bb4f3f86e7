//! `bitting notify`: whether warnings would arrive.

use clap::Subcommand;
use uuid::Uuid;

use super::failure::Failure;
use super::output::{plain, show};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::model::id::{NotificationId, PublicId};
use crate::model::warnings::{Channel, Delivery, Warning};
use crate::model::words::Word;
use crate::server::notifier::Courier;

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a test message to --webhook-url, and by --smtp-url to --notify, and say how it went
    #[command(after_help = "\
The database is not needed. Exit codes: 0 every message was taken, 1 one was not, 2 nothing is configured.")]
    Test,
}

pub(super) fn run(command: NotifyCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        NotifyCommand::Test => test(settings),
    }
}

fn test(settings: &Settings) -> Result<(), Failure> {
    settings.warnings.demand_complete()?;
    let channels = settings.warnings.channels();
    if channels.is_empty() {
        let why = "no channel for warnings is configured; set --webhook-url or --smtp-url";
        return Err(Failure::Usage(why.to_owned()));
    }
    let courier = Courier::new(settings)?;
    let (mut sent, mut failed) = (0, 0);
    for channel in channels.iter() {
        let to = channels.destination(channel).unwrap_or_default();
        let mut addressees = channels.addressees(channel, None);
        if addressees.is_empty() {
            // It is said that there is nobody.
            addressees.push(Vec::new());
        }
        for recipients in addressees {
            let whose = recipients.first().map(|to| format!(" for {to}")).unwrap_or_default();
            let message = message(channel, recipients);
            sent += 1;
            let said = match courier.send(&message, SystemClock.wall().timestamp()) {
                Ok(()) => format!("{}: {to} has taken {}{whose}", channel.as_str(), message.id),
                Err(why) => {
                    failed += 1;
                    format!("{}: {to}{whose}: {why}", channel.as_str())
                }
            };
            show(format_args!("{}", plain(&said)))?;
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} of {sent} messages were not taken"))),
    }
}

fn message(channel: Channel, recipients: Vec<String>) -> Delivery {
    let (now, id) = (SystemClock.wall(), NotificationId::from_number(Uuid::now_v7().as_u128()));
    Delivery::new(id, channel, recipients, &Warning::test(id, now), now)
}
