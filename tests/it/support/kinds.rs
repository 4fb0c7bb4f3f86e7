//! Every kind of record: its fields with their rules, and how the database holds one. What is the
//! same for all kinds is tested over this table.

use serde_json::{Value, json};

use super::database::TestDatabase;
use super::rules::Rule::{self, *};

/// One kind.
pub struct Kind {
    /// As paths, scopes and the table have it.
    pub resource: &'static str,
    /// What its ids begin with.
    pub prefix: &'static str,
    pub fields: Vec<Field>,
    /// Columns that must be filled, each with SQL for the row of number `n`.
    row: &'static [(&'static str, &'static str)],
}

/// One field.
pub struct Field {
    pub name: &'static str,
    pub rule: Rule,
    pub required: bool,
    /// What it is when it is not given.
    pub default: Value,
}

fn required(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: true, default: Value::Null }
}

fn optional(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: false, default: Value::Null }
}

fn otherwise(name: &'static str, rule: Rule, default: Value) -> Field {
    Field { name, rule, required: false, default }
}

const TAGS: (&str, &str) = ("tags", "'[]'");
const EMAIL: (&str, &str) =
    ("email", "CASE WHEN n * 10 <= total THEN 'old@example.com' ELSE 'new@example.com' END");
const PHONE: (&str, &str) =
    ("phone", "CASE WHEN n * 10 <= total THEN '+14155550100' ELSE '+14155550199' END");
/// Which key wrote it.
const WRITER: &str = "CASE WHEN n * 10 <= total THEN 'key_00000000000000000000000001' \
                      ELSE 'key_00000000000000000000000002' END";

/// What happened long ago is what most filters look for: the oldest tenth differs from the rest.
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind {
            resource: "agents",
            prefix: "agent",
            fields: vec![
                required("name", Line(200)),
                required("voice_id", Line(200)),
                optional("greeting", Text(10_000)),
                optional("prompt", Text(50_000)),
                optional("phone_number", Phone),
                optional("knowledge_base_id", Reference("knowledge_base")),
                otherwise("status", Choice(&["active", "paused"]), json!("active")),
            ],
            row: &[
                ("name", "'Ada ' || n"),
                ("voice_id", "'v'"),
                ("status", "CASE WHEN n * 10 <= total THEN 'paused' ELSE 'active' END"),
            ],
        },
        Kind {
            resource: "calls",
            prefix: "call",
            fields: vec![
                required("direction", Choice(&["inbound", "outbound"])),
                required("caller", Phone),
                optional("to", Phone),
                optional("agent_id", Reference("agents")),
                optional(
                    "status",
                    Choice(&["ringing", "in_progress", "completed", "missed", "failed"]),
                ),
                optional("duration_seconds", Integer(0, 2_147_483_647)),
                optional("sentiment", Choice(&["positive", "neutral", "negative"])),
                optional("summary", Text(10_000)),
                optional("recording_url", Url),
                otherwise("transcript", Transcript, json!([])),
                otherwise("tags", Tags, json!([])),
                optional("started_at", Time),
            ],
            row: &[
                ("direction", "CASE WHEN n * 10 <= total THEN 'outbound' ELSE 'inbound' END"),
                ("caller", "'+14155550100'"),
                ("status", "CASE WHEN n * 10 <= total THEN 'missed' ELSE 'completed' END"),
                ("transcript", "'[]'"),
                TAGS,
                // One a minute, in the order of the ids.
                ("occurred_at", "MINUTE"),
            ],
        },
        Kind {
            resource: "contacts",
            prefix: "contact",
            fields: vec![
                required("name", Line(200)),
                optional("phone", Phone),
                optional("email", Email),
                optional("company", Line(200)),
                optional("notes", Text(10_000)),
                otherwise("tags", Tags, json!([])),
            ],
            row: &[("name", "'Ada ' || n"), EMAIL, PHONE, TAGS],
        },
        Kind {
            resource: "integrations",
            prefix: "int",
            fields: vec![
                required("name", Line(200)),
                required(
                    "kind",
                    Choice(&["callrail", "aircall", "customerly", "clari", "webhook", "other"]),
                ),
                optional("description", Text(10_000)),
                otherwise("enabled", Boolean, json!(true)),
                otherwise("settings", Object(16_384), json!({})),
            ],
            row: &[
                ("name", "'Hook ' || n"),
                ("kind", "CASE WHEN n * 10 <= total THEN 'clari' ELSE 'webhook' END"),
                ("enabled", "TRUE"),
                ("settings", "'{}'"),
            ],
        },
        Kind {
            resource: "knowledge_base",
            prefix: "kb",
            fields: vec![
                required("title", Line(200)),
                required("content", Content),
                optional("source_url", Url),
                otherwise("tags", Tags, json!([])),
            ],
            row: &[("title", "'Hours ' || n"), ("content", "'Open from 9'"), TAGS],
        },
        Kind {
            resource: "leads",
            prefix: "lead",
            fields: vec![
                required("name", Line(200)),
                optional("phone", Phone),
                optional("email", Email),
                otherwise(
                    "status",
                    Choice(&["new", "contacted", "qualified", "converted"]),
                    json!("new"),
                ),
                optional("source", Line(200)),
                optional("score", Integer(0, 100)),
                otherwise("tags", Tags, json!([])),
            ],
            row: &[
                ("name", "'Ada ' || n"),
                ("status", "CASE WHEN n * 10 <= total THEN 'converted' ELSE 'new' END"),
                ("source", "CASE WHEN n * 10 <= total THEN 'fair' ELSE 'web' END"),
                EMAIL,
                PHONE,
                TAGS,
            ],
        },
    ]
}

impl Kind {
    pub fn path(&self) -> String {
        format!("/v1/{}", self.resource)
    }

    pub fn path_of(&self, record: &Value) -> String {
        format!("{}/{}", self.path(), record["id"].as_str().unwrap())
    }

    pub fn scope(&self, access: &str) -> String {
        format!("{}:{access}", self.resource)
    }

    /// The id of a record that was not made over HTTP; older than those that are.
    pub fn id(&self, n: u64) -> String {
        format!("{}_{:026}", self.prefix, 1_000_000_000_000 + n)
    }

    /// The body with the required fields alone.
    pub fn least(&self) -> Value {
        let required = self.fields.iter().filter(|field| field.required);
        required.map(|field| (field.name, field.rule.good()[0].clone())).collect()
    }

    /// Stores so many records, the oldest first, one changed each minute, without the application.
    pub fn db_fill(&self, database: &TestDatabase, total: u64) {
        let time = |sql: &str| match database.backend {
            super::Backend::Sqlite => {
                sql.replace("MINUTE", "datetime('2026-01-01', n || ' minutes')")
            }
            super::Backend::Postgres => {
                sql.replace("MINUTE", "TIMESTAMP '2026-01-01' + n * INTERVAL '1 minute'")
            }
        };
        let written = [("updated_at", "MINUTE"), ("created_by", WRITER), ("updated_by", WRITER)];
        let row = || self.row.iter().chain(&written);
        let columns: Vec<&str> = row().map(|(column, _)| *column).collect();
        let values: Vec<String> = row().map(|(_, sql)| time(sql)).collect();
        let values = values.join(", ").replace("total", &total.to_string());
        database.db_execute(&format!(
            "WITH RECURSIVE rows(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows WHERE n < {total})
             INSERT INTO {} (id, created_at, {})
             SELECT '{}_0000000000000' || CAST(1000000000000 + n AS TEXT),
                    '2026-01-01 00:00:00', {values} FROM rows",
            self.resource,
            columns.join(", "),
            self.prefix,
        ));
    }
}
