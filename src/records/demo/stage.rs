//! The application as the demo plays it, on a clock of its own.

use std::sync::Arc;

use chrono::{Duration, Timelike};
use rand::rngs::StdRng;
use serde_json::Value;

use super::dialogues::{Dialogue, LeadOnItsWay};
use super::plans::Planned;
use crate::clock::ManualClock;
use crate::domain::principal::Principal;
use crate::domain::{Bitting, Result};
use crate::gate::worker_tally::WorkerTally;
use crate::model::actor::ClientInfo;
use crate::model::time::Moment;
use crate::model::user::User;
use crate::records::domain::RecordKind;
use crate::records::model::Record;

/// The application as it was at some time.
pub(super) struct Stage {
    pub(super) bitting: Bitting,
    pub(super) clock: Arc<ManualClock>,
    /// When the demo's history ends: now.
    pub(super) end: Moment,
    pub(super) chance: StdRng,
    pub(super) tally: Arc<WorkerTally>,
    /// The administrator, the member and the auditor.
    pub(super) users: Vec<User>,
    pub(super) keys: Vec<Planned>,
    pub(super) leads: Vec<LeadOnItsWay>,
    pub(super) dialogues: Vec<Dialogue>,
}

impl Stage {
    /// One of [`Stage::users`], at their desk.
    pub(super) fn principal(&self, who: usize) -> Principal {
        Principal::user(self.users[who].clone(), &client_of(who))
    }

    /// Makes a record of any kind from its JSON object.
    pub(super) fn make<F: RecordKind>(&self, object: Value) -> Result<Record<F>> {
        F::create(&self.bitting, None, object.as_object().unwrap_or(&Default::default()), None)
    }

    pub(super) fn clock_time(&self) -> Moment {
        self.bitting.time.now()
    }

    /// Lets the clock run to a moment; one that has passed changes nothing.
    pub(super) fn go_to(&mut self, moment: Moment) {
        let moment = moment.min(self.end);
        self.clock.pass((moment - self.clock_time()).to_std().unwrap_or_default());
        self.bitting.time.tick();
    }

    pub(super) fn let_minutes_pass(&mut self, minutes: i64) {
        self.go_to(self.clock_time() + Duration::minutes(minutes));
    }

    /// How many days before the last one it is.
    pub(super) fn days_ago(&self, moment: Moment) -> i64 {
        (self.end.date_naive() - moment.date_naive()).num_days()
    }

    /// Whether this hour, counted from the start, holds the beginning of an hour of the clock.
    pub(super) fn is_in(&self, hour: Moment, (days_ago, wanted): (i64, i64)) -> bool {
        self.days_ago(hour) == days_ago && i64::from(hour.hour()) == wanted
    }
}

/// The address and browser of one of the users.
pub(super) fn client_of(who: usize) -> ClientInfo {
    const PLACES: [[u8; 4]; 3] = [[192, 0, 2, 17], [192, 0, 2, 23], [203, 0, 113, 8]];
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let address = Some(PLACES[who].into());
    ClientInfo { address, user_agent: Some(agent.to_owned()), request_id: None }
}
