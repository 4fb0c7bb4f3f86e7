//! What a proxy asks Bitting, and tells the API of who asks: the head of the request alone, by the
//! name that the client used, and from the address that the proxy sees.

use std::net::SocketAddr;

use bitting::config::ListenAddress;
use tempfile::TempDir;

use super::{Told, ask_at, bearer, each_proxy, send_to, with_body};
use crate::support::proxy::{Kind, Proxy};
use crate::support::server::MadeKey;
use crate::support::upstream::{Seen, Upstream};
use crate::support::{Backend, Origin};

/// What a client says of where it comes from.
const CLAIMS: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: gopher\r\n";

/// A proxy that asks somebody else than Bitting, and an API behind it.
struct Scene {
    proxy: Proxy,
    api: Upstream,
    _folder: TempDir,
}

impl Scene {
    fn before(kind: Kind, judge: SocketAddr) -> Option<Self> {
        let (folder, api) = (tempfile::tempdir().unwrap(), Upstream::start());
        let judge = ListenAddress::Tcp(judge);
        let proxy = Proxy::start(kind, folder.path(), judge, api.address)?;
        Some(Self { proxy, api, _folder: folder })
    }

    fn ask(&self, request: &str, headers: &str) -> Told {
        ask_at(self.proxy.address, request, headers)
    }
}

fn key() -> MadeKey {
    MadeKey { id: "key_1".to_owned(), secret: "secret".to_owned() }
}

/// The one request that has come.
#[track_caller]
fn only(upstream: &Upstream) -> Seen {
    let mut seen = upstream.take();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    seen.remove(0)
}

each_proxy! {
    fn bitting_is_asked_about_the_head_alone(kind) {
        let judge = Upstream::start();
        let Some(scene) = Scene::before(kind, judge.address) else { return };
        for chunked in [false, true] {
            send_to(scene.proxy.address, &with_body(&key(), "POST /orders?x=1", "a body", chunked));
            let asked = only(&judge);
            assert!(asked.body.is_empty(), "{kind:?}: {asked:#?}");
            let length = asked.all("content-length");
            assert!(length.is_empty() || length == ["0"], "{kind:?}: {asked:#?}");
            assert!(asked.all("transfer-encoding").is_empty(), "{kind:?}: {asked:#?}");
            assert_eq!(asked.all("authorization"), ["Bearer secret"], "{kind:?}: {asked:#?}");
            let (method, target) = match kind {
                Kind::Nginx => ("x-original-method", "x-original-uri"),
                Kind::Caddy | Kind::HaProxy => ("x-forwarded-method", "x-forwarded-uri"),
                Kind::Envoy => {
                    assert_eq!(asked.method(), "POST", "{asked:#?}");
                    assert_eq!(asked.target(), "/authz/envoy/orders?x=1", "{asked:#?}");
                    continue;
                }
            };
            assert_eq!(asked.method(), "GET", "{kind:?}: {asked:#?}");
            assert_eq!(asked.all(method), ["POST"], "{kind:?}: {asked:#?}");
            assert_eq!(asked.all(target), ["/orders?x=1"], "{kind:?}: {asked:#?}");
        }
    }
}

each_proxy! {
    fn where_a_client_comes_from_is_said_by_the_proxy_alone(kind) {
        let judge = Upstream::start();
        let Some(scene) = Scene::before(kind, judge.address) else { return };
        scene.ask("GET /orders", &format!("{}{CLAIMS}", bearer(&key())));
        let (asked, served) = (only(&judge), only(&scene.api));
        for seen in [&asked, &served] {
            let addresses = seen.all("x-forwarded-for");
            // Envoy appends, and to a client on its own machine gives an address of its own. What
            // stands to the left of that is not believed.
            let last = addresses.last().and_then(|list| list.rsplit(',').next());
            let said = kind == Kind::Envoy && last.is_some_and(|last| last != "203.0.113.9");
            assert!(said || addresses == ["127.0.0.1"], "{kind:?}: {seen:#?}");
        }
        // The client of a file with TLS has come by it, though not in this test.
        let scheme = if matches!(kind, Kind::Nginx | Kind::HaProxy) { "https" } else { "http" };
        assert_eq!(served.all("x-forwarded-proto"), [scheme], "{kind:?}: {served:#?}");
        assert_eq!(served.all("host"), ["api.example.com"], "{kind:?}: {served:#?}");
        if matches!(kind, Kind::Nginx | Kind::Caddy) {
            assert_eq!(asked.all("host"), ["api.example.com"], "{kind:?}: {asked:#?}");
        }
    }
}

each_proxy! {
    /// Who serves at its address may not be Bitting.
    fn only_a_clear_yes_opens_the_door(kind) {
        for answer in [
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            "nonsense\r\n\r\n",
            "",
        ] {
            let judge = Origin::talking(move |talk| {
                if talk.request().is_some() {
                    talk.say(answer);
                }
            });
            let Some(scene) = Scene::before(kind, judge.address) else { return };
            let told = scene.ask("GET /orders", &bearer(&key()));
            assert_ne!(told.status, 200, "{kind:?}: {answer}: {}", told.text);
            let passed = scene.api.take();
            assert!(passed.is_empty(), "{kind:?}: {answer}: {passed:#?}");
        }
    }
}

#[test]
fn haproxy_asks_about_paths_alone() {
    let Some(scene) = super::Scene::set(Kind::HaProxy, Backend::Sqlite, "") else { return };
    let key = scene.server.key("orders:read");
    for request in ["OPTIONS *", "GET *"] {
        assert_eq!(scene.ask(&key, request).status, 400, "{request}");
    }
    scene.nothing_served("no path");
    assert_eq!(scene.server.total(&key), 0, "nothing was judged");
}

/// It would tell a client what a key may do that is not its own to ask about.
#[test]
fn nobody_but_nginx_itself_asks_at_its_inner_location() {
    let Some(scene) = super::Scene::set(Kind::Nginx, Backend::Sqlite, "") else { return };
    let key = scene.server.key("orders:read");
    for target in ["/_bitting", "/_bitting?x=1", "http://api.example.com/_bitting"] {
        assert_eq!(scene.ask(&key, &format!("GET {target}")).status, 404, "{target}");
    }
    scene.nothing_served("the inner location");
    assert_eq!(scene.server.total(&key), 0, "nothing was judged");
}
