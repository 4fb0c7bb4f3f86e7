//! The demo: an empty database filled by playing the past months through the application itself,
//! on a clock that is moved from then to now. What is made and counted goes through the same use
//! cases as everything else; only secrets, ids and passwords differ from one demo to the next.

mod calls;
mod dialogues;
mod keys;
mod plans;
mod practice;
mod stage;

use std::sync::Arc;
use std::time::Duration as Time;

use chrono::{Datelike, Duration, Timelike, Weekday};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::store;
use crate::clock::ManualClock;
use crate::config::ConnectionSettings;
use crate::domain::connections::Connections;
use crate::domain::keys::keyring::IssuedKey;
use crate::domain::principal::Principal;
use crate::domain::users::passwords::choose_password;
use crate::domain::{Bitting, Error, Result};
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::key::NewKey;
use crate::model::time::Moment;
use crate::model::user::NewUser;
use crate::store::database::contents;
use crate::store::database::migrate::DatabaseInfo;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::users;

use dialogues::dialogues;
use plans::PLANS;
use stage::{Stage, client_of};

/// How many days ago the demo begins.
const DAYS_PLAYED: i64 = 141;
/// How long the practice has been taking calls.
const DAYS_OF_CALLS: i64 = 30;
/// After how many hours the counts are written; of these hours, a key's first client is recorded.
const HOURS_A_FLUSH: i64 = 4;
/// The seed of everything random, so that every demo is the same.
const SEED: u64 = 0x1A2B_5B0E;
/// The administrator who signs in to the demo.
const ADMINISTRATOR: &str = "demo@example.com";
const MEMBER: &str = "maya@example.com";
const AUDITOR: &str = "auditor@example.com";
/// The length of the password in characters: 120 random bits.
const PASSWORD_LENGTH: usize = 20;

/// The outcome of asking for a demo.
pub enum DemoOutcome {
    /// The database was empty and holds one now.
    Made(Box<Demo>),
    /// The database holds a demo already; nothing was changed.
    MadeBefore,
    /// The database holds part of a demo, whose making was interrupted.
    Unfinished,
    /// The database holds something else; nothing was changed.
    NotEmpty,
}

/// A demo that has just been made: the only moment at which its secrets are known.
pub struct Demo {
    /// The address of the administrator.
    pub email: &'static str,
    /// The administrator's password.
    pub password: String,
    /// A key to try the API with.
    pub key: IssuedKey,
}

/// Fills an empty database with a demo.
///
/// # Errors
/// When the database fails; what was made until then stays, and is found unfinished.
pub fn make(bitting: &Bitting) -> Result<DemoOutcome> {
    // Moves past what is old, so that counts of old hours are not kept by the minute first.
    while bitting.roll_up()? {}
    let mut stage = Stage::before(bitting)?;
    if let Some(wish) = stage.claim()? {
        return Ok(wish);
    }
    let key = stage.play()?;
    while bitting.roll_up()? {}
    while bitting.summarize_keys()? {}

    let password: String =
        bitting.random_secret()?.expose().chars().take(PASSWORD_LENGTH).collect();
    let administrator = &stage.users[0];
    let chosen = choose_password(&password, &administrator.email)?;
    // The last thing: a demo whose administrator has no password is not finished.
    bitting.set_password(&Principal::command_line("demo"), administrator.id, &chosen)?;
    Ok(DemoOutcome::Made(Box::new(Demo { email: ADMINISTRATOR, password, key })))
}

impl Stage {
    /// The months before now, on the same database.
    fn before(bitting: &Bitting) -> Result<Self> {
        let end = bitting.time.now();
        let start = end - Duration::days(DAYS_PLAYED);
        let clock = Arc::new(ManualClock::at(start));
        // The database keeps its own highest time; only this copy begins in the past.
        let mark = DatabaseInfo { brand: bitting.brand.to_string(), high_water: start };
        let played = Bitting::new(
            bitting.database.clone(),
            &mark,
            (*bitting.catalog).clone(),
            clock.clone(),
            Time::MAX,
            Connections::new(&ConnectionSettings::default())?,
        )?;
        let tally = played.meter.worker();
        Ok(Self {
            bitting: played,
            clock,
            end,
            chance: StdRng::seed_from_u64(SEED),
            tally,
            users: Vec::new(),
            keys: PLANS.iter().map(|plan| (plan, None)).collect(),
            leads: Vec::new(),
            dialogues: dialogues(),
        })
    }

