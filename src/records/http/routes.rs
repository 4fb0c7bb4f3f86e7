//! The paths of the built-in API. Each kind of record is named once: its resource says which scopes
//! its paths need.

use super::describe;
use super::{Listed, analytics, create, delete, find, list, update};
use crate::gate::route::Need;
use crate::http::endpoint::Endpoint;
use crate::records::model::agent::Agent;
use crate::records::model::article::Article;
use crate::records::model::call::Call;
use crate::records::model::contact::Contact;
use crate::records::model::integration::Integration;
use crate::records::model::lead::Lead;
use crate::records::model::resources;
use crate::records::model::resources::ANALYTICS;

/// Every endpoint of the built-in API. GET and HEAD need `read`, the other methods `write`.
pub fn endpoints() -> Vec<Endpoint> {
    let records = [
        of_kind::<Agent>(),
        of_kind::<Call>(),
        of_kind::<Article>(),
        of_kind::<Contact>(),
        of_kind::<Integration>(),
        of_kind::<Lead>(),
    ];
    let analytics = [
        Endpoint::new("/v1/analytics/overview", Need::Scope(ANALYTICS))
            .get(analytics::overview, describe::analytics::overview),
        Endpoint::new("/v1/analytics/usage", Need::Scope(ANALYTICS))
            .get(analytics::usage, describe::analytics::usage),
    ];
    records.into_iter().flatten().chain(analytics).collect()
}

/// All records of a kind, and one of them.
fn of_kind<F: Listed>() -> [Endpoint; 2] {
    let all = resources::path(F::RESOURCE);
    let one = format!("{all}/{{id}}");
    let endpoint = |path| Endpoint::new(path, Need::Scope(F::RESOURCE));
    [
        endpoint(all).get(list::<F>, describe::list::<F>).post(create::<F>, describe::create::<F>),
        endpoint(one)
            .get(find::<F>, describe::find::<F>)
            .patch(update::<F>, describe::update::<F>)
            .delete(delete::<F>, describe::delete::<F>),
    ]
}
