//! Integrations over HTTP: their filters.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::integration::{Integration, IntegrationFilter};

impl Listed for Integration {
    fn read_filter(query: &mut QueryReader) -> IntegrationFilter {
        IntegrationFilter { kind: query.choice("kind") }
    }
}
