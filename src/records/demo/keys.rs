//! The demo's keys: what each is for, when it was made and ended, and how it is used.

use chrono::{Datelike, Duration, Timelike, Weekday};
use rand::RngExt as _;
use serde_json::json;

use super::plans::{Maker, Plan, Rhythm};
use super::stage::Stage;
use crate::domain::error::Result;
use crate::domain::keys::keyring::IssuedKey;
use crate::domain::principal::Principal;
use crate::model::key::{NewKey, Status};
use crate::model::scope::{Access, Scope};
use crate::model::time::{Moment, format};
use crate::model::usage::{Cell, Outcome};

impl Stage {
    /// Makes and revokes the keys whose hour this is; returns the one that is to be shown.
    pub(super) fn tend_keys(&mut self, hour: Moment) -> Result<Option<IssuedKey>> {
        let mut told = None;
        for place in 0..self.keys.len() {
            let plan = self.keys[place].0;
            if self.is_in(hour, plan.made) {
                let issued = self.make_key(plan)?;
                self.keys[place].1 = Some(issued.key.clone());
                if place == 0 {
                    told = Some(issued);
                }
            }
            if let ((at, reason), Some(key)) = (plan.revoked.unzip(), &self.keys[place].1)
                && at.is_some_and(|at| self.is_in(hour, at))
            {
                let by = self.somebody(Maker::Administrator);
                let revoked = self.bitting.revoke_key(key.id, reason, &by, None)?;
                self.keys[place].1 = Some(revoked);
            }
        }
        Ok(told)
    }

    fn make_key(&mut self, plan: &'static Plan) -> Result<IssuedKey> {
        let minutes = self.chance.random_range(2..50);
        self.let_minutes_pass(minutes);
        let now = self.bitting.time.now();
        let expires_at = plan.lives.map(|days| format(now + Duration::days(days)));
        let object = json!({
            "name": plan.name, "description": plan.description, "owner": plan.owner,
            "scopes": plan.scopes, "expires_at": expires_at,
        });
        let new = NewKey::from_object(
            object.as_object().unwrap_or(&Default::default()),
            &self.bitting.catalog,
            now,
        )?;
        self.bitting.issue_key(new, &self.somebody(plan.maker), None)
    }

    fn somebody(&self, maker: Maker) -> Principal {
        self.principal(if maker == Maker::Member { 1 } else { 0 })
    }

    /// Counts the requests of one hour.
    pub(super) fn use_keys(&mut self, hour: Moment) {
        for place in 0..self.keys.len() {
            let (plan, Some(key)) = &self.keys[place] else { continue };
            let (plan, key) = (*plan, key.clone());
            if self.days_ago(hour) < plan.silent_from {
                continue;
            }
            let retired = key.status(hour) != Status::Active;
            let busiest = plan.afterwards.map_or(0.0, |(_, _, busiest)| busiest);
            let requests = if retired {
                self.sometimes(busiest)
            } else {
                let burst = plan.burst.filter(|burst| self.is_in(hour, *burst));
                self.requests(&plan.rhythm, hour) + burst.map_or(0, |_| 840)
            };
            let client = self.chance.random_range(0..plan.clients.len().max(1));
            let client = match plan.afterwards.filter(|_| retired) {
                Some((address, agent, _)) => Some((address, agent)),
                None => plan.clients.get(client).copied(),
            };
            for _ in 0..requests {
                let at = hour + Duration::milliseconds(self.chance.random_range(0..3_599_000));
                // Its own request did not come before it, nor did a use after its end.
                if at < key.created_at || retired != (key.status(at) != Status::Active) {
                    continue;
                }
                let cell = self.cell(plan, retired);
                let address = client.and_then(|(address, _)| address.parse().ok());
                let agent = client.map(|(_, agent)| agent);
                self.tally.count(key.number, cell, at, address, || agent);
            }
        }
    }

    fn requests(&mut self, rhythm: &Rhythm, hour: Moment) -> u32 {
        match rhythm {
            Rhythm::Office(busiest) => {
                let weekend = matches!(hour.weekday(), Weekday::Sat | Weekday::Sun);
                let share = match hour.hour() {
                    9..12 => 1.0,
                    12 => 0.6,
                    13..17 => 0.85,
                    7..19 => 0.35,
                    _ => 0.02,
                };
                self.sometimes(busiest * share * if weekend { 0.12 } else { 1.0 })
            }
            Rhythm::Steady(requests) => *requests,
            Rhythm::Nightly(requests) if hour.hour() == 2 => *requests,
            Rhythm::Nightly(_) | Rhythm::Never => 0,
        }
    }

    /// A number around this one; now and then one where it is less than that.
    fn sometimes(&mut self, about: f64) -> u32 {
        let drawn = about * self.chance.random_range(0.6..1.4);
        let (whole, rest) = (drawn as u32, drawn.fract());
        whole + u32::from(self.chance.random_bool(rest))
    }

    /// What a request asked for, and how that ended.
    fn cell(&mut self, plan: &Plan, retired: bool) -> Cell {
        let scope = plan.scopes[self.chance.random_range(0..plan.scopes.len())];
        let scope = scope.parse::<Scope>().ok();
        let (resource, access) = scope.map_or((None, Access::Read), |scope| {
            let resource = self.bitting.catalog.named(scope.resource.as_str());
            (resource.map(|resource| resource.number), scope.access)
        });
        let chance = self.chance.random_range(0..1000);
        match (chance, plan.forbidden) {
            _ if retired => Cell::new(resource, access, Outcome::Retired),
            (0..18, Some((resource, access))) => {
                Cell::new(Some(resource), access, Outcome::Forbidden)
            }
            (18..45, _) => Cell::new(resource, access, Outcome::ClientError),
            (45..47, _) => Cell::new(resource, access, Outcome::ServerError),
            (47..60, _) => Cell::new(None, Access::Read, Outcome::Ok), // whoami and ping
            _ => Cell::new(resource, access, Outcome::Ok),
        }
    }
}
