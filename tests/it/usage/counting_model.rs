//! A plain model of counting: the figures as one computes them from a list of all requests.

use std::collections::BTreeMap;

use bitting::model::catalog::ResourceNumber;
use bitting::model::key::KeyNumber;
use bitting::model::scope::Access;
use bitting::model::time::{Moment, format};
use bitting::model::usage::Outcome;
use bitting::model::words::Word;
use bitting::records::model::resources;
use chrono::{DurationRound, TimeDelta};
use serde_json::{Value, json};

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub key: KeyNumber,
    pub resource: Option<ResourceNumber>,
    pub access: Access,
    pub outcome: Outcome,
    pub at: Moment,
}

/// What is shown of some keys together at a moment.
pub fn model(counted: &[Counted], keys: &[KeyNumber], now: Moment) -> Value {
    let mine: Vec<&Counted> = counted.iter().filter(|one| keys.contains(&one.key)).collect();
    let cut = |back: i64, to: TimeDelta| (now - TimeDelta::days(back)).duration_trunc(to).unwrap();
    let windows = [
        ("24h", cut(1, TimeDelta::minutes(1)), TimeDelta::hours(1)),
        ("7d", cut(7, TimeDelta::hours(1)), TimeDelta::days(1)),
        ("30d", cut(30, TimeDelta::hours(1)), TimeDelta::days(1)),
    ];
    let (mut figures, mut breakdowns) = (json!({}), json!({}));
    for (name, start, step) in windows {
        let inside: Vec<&Counted> = mine.iter().filter(|one| one.at >= start).copied().collect();
        figures[name] = tally(&inside);
        breakdowns[name] = tally(&inside);
        breakdowns[name]["by_resource"] = by_resource(&inside);
        breakdowns[name]["series"] = series(&inside, start, step, now);
    }
    let uses = mine.iter().filter(|one| one.outcome != Outcome::Retired);
    json!({
        "figures": figures,
        "breakdown": breakdowns,
        "lifetime": tally(&mine),
        "last_used_at": uses.map(|one| one.at).max().map(format),
    })
}

fn tally(counted: &[&Counted]) -> Value {
    let mut tally = json!({"total": counted.len()});
    for outcome in Outcome::ALL {
        let n = counted.iter().filter(|one| one.outcome == *outcome).count();
        tally[outcome.as_str()] = json!(n);
    }
    tally
}

fn by_resource(counted: &[&Counted]) -> Value {
    let mut by_resource = json!({});
    for one in counted {
        let resource = one.resource.map_or("other", resources::name);
        if by_resource.get(resource).is_none() {
            by_resource[resource] = json!({"read": 0, "write": 0});
        }
        let n = &mut by_resource[resource][one.access.as_str()];
        *n = json!(n.as_i64().unwrap() + 1);
    }
    by_resource
}

fn series(counted: &[&Counted], start: Moment, step: TimeDelta, now: Moment) -> Value {
    let mut points = BTreeMap::from([(start, 0)]);
    let mut next = start.duration_trunc(step).unwrap() + step;
    while next <= now {
        points.insert(next, 0);
        next += step;
    }
    for one in counted {
        *points.range_mut(..=one.at).next_back().unwrap().1 += 1;
    }
    points.into_iter().map(|(at, n)| json!({"start": format(at), "total": n})).collect()
}