    /// Adds the administrator if the database is empty, so that of two that would fill it at once
    /// one does; says what is the matter otherwise.
    fn claim(&mut self) -> Result<Option<DemoOutcome>> {
        let bitting = &self.bitting;
        let new = read_user(json!({"email": ADMINISTRATOR, "role": "admin"}), &bitting.catalog)?;
        let cli = Principal::command_line("demo");
        let claimed = bitting.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            if let Some(user) = users::find_by_email(connection, &new.email)? {
                let finished = users::password(connection, user.id)?.is_some();
                return Ok(Err(if finished {
                    DemoOutcome::MadeBefore
                } else {
                    DemoOutcome::Unfinished
                }));
            }
            if !contents::is_empty(connection)? || !store::is_empty(connection)? {
                return Ok(Err(DemoOutcome::NotEmpty));
            }
            Result::Ok(Ok(bitting.insert_user(connection, &cli, &new, None)?))
        })?;
        match claimed {
            Ok(administrator) => {
                self.users.push(administrator);
                Ok(None)
            }
            Err(wish) => Ok(Some(wish)),
        }
    }

    /// Plays hour after hour from the start to the end; returns the key that is shown.
    fn play(&mut self) -> Result<IssuedKey> {
        let start = self.clock_time();
        let colleagues = [
            json!({
                "email": MEMBER, "role": "member",
                "may_grant": ["calls:read", "leads:read", "analytics:read"],
            }),
            json!({"email": AUDITOR, "role": "auditor"}),
        ];
        for colleague in colleagues {
            self.let_minutes_pass(6);
            let new = read_user(colleague, &self.bitting.catalog)?;
            self.users.push(self.bitting.add_user(&self.principal(0), &new, None)?);
        }
        let (mut told, mut practice) = (None, None);
        for passed in 0..DAYS_PLAYED * 24 {
            let hour = start + Duration::hours(passed);
            self.go_to(hour);
            told = self.tend_keys(hour)?.or(told);
            self.visit_pages(hour)?;
            if self.end - hour <= Duration::days(DAYS_OF_CALLS) {
                if practice.is_none() {
                    practice = Some(self.found_practice()?);
                }
                if let Some(practice) = &practice {
                    self.take_calls(practice, hour)?;
                }
            }
            self.use_keys(hour);
            if passed % HOURS_A_FLUSH == HOURS_A_FLUSH - 1 {
                self.go_to(hour + Duration::minutes(59));
                self.bitting.flush_usage()?;
                self.bitting.fold_journal()?;
            }
        }
        self.go_to(self.end);
        self.bitting.flush_usage()?;
        self.bitting.fold_journal()?;
        told.ok_or(Error::NotFound)
    }

    /// People sign in now and then, one mistypes, and one asks for more than she may.
    fn visit_pages(&mut self, hour: Moment) -> Result<()> {
        if self.is_in(hour, (9, 8)) {
            let client = client_of(0);
            let mistyped = self.bitting.log_in(ADMINISTRATOR, "mistyped", &client, None);
            if !matches!(mistyped, Ok(_) | Err(Error::WrongPassword)) {
                mistyped?;
            }
        }
        if self.is_in(hour, (19, 15)) {
            let wanted = json!({"name": "Contacts for a mailing", "scopes": ["contacts:read"]});
            let wanted = wanted.as_object().cloned().unwrap_or_default();
            let new = NewKey::from_object(&wanted, &self.bitting.catalog, self.clock_time())?;
            match self.bitting.issue_key(new, &self.principal(1), None) {
                Ok(_) | Err(Error::NotGranted { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        let recent = self.days_ago(hour) <= DAYS_OF_CALLS + 5;
        let weekday = !matches!(hour.weekday(), Weekday::Sat | Weekday::Sun);
        let who = match hour.hour() {
            9 => 0,
            14 => 1,
            16 => 2,
            _ => return Ok(()),
        };
        if recent && weekday && self.chance.random_bool([0.5, 0.2, 0.1][who]) {
            self.sign_in_and_out(who)?;
        }
        Ok(())
    }

    fn sign_in_and_out(&mut self, who: usize) -> Result<()> {
        let minutes = self.chance.random_range(1..40);
        self.let_minutes_pass(minutes);
        let (user, client) = (self.users[who].clone(), client_of(who));
        let secret = self.bitting.random_secret()?;
        let bitting = &self.bitting;
        let signed_in = bitting.database.write(|connection| {
            AdvisoryLock::Users.acquire(connection)?;
            bitting.open_session(connection, &user, secret, &client)
        })?;
        self.let_minutes_pass(9);
        let principal = Principal::user(user, &client);
        self.bitting.end_session(&principal, signed_in.session.id)
    }
}

fn read_user(object: Value, catalog: &Catalog) -> std::result::Result<NewUser, FieldErrors> {
    NewUser::from_object(object.as_object().unwrap_or(&Default::default()), catalog)
}
