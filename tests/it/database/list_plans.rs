//! How the databases answer lists: by an index that has the order already, whatever the filter.

use bitting::model::id::{KeyId, PublicId};
use bitting::model::page::{Cursor, Limit, PageRequest};
use bitting::model::time::parse_rfc3339;
use bitting::records::domain::RecordKind;
use bitting::records::model::agent::{Agent, AgentFilter, AgentStatus};
use bitting::records::model::article::{Article, ArticleFilter};
use bitting::records::model::call::{Call, CallFilter, CallStatus, Direction};
use bitting::records::model::contact::{Contact, ContactFilter};
use bitting::records::model::integration::{Integration, IntegrationFilter, IntegrationKind};
use bitting::records::model::lead::{Lead, LeadFilter, LeadStatus};
use bitting::records::model::{WriterFilter, resources};

use crate::support::kinds::{Kind, kinds};
use crate::support::plans::{db_plans, note_statements, noted};
use crate::support::{Backend, TestServer, on_both};

const ROWS: u64 = 20_000;

/// The statements of one page, each with its values.
fn db_statements<F: RecordKind>(
    server: &TestServer,
    filter: &F::Filter,
    writers: &WriterFilter,
    cursor: Option<String>,
) -> Vec<String> {
    let request = PageRequest { limit: Limit::default(), cursor: cursor.map(Cursor) };
    noted(|| F::list(&server.bitting, filter, writers, &request).unwrap())
}

/// The index on a table's ids.
fn key_of(backend: Backend, table: &str) -> String {
    match backend {
        Backend::Sqlite => format!("sqlite_autoindex_{table}_1"),
        Backend::Postgres => format!("{table}_pkey"),
    }
}

/// The first page and a later one.
fn assert_goes_by<F: RecordKind>(server: &TestServer, what: &str, filter: &F::Filter, index: &str) {
    assert_goes::<F>(server, what, filter, &WriterFilter::default(), index);
}

/// The same of records that a key wrote.
fn assert_goes_by_writers<F: RecordKind>(server: &TestServer)
where
    F::Filter: Default,
{
    let (old, table) = (KeyId::from_number(1), resources::name(F::RESOURCE));
    let created = WriterFilter { created_by: Some(old), ..WriterFilter::default() };
    let updated = WriterFilter { updated_by: Some(old), ..WriterFilter::default() };
    for (writers, what) in [(created, "created_by"), (updated, "updated_by")] {
        let index = format!("{table}_{what}");
        assert_goes::<F>(server, what, &F::Filter::default(), &writers, &index);
    }
}

