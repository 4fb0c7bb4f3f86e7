//! The demo's calls, hour by hour, from written dialogues with names and times filled in, and the
//! leads that come of them.

use chrono::{Datelike, Duration, Timelike, Weekday};
use rand::RngExt as _;
use serde_json::{Value, json};

use super::dialogues::LeadOnItsWay;
use super::practice::{FRONT_DESK, PEOPLE, Practice, email_of, number_of};
use super::stage::Stage;
use crate::domain::error::Result;
use crate::model::precondition::Preconditions;
use crate::model::time::{Moment, format};
use crate::records::domain::RecordKind;
use crate::records::model::call::Call;
use crate::records::model::lead::Lead;

const DENTISTS: [&str; 3] = ["Dr. Sato", "Dr. Lindqvist", "Dr. Marsh"];
const TIMES: [&str; 6] = ["8:30", "9:45", "11:00", "1:15", "2:30", "4:00"];
const DAYS: [&str; 5] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
const STATES: [&str; 4] = ["new", "contacted", "qualified", "converted"];

impl Stage {
    /// The calls of one hour, each stored when it ends, and how leads move on meanwhile.
    pub(super) fn take_calls(&mut self, practice: &Practice, hour: Moment) -> Result<()> {
        let weekend = matches!(hour.weekday(), Weekday::Sat | Weekday::Sun);
        let open = (8..18).contains(&hour.hour());
        let likely = match (weekend, open) {
            (false, true) => 0.88,
            (true, true) => 0.1,
            (_, false) => 0.03,
        };
        if !self.chance.random_bool(likely) {
            return Ok(());
        }
        let minute = self.chance.random_range(0..45);
        self.take_call(practice, hour + Duration::minutes(minute), open && !weekend)?;
        if self.chance.random_bool(0.14) {
            self.move_lead_on()?;
        }
        Ok(())
    }

    fn take_call(&mut self, practice: &Practice, started_at: Moment, open: bool) -> Result<()> {
        let chosen = self.chance.random_range(0..self.dialogues.len());
        let person = self.chance.random_range(0..PEOPLE.len());
        let outbound = self.dialogues[chosen].turns.first().is_some_and(|(_, said)| {
            said.starts_with("Hello, ") // the practice calls
        });
        let agent = match (outbound, open) {
            (true, _) => 2,
            (false, true) => 0,
            (false, false) => 1,
        };
        let mut call = json!({
            "direction": if outbound { "outbound" } else { "inbound" },
            "caller": number_of(person), "to": FRONT_DESK, "agent_id": practice.agents[agent],
            "started_at": format(started_at),
        });
        let fate = self.chance.random_range(0..100);
        let ended_at = match fate {
            0..11 => {
                call["status"] = json!("missed");
                call["tags"] = json!(["missed"]);
                started_at + Duration::seconds(self.chance.random_range(12..35))
            }
            11..13 => {
                call["status"] = json!("failed");
                call["summary"] = json!("The line broke off before anything was said.");
                started_at + Duration::seconds(3)
            }
            _ => {
                let seconds = self.speak(&mut call, chosen, person, agent);
                started_at + Duration::seconds(seconds)
            }
        };
        self.go_to(ended_at);
        self.make::<Call>(call)?;
        let interested = fate >= 13 && self.dialogues[chosen].tags.contains(&"new-patient");
        if interested { self.make_lead(person) } else { Ok(()) }
    }

    /// Fills in the transcript of a call; returns how long the call took.
    fn speak(&mut self, call: &mut Value, chosen: usize, person: usize, agent: usize) -> i64 {
        let name = PEOPLE[person];
        let first = name.split(' ').next().unwrap_or(name);
        let mut pick = |from: &[&'static str]| from[self.chance.random_range(0..from.len())];
        let (day, time, dentist) = (pick(&DAYS), pick(&TIMES), pick(&DENTISTS));
        let fill = |text: &str| {
            let text = text.replace("{name}", name).replace("{first}", first);
            let text = text.replace("{day}", day).replace("{time}", time);
            text.replace("{dentist}", dentist).replace("{agent}", Practice::name_of(agent))
        };
        let dialogue = &self.dialogues[chosen];
        let turns = dialogue.turns.iter().map(|(role, said)| (role, fill(said)));
        let transcript: Vec<Value> =
            turns.map(|(role, text)| json!({"role": role, "text": text})).collect();
        call["status"] = json!("completed");
        call["sentiment"] = json!(dialogue.sentiment);
        call["summary"] = json!(fill(dialogue.summary));
        call["tags"] = json!(dialogue.tags);
        call["transcript"] = json!(transcript);
        // People say about two and a half words a second, and pause between turns.
        let words: usize = dialogue.turns.iter().map(|(_, t)| t.split(' ').count()).sum();
        let spoken = i64::try_from(words * 2 / 5 + transcript.len()).unwrap_or(60);
        let seconds = spoken + self.chance.random_range(5..40);
        call["duration_seconds"] = json!(seconds);
        seconds
    }

    fn make_lead(&mut self, person: usize) -> Result<()> {
        let source = ["phone", "website", "referral"][self.chance.random_range(0..3)];
        let score = self.chance.random_range(25..75);
        self.let_minutes_pass(1);
        let lead = self.make::<Lead>(json!({
            "name": PEOPLE[person], "phone": number_of(person), "email": email_of(person),
            "source": source, "score": score, "tags": ["new-patient"],
        }))?;
        self.leads.push(LeadOnItsWay { id: lead.stamp.id, state: 0 });
        Ok(())
    }

    /// Moves one lead on by one stage.
    fn move_lead_on(&mut self) -> Result<()> {
        let movable = |lead: &LeadOnItsWay| lead.state + 1 < STATES.len();
        let count = self.leads.iter().filter(|lead| movable(lead)).count();
        if count == 0 {
            return Ok(());
        }
        let chosen = self.chance.random_range(0..count);
        let score = self.chance.random_range(50..100);
        self.let_minutes_pass(5);
        if let Some(lead) = self.leads.iter_mut().filter(|lead| movable(lead)).nth(chosen) {
            lead.state += 1;
            let patch = json!({"status": STATES[lead.state], "score": score});
            let patch = patch.as_object().cloned().unwrap_or_default();
            Lead::update(&self.bitting, None, lead.id, &Preconditions::default(), patch)?;
        }
        Ok(())
    }
}
