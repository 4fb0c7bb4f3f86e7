//! What each of the demo's keys is for, when it is made and ended, and how it is used.

use crate::model::catalog::ResourceNumber;
use crate::model::key::ApiKey;
use crate::model::scope::Access;
use crate::records::model::resources;

/// The user who makes a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    Administrator,
    Member,
}

/// A day so many days ago, and an hour of it.
pub(super) type When = (i64, i64);

/// How often a key is used.
pub(super) enum Rhythm {
    /// By people at work: requests in the busiest hour.
    Office(f64),
    /// By a program, every hour the same.
    Steady(u32),
    /// By a program, once a night.
    Nightly(u32),
    Never,
}

/// A key's life.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) owner: &'static str,
    pub(super) scopes: &'static [&'static str],
    pub(super) maker: Maker,
    pub(super) made: When,
    /// The days from its making to its expiry; none if it never expires.
    pub(super) lives: Option<i64>,
    pub(super) revoked: Option<(When, &'static str)>,
    pub(super) rhythm: Rhythm,
    /// Nothing is sent with it from this day on.
    pub(super) silent_from: i64,
    /// A day on which something went round in circles for an hour.
    pub(super) burst: Option<When>,
    /// What it tries without having the scope.
    pub(super) forbidden: Option<(ResourceNumber, Access)>,
    /// The addresses and user agents it is used from.
    pub(super) clients: &'static [(&'static str, &'static str)],
    /// Where it is tried from once it is retired, and how often in a busy hour.
    pub(super) afterwards: Option<(&'static str, &'static str, f64)>,
}

const PLAIN: Plan = Plan {
    name: "",
    description: "",
    owner: "Larkspur Dental",
    scopes: &[],
    maker: Maker::Administrator,
    made: (0, 0),
    lives: None,
    revoked: None,
    rhythm: Rhythm::Never,
    silent_from: -1,
    burst: None,
    forbidden: None,
    clients: &[],
    afterwards: None,
};

/// The keys of the demo. The first one is shown to whoever starts it.
pub(super) const PLANS: [Plan; 7] = [
    Plan {
        name: "Front-desk dashboard",
        description: "The screen behind the desk: today's calls, leads and figures.",
        scopes: &[
            "calls:read",
            "leads:read",
            "leads:write",
            "agents:read",
            "contacts:read",
            "knowledge_base:read",
            "analytics:read",
        ],
        made: (34, 9),
        lives: Some(365),
        rhythm: Rhythm::Office(46.0),
        burst: Some((11, 14)),
        forbidden: Some((resources::CONTACTS, Access::Write)),
        clients: &[
            (
                "192.0.2.17",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            ("192.0.2.18", "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15"),
            ("2001:db8:40::12", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0"),
        ],
        ..PLAIN
    },
    Plan {
        name: "CRM sync",
        description: "Copies leads and contacts every few minutes. Renew before it expires!",
        owner: "Fernhill CRM",
        scopes: &["leads:read", "leads:write", "contacts:read", "contacts:write", "calls:read"],
        made: (81, 15),
        lives: Some(90),
        rhythm: Rhythm::Steady(12),
        forbidden: Some((resources::INTEGRATIONS, Access::Read)),
        clients: &[
            ("198.51.100.40", "fernhill-sync/4.2 (+https://fernhill.example/bot)"),
            ("198.51.100.41", "fernhill-sync/4.2 (+https://fernhill.example/bot)"),
        ],
        ..PLAIN
    },
    Plan {
        name: "Nightly report",
        description: "Figures of the day for the office manager's e-mail.",
        scopes: &["analytics:read", "calls:read"],
        maker: Maker::Member,
        made: (33, 11),
        rhythm: Rhythm::Nightly(24),
        clients: &[("192.0.2.9", "python-requests/2.32.5")],
        ..PLAIN
    },
    Plan {
        name: "Reminder script",
        description: "Enters the calls of the reminder agent.",
        scopes: &["calls:write", "contacts:read"],
        made: (31, 10),
        revoked: Some(((12, 13), "pushed to a public repository")),
        rhythm: Rhythm::Office(14.0),
        clients: &[("192.0.2.9", "curl/8.14.1")],
        afterwards: Some(("203.0.113.66", "Go-http-client/2.0", 5.0)),
        ..PLAIN
    },
    Plan {
        name: "Data export for the audit",
        description: "For the accountants, for a week and no longer.",
        owner: "Birch & Partners",
        scopes: &["calls:read", "leads:read"],
        maker: Maker::Member,
        made: (26, 14),
        lives: Some(7),
        rhythm: Rhythm::Office(9.0),
        clients: &[("203.0.113.8", "PostmanRuntime/7.49.0")],
        afterwards: Some(("203.0.113.8", "PostmanRuntime/7.49.0", 0.4)),
        ..PLAIN
    },
    Plan {
        name: "Aircall trial",
        description: "For the trial that has not begun.",
        owner: "Aircall",
        scopes: &["calls:write", "contacts:read"],
        made: (6, 16),
        lives: Some(90),
        ..PLAIN
    },
    Plan {
        name: "Old switchboard bridge",
        description: "Was for the switchboard of the old office.",
        scopes: &["calls:read", "calls:write"],
        made: (140, 10),
        rhythm: Rhythm::Office(3.0),
        silent_from: 97,
        clients: &[("198.51.100.7", "switchboard/1.9")],
        ..PLAIN
    },
];

/// One of [`PLANS`], and the key that was made of it.
pub(super) type Planned = (&'static Plan, Option<ApiKey>);
