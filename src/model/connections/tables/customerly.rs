//! Customerly's API, version 1: the few requests that are known for certain.

use std::sync::LazyLock;

use super::super::table::Table;
use super::offered::{Offered, read};

static TABLE: LazyLock<Table> = LazyLock::new(|| read(TEXT));

pub(super) fn offered() -> Offered {
    Offered { table: &TABLE, text: TEXT, test: "GET /v1/tags", secrets: &[], links: &[] }
}

const TEXT: &str = "\
GET    /v1/users/list              contacts:read
GET    /v1/tags                    contacts:read
POST   /v1/users                   contacts:write
GET    /v1/leads/list              leads:read
POST   /v1/leads                   leads:write
GET    /v1/knowledge/collections   knowledge_base:read
GET    /v1/knowledge/articles/     knowledge_base:read
";
