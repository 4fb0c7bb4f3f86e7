//! CallRail's API, version 3. Caller ids, triggers, notifications, summary emails and message flows
//! are closed: their reference does not say enough.

use std::sync::LazyLock;

use super::super::table::Table;
use super::offered::{Offered, read};

static TABLE: LazyLock<Table> = LazyLock::new(|| read(TEXT));

pub(super) fn offered() -> Offered {
    Offered {
        table: &TABLE,
        text: TEXT,
        test: "GET /v3/a.json?per_page=250",
        secrets: &["signing_key", "secret", "token", "api_key"],
        links: &["recording", "recording_player", "url"],
    }
}

const TEXT: &str = "\
GET    /v3/a.json                                   any
GET    /v3/a/{account}.json                         any
GET    /v3/a/{account}/calls.json                   calls:read          C
GET    /v3/a/{account}/calls/{id}.json              calls:read          C
GET    /v3/a/{account}/calls/{id}/page_views.json   calls:read
GET    /v3/a/{account}/calls/{id}/recording.json    calls:read          C
GET    /v3/a/{account}/text-messages.json           calls:read
GET    /v3/a/{account}/text-messages/{id}.json      calls:read
GET    /v3/a/{account}/sms-threads.json             calls:read
GET    /v3/a/{account}/sms-threads/{id}.json        calls:read
GET    /v3/a/{account}/tags.json                    calls:read
POST   /v3/a/{account}/calls.json                   calls:write         $ C
PUT    /v3/a/{account}/calls/{id}.json              calls:write         C
POST   /v3/a/{account}/text-messages.json           calls:write         $
POST   /v3/a/{account}/tags.json                    calls:write
PUT    /v3/a/{account}/tags/{id}.json               calls:write
DELETE /v3/a/{account}/tags/{id}.json               calls:write
GET    /v3/a/{account}/calls/summary.json           analytics:read
GET    /v3/a/{account}/calls/timeseries.json        analytics:read
GET    /v3/a/{account}/forms/summary.json           analytics:read
GET    /v3/a/{account}/form_submissions.json        leads:read
GET    /v3/a/{account}/leads.json                   leads:read
GET    /v3/a/{account}/leads/{id}/timeline.json     leads:read
POST   /v3/a/{account}/form_submissions.json        leads:write
PUT    /v3/a/{account}/form_submissions/{id}.json   leads:write
GET    /v3/a/{account}/users.json                   agents:read
GET    /v3/a/{account}/users/{id}.json              agents:read
POST   /v3/a/{account}/users.json                   agents:write        S
PUT    /v3/a/{account}/users/{id}.json              agents:write        S
DELETE /v3/a/{account}/users/{id}.json              agents:write        S
GET    /v3/a/{account}/companies.json               integrations:read
GET    /v3/a/{account}/companies/{id}.json          integrations:read
GET    /v3/a/{account}/trackers.json                integrations:read
GET    /v3/a/{account}/trackers/{id}.json           integrations:read
GET    /v3/a/{account}/integrations.json            integrations:read   H
GET    /v3/a/{account}/integrations/{id}.json       integrations:read   H
POST   /v3/a/{account}/companies.json               integrations:write
PUT    /v3/a/{account}/companies/{id}.json          integrations:write
POST   /v3/a/{account}/trackers.json                integrations:write
PUT    /v3/a/{account}/trackers/{id}.json           integrations:write
POST   /v3/a/{account}/integrations.json            integrations:write  S H
PUT    /v3/a/{account}/integrations/{id}.json       integrations:write  S H
DELETE /v3/a/{account}/integrations/{id}.json       integrations:write  S H
";
