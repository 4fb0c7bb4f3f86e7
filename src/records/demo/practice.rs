//! The practice of the demo as it stands on the first day: its articles, agents, integrations and
//! contacts, and the people who call.

use rand::RngExt as _;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::domain::Result;
use crate::records::model::agent::Agent;
use crate::records::model::article::Article;
use crate::records::model::contact::Contact;
use crate::records::model::integration::Integration;

/// The number people call. The last two digits of all numbers are in the range kept for fiction.
pub(super) const FRONT_DESK: &str = "+14155550100";

/// The names of everybody who calls; their index makes their number.
pub(super) const PEOPLE: [&str; 36] = [
    "Amara Okafor",
    "Ben Whitfield",
    "Carla Mendes",
    "Daniel Cho",
    "Elena Petrova",
    "Frank Dubois",
    "Grace Lindholm",
    "Hassan Ali",
    "Ines Carvalho",
    "Jack Morrow",
    "Kavita Rao",
    "Liam O'Hara",
    "Mei Tanaka",
    "Noah Abrams",
    "Olivia Grant",
    "Pedro Salas",
    "Quinn Harper",
    "Rosa Jimenez",
    "Samir Haddad",
    "Tessa Vogel",
    "Umar Siddiqui",
    "Vera Kowalski",
    "Will Chambers",
    "Ximena Torres",
    "Yara Nasser",
    "Zach Bennett",
    "Alice Fontaine",
    "Bruno Keller",
    "Chloe Sato",
    "Dev Malhotra",
    "Emma Lindqvist",
    "Felix Arendt",
    "Gina Russo",
    "Henry Adeyemi",
    "Isla Campbell",
    "Jonas Weber",
];

/// How many people the practice knows on the first day.
const KNOWN: usize = 22;

/// The number of one of [`PEOPLE`].
pub(super) fn number_of(person: usize) -> String {
    format!("+141555501{:02}", 10 + person)
}

/// The address of one of [`PEOPLE`].
pub(super) fn email_of(person: usize) -> String {
    let name = PEOPLE[person].to_lowercase().replace('\'', "").replace(' ', ".");
    format!("{name}@example.com")
}

const ARTICLES: [(&str, &str, &str, &str); 6] = [
    (
        "Opening hours and how to find us",
        "Monday to Friday 8:00 to 17:00, Thursday until 19:00. Closed at the weekend and on public \
         holidays.\n\nLarkspur Dental is on the second floor. The garage behind the building is \
         ours to use; the front desk validates the first hour. Deliveries ring at the grey door \
         on the left.",
        "https://larkspur.example/visit",
        "faq",
    ),
    (
        "Appointments: booking, moving, cancelling",
        "A first visit takes 60 minutes, a cleaning 45, a filling 30 to 60. Moving or cancelling is \
         free up to 24 hours before; after that there may be a fee of 40 dollars. Children are \
         best seen after school, with Dr. Sato.",
        "https://larkspur.example/appointments",
        "booking",
    ),
    (
        "Prices and paying in parts",
        "Check-up with X-rays 145 dollars, cleaning 110, composite filling from 180, crown from \
         1,150, whitening at home 240, in the chair 480. Above 300 dollars: four monthly payments \
         without interest, agreed at the front desk.",
        "https://larkspur.example/prices",
        "billing",
    ),
    (
        "Insurance",
        "Most PPO plans are accepted; HMO plans are not. X-rays are often paid once a year only. The \
         assistant never promises what a plan will pay: it takes the question down, and the office \
         manager calls back.",
        "https://larkspur.example/insurance",
        "billing",
    ),
    (
        "Emergencies",
        "Severe pain, a knocked-out or broken tooth, or swelling: see the patient the same day. Fever \
         with swelling, or trouble swallowing or breathing: emergency room at once. A knocked-out \
         tooth belongs in milk; do not scrub it.",
        "https://larkspur.example/emergency",
        "triage",
    ),
    (
        "After a treatment",
        "After an extraction: bite on gauze for 30 minutes, no straw, no smoking, nothing hot on the \
         first day. Sensitivity to cold after a filling goes within two weeks. Bleeding that runs \
         freely after an hour of pressure needs a dentist.",
        "https://larkspur.example/after-care",
        "triage",
    ),
];

