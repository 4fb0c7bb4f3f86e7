//! What somebody else's request asks of a key: the resource that its path belongs to, and what its
//! method does there. A request that cannot be mapped is refused and never guessed at.

use super::catalog::{Catalog, ResourceNumber};
use super::request_path::normal;
use super::request_query::names_method;
use super::request_rule::is_method;
use super::scope::Access;

/// What a request asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// The resource it is counted under.
    pub resource: ResourceNumber,
    /// What it does there.
    pub access: Access,
    /// Whether a live key is enough, without a scope.
    pub open: bool,
    /// Whether the resource can be had with that access at all.
    pub offered: bool,
}

/// Why a request belongs to no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmapped {
    /// Its method or path is missing, was sent twice, or is spelled so that two servers may read it
    /// differently; or its query names another method.
    Ambiguous,
    /// No resource is at its path.
    UnknownResource,
}

impl Catalog {
    /// What a request of this method and target asks of a key. Of the resource's rules, those for
    /// open requests come first. OPTIONS asks for read.
    ///
    /// # Errors
    /// [`Unmapped`] when it belongs to no resource.
    pub fn requirement(&self, method: &str, target: &str) -> Result<Requirement, Unmapped> {
        let is_clear = is_method(method) && !names_method(target);
        let path = normal(target).filter(|_| is_clear).ok_or(Unmapped::Ambiguous)?;
        let resource = self.at_path(&path).ok_or(Unmapped::UnknownResource)?;
        if self.depends_on_spelling(&path) {
            return Err(Unmapped::Ambiguous);
        }
        let requests = &resource.requests;
        let reads =
            method == "OPTIONS" || requests.reads.iter().any(|rule| rule.covers(method, &path));
        let access = if reads { Access::Read } else { Access::of_method(method) };
        let open = requests.open.iter().any(|rule| rule.covers(method, &path));
        let offered = open || resource.offers(access);
        Ok(Requirement { resource: resource.number, access, open, offered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::{Requests, Resource, sample};

    fn catalog() -> Catalog {
        let resource =
            |number, name: &str, requests| Resource { requests, ..sample::resource(number, name) };
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let rules = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Catalog::new([
            resource(
                1,
                "orders",
                Requests {
                    paths: paths(&["/orders", "/api/v2/orders"]),
                    reads: rules(&["POST /orders/search", "POST /orders/*/preview"]),
                    open: rules(&["GET /orders/status", "POST /orders/search/help"]),
                },
            ),
            resource(
                2,
                "lines",
                Requests { paths: paths(&["/orders/lines"]), ..Requests::default() },
            ),
            resource(
                4,
                "admin",
                Requests {
                    paths: paths(&["/orders:purge", "/orders/@all"]),
                    ..Requests::default()
                },
            ),
            resource(3, "reports", Requests { paths: paths(&["/reports"]), ..Requests::default() }),
        ])
    }

    fn asked(catalog: &Catalog, request: &str) -> String {
        let (method, target) = request.split_once(' ').unwrap();
        match catalog.requirement(method, target) {
            Err(why) => format!("{why:?}"),
            Ok(Requirement { resource, access, open, offered }) => {
                let name = catalog.name_of(Some(resource));
                let (open, offered) =
                    (if open { " open" } else { "" }, if offered { "" } else { " not offered" });
                format!("{name}:{}{open}{offered}", access.as_str())
            }
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins_and_rules_match_whole_paths() {
        let catalog = catalog();
        for (request, wanted) in [
            ("GET /orders", "orders:read"),
            ("HEAD /orders/", "orders:read"),
            ("OPTIONS /orders", "orders:read"),
            ("GET /orders/7/lines", "orders:read"),
            ("DELETE /orders/7", "orders:write"),
            ("PUT /api/v2/orders/7?x=1", "orders:write"),
            ("PROPFIND /orders", "orders:write"),
            ("GET /orders/lines", "lines:read"),
            ("GET /orders/lines/7/8/9", "lines:read"),
            ("GET /orders/linesx", "orders:read"),
            ("POST /orders/search", "orders:read"),
            ("POST /orders/search?q=x", "orders:read"),
            ("POST /orders/search/", "orders:write"),
            ("PUT /orders/search", "orders:write"),
            ("POST /orders/7/preview", "orders:read"),
            ("GET /orders/status", "orders:read open"),
            ("HEAD /orders/status", "orders:read open"),
            ("POST /orders/status", "orders:write"),
            ("POST /orders/search/help", "orders:write open"),
            ("GET /reports/7", "reports:read"),
            ("POST /reports", "reports:write not offered"),
            ("GET /ordersx", "UnknownResource"),
            ("GET /api/v2", "UnknownResource"),
            ("GET /api/v1/orders", "UnknownResource"),
            ("GET /", "UnknownResource"),
            ("GET /Orders", "UnknownResource"),
            ("POST /orders/search?x=1&_method=DELETE", "Ambiguous"),
            ("POST /orders?%5fMethod=PUT", "Ambiguous"),
            ("POST /orders/search?.method=DELETE", "Ambiguous"),
            ("POST /orders/search?_method%00=DELETE", "Ambiguous"),
            ("POST /orders?my_method=x&x=_method", "orders:write"),
            ("GET /orders/Lines", "Ambiguous"),
            ("GET /orders/LINES/7", "Ambiguous"),
            ("GET /orders/l%C4%B0nes/7", "Ambiguous"),
            ("GET /orders/l%C4%B1nes", "Ambiguous"),
            ("GET /orders/line%C5%BF", "Ambiguous"),
            ("GET /orders/l%C3%ACnes", "orders:read"),
            ("GET /orders/linesX", "orders:read"),
            ("GET /orders/lines.json", "Ambiguous"),
            ("GET /orders/Lines.tar.gz", "Ambiguous"),
            ("GET /orders/lines./7", "Ambiguous"),
            ("GET /orders/lines%20", "Ambiguous"),
            ("GET /orders/7.json", "orders:read"),
            ("GET /orders/.lines", "orders:read"),
            ("GET /api/v2/orders.json", "UnknownResource"),
            ("GET /orders.json", "UnknownResource"),
            ("POST /orders:purge.json", "UnknownResource"),
            ("GET /orders/7/Lines", "orders:read"),
            ("GET /orders/7/a%40b", "orders:read"),
            ("POST /orders%3Apurge", "UnknownResource"),
            ("GET /orders/%40all/7", "Ambiguous"),
            ("GET /orders/@all", "admin:read"),
            ("POST /orders:purge", "admin:write"),
            ("GET /orders/../reports", "Ambiguous"),
            ("get /orders", "Ambiguous"),
            ("GET ", "Ambiguous"),
            (" /orders", "Ambiguous"),
            ("GET, POST /orders", "Ambiguous"),
            ("GET orders", "Ambiguous"),
        ] {
            assert_eq!(asked(&catalog, request), wanted, "{request}");
        }
    }

    #[test]
    fn a_spelling_matters_only_where_another_resource_is_found() {
        let resource = |number, name: &str, paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            Resource {
                requests: Requests { paths, ..Requests::default() },
                ..sample::resource(number, name)
            }
        };
        let catalog = Catalog::new([
            resource(1, "api", &["/api", "/api/archive"]),
            resource(2, "schema", &["/api/v1.json", "/api/report.csv"]),
            resource(4, "cafe", &["/api/caf%C3%A9"]),
            resource(5, "shop", &["/Shop"]),
        ]);
        for (request, wanted) in [
            ("GET /api/archive.zip", "api:read"),
            ("GET /api/Archive/1", "api:read"),
            ("GET /api/v1/orders/9", "api:read"),
            ("GET /api/v1/orders/9.pdf", "api:read"),
            ("GET /api/v1/orders/A%20b", "api:read"),
            ("GET /api/report", "api:read"),
            ("GET /api/v1.json/x", "schema:read"),
            ("GET /api/v1.xml", "Ambiguous"),
            ("GET /api/report.pdf", "Ambiguous"),
            ("GET /api/caf%C3%A9", "cafe:read"),
            ("GET /api/caf%C3%89", "Ambiguous"),
            ("GET /api/CAF%C3%89.html", "Ambiguous"),
            ("GET /api/caf%C3%A8", "api:read"),
            ("GET /shop", "UnknownResource"),
        ] {
            assert_eq!(asked(&catalog, request), wanted, "{request}");
        }
    }

    #[test]
    fn one_prefix_may_be_all_paths() {
        let all = Requests { paths: vec![String::new()], ..Requests::default() };
        let everything = Resource { requests: all, ..sample::resource(1, "all") };
        let catalog = Catalog::new([everything, sample::resource(2, "leads")]);
        for (request, wanted) in [
            ("GET /", "all:read"),
            ("POST /x/Y", "all:write"),
            ("GET /leads/7", "leads:read"),
            ("GET /Leads", "Ambiguous"),
            ("GET /leads.json", "Ambiguous"),
            ("GET /leads.json/x", "Ambiguous"),
            ("GET /img/leads.png", "all:read"),
        ] {
            assert_eq!(asked(&catalog, request), wanted, "{request}");
        }
    }
}
