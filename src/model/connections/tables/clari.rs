//! Clari Revenue's API. An export is begun with POST and only reads. Its results cannot be told apart
//! by the job they are of, so that whoever may read one export may read all. To cancel other people's
//! jobs is closed, and so is to bring data in, which takes a second secret.

use std::sync::LazyLock;

use super::super::table::Table;
use super::offered::{Offered, read};

static TABLE: LazyLock<Table> = LazyLock::new(|| read(TEXT));

pub(super) fn offered() -> Offered {
    Offered { table: &TABLE, text: TEXT, test: "GET /v4/admin/limits", secrets: &[], links: &[] }
}

const TEXT: &str = "\
GET    /{version}/admin/limits               any
POST   /{version}/export/forecast/{id}       analytics:read
POST   /{version}/export/activity            analytics:read
POST   /{version}/export/audit/events        analytics:read
GET    /{version}/export/jobs                analytics:read
GET    /{version}/export/jobs/{id}           analytics:read
GET    /{version}/export/jobs/{id}/results   analytics:read
GET    /{version}/opportunity                leads:read
GET    /{version}/audit/events               integrations:read
";