/// Name, voice, number, article, state, greeting, prompt.
const AGENTS: [(&str, &str, &str, usize, &str, &str, &str); 3] = [
    (
        "Robin, front desk",
        "warm-alto-2",
        FRONT_DESK,
        1,
        "active",
        "Larkspur Dental, this is Robin. How can I help?",
        "You answer the phone of a small dental practice. Be brief and kind. Book, move and cancel \
         appointments. Say that you are an assistant when asked. Never give medical advice beyond \
         the article on emergencies, and hand over to a person when the caller wishes.",
    ),
    (
        "Sam, after hours",
        "calm-tenor-1",
        "+14155550101",
        4,
        "active",
        "Larkspur Dental is closed at the moment. This is Sam; is it an emergency?",
        "You answer outside opening hours. First find out whether it is an emergency. Otherwise take \
         a name, a number and the matter, and promise a call in the morning.",
    ),
    (
        "Alex, reminders",
        "bright-alto-4",
        "+14155550102",
        1,
        "active",
        "Hello, this is Alex, calling from Larkspur Dental.",
        "You call patients about appointments of the coming days and after treatments. Ask whether \
         they can come; offer to text other dates. Hang up politely on voicemail.",
    ),
];

/// What [`Stage::found_practice`] made.
pub(super) struct Practice {
    /// The agents' ids, as in [`AGENTS`].
    pub(super) agents: Vec<String>,
}

impl Practice {
    /// The name an agent answers the phone with.
    pub(super) fn name_of(agent: usize) -> &'static str {
        let (name, ..) = AGENTS[agent];
        name.split_once(',').map_or(name, |(first, _)| first)
    }
}

impl Stage {
    /// Makes the records that exist before the first call.
    pub(super) fn found_practice(&mut self) -> Result<Practice> {
        let mut articles = Vec::new();
        for (title, content, source, tag) in ARTICLES {
            self.let_minutes_pass(3);
            let article = json!({
                "title": title, "content": content, "source_url": source, "tags": [tag],
            });
            articles.push(self.make::<Article>(article)?.stamp.id);
        }
        let mut agents = Vec::new();
        for (name, voice, number, article, status, greeting, prompt) in AGENTS {
            self.let_minutes_pass(7);
            let agent = json!({
                "name": name, "voice_id": voice, "phone_number": number, "status": status,
                "greeting": greeting, "prompt": prompt, "knowledge_base_id": articles[article],
            });
            agents.push(self.make::<Agent>(agent)?.stamp.id.to_string());
        }
        for integration in integrations() {
            self.let_minutes_pass(4);
            self.make::<Integration>(integration)?;
        }
        for (person, name) in PEOPLE.iter().enumerate().take(KNOWN) {
            self.let_minutes_pass(1);
            let recall = ["spring", "autumn"][self.chance.random_range(0..2)];
            let contact = json!({
                "name": name, "phone": number_of(person), "email": email_of(person),
                "notes": format!("Recall in {recall}."), "tags": ["patient"],
            });
            self.make::<Contact>(contact)?;
        }
        Ok(Practice { agents })
    }
}

fn integrations() -> [Value; 3] {
    [
        json!({
            "name": "Calendar", "kind": "webhook",
            "description": "Free times, and what the agents book.",
            "settings": {"url": "https://calendar.example.com/hooks/larkspur", "retries": 3},
        }),
        json!({
            "name": "CallRail", "kind": "callrail",
            "description": "Which advertisement a caller comes from.",
            "settings": {"account": "larkspur", "tracking_number": "+14155550103"},
        }),
        json!({
            "name": "Aircall", "kind": "aircall", "enabled": false,
            "description": "On trial; not switched on yet.", "settings": {},
        }),
    ]
}