fn assert_goes<F: RecordKind>(
    server: &TestServer,
    what: &str,
    filter: &F::Filter,
    writers: &WriterFilter,
    index: &str,
) {
    let kind = kind(resources::name(F::RESOURCE));
    for cursor in [None, Some(kind.id(ROWS / 20))] {
        for statement in db_statements::<F>(server, filter, writers, cursor) {
            for plan in db_plans(&server.database, &statement) {
                let case = format!("{} by {what}: {statement:.300}\n{plan}", kind.resource);
                let known =
                    ["`id` IN (", r#""id" = ANY("#].iter().any(|ids| statement.contains(ids));
                if known && !statement.contains("octet_length") {
                    // The rows of a page, whose ids are known by now.
                    let key = key_of(server.database.backend, kind.resource);
                    assert!(plan.contains(&key) && !plan.contains("Seq Scan"), "{case}");
                    continue;
                }
                assert!(plan.contains(index), "not by {index}: {case}");
                for wrong in ["Seq Scan", "Sort", "TEMP B-TREE", "Bitmap"] {
                    assert!(!plan.contains(wrong), "{wrong}: {case}");
                }
                let table = format!("SCAN {}\n", kind.resource);
                assert!(!format!("{plan}\n").contains(&table), "reads the table: {case}");
            }
        }
    }
}

fn kind(resource: &str) -> Kind {
    kinds().into_iter().find(|kind| kind.resource == resource).unwrap()
}

on_both! {
    fn every_list_goes_by_an_index_that_has_its_order(backend) {
        note_statements();
        let server = TestServer::start(backend);
        for kind in kinds() {
            kind.db_fill(&server.database, ROWS);
        }
        if backend == Backend::Postgres {
            server.database.db_execute("VACUUM ANALYZE");
        }
        let key_of = |table: &str| key_of(backend, table);

        assert_goes_by::<Agent>(&server, "nothing", &AgentFilter::default(), &key_of("agents"));
        let paused = AgentFilter { status: Some(AgentStatus::Paused) };
        assert_goes_by::<Agent>(&server, "status", &paused, "agents_status");

        let any = LeadFilter::default;
        assert_goes_by::<Lead>(&server, "nothing", &any(), &key_of("leads"));
        let status = Some(LeadStatus::Converted);
        let converted = LeadFilter { status, ..any() };
        assert_goes_by::<Lead>(&server, "status", &converted, "leads_status");
        let source = Some("fair".to_owned());
        let fair = LeadFilter { source, ..any() };
        assert_goes_by::<Lead>(&server, "source", &fair, "leads_source");

        let clari = IntegrationFilter { kind: Some(IntegrationKind::Clari) };
        assert_goes_by::<Integration>(&server, "kind", &clari, "integrations_kind");
        let any = IntegrationFilter::default();
        assert_goes_by::<Integration>(&server, "nothing", &any, &key_of("integrations"));

        let any = ContactFilter::default();
        assert_goes_by::<Contact>(&server, "nothing", &any, &key_of("contacts"));
        let text = ContactFilter { text: Some("ada".to_owned()), ..any };
        assert_goes_by::<Contact>(&server, "q", &text, &key_of("contacts"));

        let any = ArticleFilter::default();
        assert_goes_by::<Article>(&server, "nothing", &any, &key_of("knowledge_base"));

        assert_goes_by_writers::<Agent>(&server);
        assert_goes_by_writers::<Article>(&server);
        assert_goes_by_writers::<Call>(&server);
        assert_goes_by_writers::<Contact>(&server);
        assert_goes_by_writers::<Integration>(&server);
        assert_goes_by_writers::<Lead>(&server);

        let (email, phone) = (|| Some("old@example.com".to_owned()), || Some("+14155550100".to_owned()));
        let by = LeadFilter { email: email(), ..LeadFilter::default() };
        assert_goes_by::<Lead>(&server, "email", &by, "leads_email");
        let by = LeadFilter { phone: phone(), ..LeadFilter::default() };
        assert_goes_by::<Lead>(&server, "phone", &by, "leads_phone");
        let by = ContactFilter { email: email(), ..ContactFilter::default() };
        assert_goes_by::<Contact>(&server, "email", &by, "contacts_email");
        let by = ContactFilter { phone: phone(), ..ContactFilter::default() };
        assert_goes_by::<Contact>(&server, "phone", &by, "contacts_phone");

        let any = CallFilter::default;
        // Either index on the ids will do: the table's own, or the one with the times.
        assert_goes_by::<Call>(&server, "nothing", &any(), "calls_");
        let direction = CallFilter { direction: Some(Direction::Outbound), ..any() };
        assert_goes_by::<Call>(&server, "direction", &direction, "calls_direction");
        let status = CallFilter { status: Some(CallStatus::Missed), ..any() };
        assert_goes_by::<Call>(&server, "status", &status, "calls_status");
        let agent_id = CallFilter { agent_id: Some(kind("agents").id(7)), ..any() };
        assert_goes_by::<Call>(&server, "agent_id", &agent_id, "calls_agent");
        let moment = |text| parse_rfc3339(text);
        let old = CallFilter { to: moment("2026-01-09T00:00:00Z"), ..any() };
        let missed = CallFilter { status: Some(CallStatus::Missed), ..old.clone() };
        let recent = CallFilter { from: moment("2026-01-10T00:00:00Z"), ..any() };
        let narrow = CallFilter {
            from: moment("2026-01-02T00:00:00Z"),
            to: moment("2026-01-02T12:00:00Z"),
            ..any()
        };
        for period in [old, missed, recent, narrow] {
            assert_goes_by_time::<Call>(&server, &period);
        }
        for since in ["2026-01-02T00:00:00Z", "2026-01-10T00:00:00Z", "2026-01-14T20:00:00Z"] {
            let updated_since = moment(since);
            for email in [None, email()] {
                let leads = LeadFilter { updated_since, email: email.clone(), ..LeadFilter::default() };
                assert_goes_by_time::<Lead>(&server, &leads);
                let contacts = ContactFilter { updated_since, email, ..ContactFilter::default() };
                assert_goes_by_time::<Contact>(&server, &contacts);
            }
        }
    }
}

/// The first page of a period and a later one.
fn assert_goes_by_time<F: RecordKind>(server: &TestServer, filter: &F::Filter) {
    let table = resources::name(F::RESOURCE);
    for cursor in [None, Some(kind(table).id(ROWS / 20))] {
        for statement in db_statements::<F>(server, filter, &WriterFilter::default(), cursor) {
            for plan in db_plans(&server.database, &statement) {
                let case = format!("{statement:.300}\n{plan}");
                let indexed = plan.contains(&format!("{table}_"));
                assert!(!plan.contains("Seq Scan") && indexed, "{case}");
                // What is sorted are the period's records, or a page whose ids are known.
                let sorts = plan.contains("Sort") || plan.contains("TEMP B-TREE");
                let known = statement.contains("IN (") || statement.contains("ANY(");
                // The index for the overview begins with the time, too.
                let by_time = ["occurred", "updated", "overview"];
                let by_time = by_time.map(|time| format!("{table}_{time}"));
                let is_by_time = by_time.iter().any(|index| plan.contains(index));
                assert!(!sorts || known || is_by_time, "{case}");
            }
        }
    }
}
