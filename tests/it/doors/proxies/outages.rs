//! While Bitting cannot say yes, the door is closed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bitting::config::ListenAddress;

use super::{Scene, ask_at, bearer, each_proxy};
use crate::support::ports::NOBODY;
use crate::support::proxy::{Kind, Proxy};
use crate::support::relay::Relay;
use crate::support::upstream::Upstream;
use crate::support::{Backend, TestDatabase, eventually};

each_proxy! {
    fn nothing_passes_while_bitting_is_stopped(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("orders:read orders:write");
        assert_eq!(scene.ask(&key, "GET /orders").verdict(), "allowed", "{kind:?}");
        assert_eq!(scene.upstream.take().len(), 1);
        let Scene { proxy, server, upstream, .. } = scene;
        server.stop();
        for request in ["GET /orders", "POST /orders", "OPTIONS /orders", "GET /nothing"] {
            let told = ask_at(proxy.address, request, &bearer(&key));
            assert!((500..=504).contains(&told.status), "{kind:?}: {}", told.text);
            assert!(upstream.take().is_empty(), "{kind:?}");
        }
    }
}

each_proxy! {
    fn nothing_passes_while_bitting_does_not_answer(kind) {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
        let bitting = silent.local_addr().unwrap();
        let proxy = Proxy::start(kind, folder.path(), ListenAddress::Tcp(bitting), upstream.address);
        let Some(proxy) = proxy else { return };
        let asked = Instant::now();
        let told = ask_at(proxy.address, "GET /orders", "Authorization: Bearer x\r\n");
        // Each file says 3 s, and this machine may be busy.
        assert!(asked.elapsed() < Duration::from_secs(9), "{kind:?}: {:?}", asked.elapsed());
        assert!((500..=504).contains(&told.status), "{kind:?}: {}", told.text);
        assert!(upstream.take().is_empty());
    }
}

each_proxy! {
    fn nothing_passes_while_the_database_is_away_for_too_long(kind) {
        let inner = TestDatabase::migrated(Backend::Postgres);
        let (server, name) = inner.url.rsplit_once('/').unwrap();
        let (user, port) = server.rsplit_once(':').unwrap();
        assert!(user.ends_with("@127.0.0.1"), "{server}");
        let relay = Relay::to(port.parse().unwrap());
        let url = format!("{user}:{}/{name}", relay.port);
        let database = TestDatabase::at(Backend::Postgres, url);
        let Some(scene) = Scene::on(kind, database, "") else { return };
        let key = scene.server.key("orders:read");
        assert_eq!(scene.ask(&key, "GET /orders").verdict(), "allowed", "{kind:?}");
        relay.lead_to(NOBODY);
        scene.server.clock.pass(Duration::from_secs(6));
        eventually("nothing passes", || {
            scene.server.bitting.time.tick();
            scene.ask(&key, "GET /orders").status != 200
        });
        scene.upstream.take();
        for request in ["GET /orders", "DELETE /orders", "GET /orders/status"] {
            let told = scene.ask(&key, request);
            let expected = match kind {
                Kind::Nginx => (403, "unavailable"),
                Kind::Caddy | Kind::HaProxy => (503, "unavailable"),
                // What the server says of a failure stays between the two.
                Kind::Envoy => (503, "503"),
            };
            assert_eq!((told.status, &*told.verdict()), expected, "{kind:?}: {}", told.text);
            let waits = !told.header("retry-after").is_empty();
            assert_eq!(waits, kind != Kind::Envoy, "{kind:?}: {}", told.text);
            scene.nothing_served(request);
        }
        relay.lead_to(port.parse().unwrap());
        eventually("it passes again", || scene.ask(&key, "GET /orders").status == 200);
    }
}
