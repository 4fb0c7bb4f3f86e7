//! nginx that asks over a Unix socket.

use bitting::config::{ListenAddress, Options};
use serde_json::json;

use super::{Scene, TEAM};
use crate::support::proxy::{Kind, Proxy};
use crate::support::upstream::Upstream;
use crate::support::{TestDatabase, TestServer, on_both};

on_both! {
    fn nginx_asks_over_a_socket_and_says_where_its_clients_are(backend) {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (folder.path().join("bitting.toml"), folder.path().join("b.sock"));
        std::fs::write(&file, TEAM).unwrap();
        let options = Options {
            config: Some(file.display().to_string()),
            listen: vec![format!("unix:{}", path.display())],
            trusted_proxies: Some("unix".into()),
            ..Options::default()
        };
        let server = TestServer::on(TestDatabase::migrated(backend).into(), options);
        let upstream = Upstream::start();
        let bitting = ListenAddress::Unix(path);
        let Some(proxy) = Proxy::start(Kind::Nginx, folder.path(), bitting, upstream.address) else {
            return;
        };
        let scene = Scene { kind: Kind::Nginx, proxy, server, upstream, _folder: folder };
        let key = |networks: &str| {
            scene.server.key_with("orders:read", json!({"allowed_networks": networks}))
        };
        let (here, elsewhere) = (key("127.0.0.0/8"), key("203.0.113.0/24"));
        for _ in 0..3 {
            assert_eq!(scene.ask(&here, "GET /orders/7").verdict(), "allowed");
            scene.served(&here, [&here.id, "test", "", "orders:read"]);
            assert_eq!(scene.ask(&here, "DELETE /orders/7").verdict(), "insufficient_scope");
            assert_eq!(scene.ask(&elsewhere, "GET /orders/7").verdict(), "address_not_allowed");
            scene.nothing_served("refused");
        }
        scene.server.db_flush();
        let shown = scene.server.manage("GET", &format!("/v1/keys/{}", here.id), None).ok();
        assert_eq!(shown["addresses"][0]["address"], "127.0.0.1");
        assert_eq!(shown["usage"]["24h"]["ok"], 3);
        assert_eq!(shown["usage"]["24h"]["forbidden"], 3);
    }
}
