//! A guard from its opening to its end: what it waits for, and what it leaves.

use std::time::Duration;

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use bitting::config::Options;
use bitting::server;
use bitting::server::guard::Guard;
use bitting::store::database::migrate::Missing;

use super::guard::routes;
use super::{TEAM, server_with};
use crate::support::ports::free_port;
use crate::support::relay::Relay;
use crate::support::{Backend, TestDatabase, eventually, on_both};

#[test]
fn a_database_that_comes_later_is_waited_for() {
    let database = TestDatabase::new(Backend::Postgres);
    let mut url = url::Url::parse(&database.url).unwrap();
    // To a port where nobody listens, at first.
    let (there, relay) = (url.port().unwrap(), Relay::to(free_port()));
    url.set_port(Some(relay.port)).unwrap();
    let settings = |wait: &str| {
        let (database_url, database_wait) = (Some(url.to_string()), Some(wait.to_owned()));
        server::settings(Options { database_url, database_wait, ..Options::default() }).unwrap()
    };
    assert!(Guard::open(&settings("0s")).is_err());
    let opening = std::thread::spawn({
        let settings = settings("60s");
        move || server::block_on(Guard::open(&settings).unwrap().close()).unwrap()
    });
    std::thread::sleep(Duration::from_millis(700));
    assert!(!opening.is_finished());
    relay.lead_to(there);
    opening.join().unwrap();
}

#[test]
fn a_guard_that_is_dropped_ends_what_it_started() {
    let database = TestDatabase::new(Backend::Sqlite);
    let options = Options { database_url: Some(database.url.clone()), ..Options::default() };
    let file = database.folder().join("test.db");
    let open_files = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        let files = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        files.filter(|path| *path == file).count()
    };
    let guard = Guard::open(&server::settings(options).unwrap()).unwrap();
    assert!(open_files() > 0);
    drop(guard);
    eventually("its database is closed", || open_files() == 0);
}

on_both! {
    fn an_application_that_goes_on_without_its_guard_accepts_no_key(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:read");
        let options = Options { database_url: Some(server.database.url.clone()), ..Options::default() };
        let settings = server::settings(options).unwrap();
        let bitting = server::open(&settings, server.clock.clone(), Missing::Refuse).unwrap();
        server::block_on(async {
            let guard = Guard::on(bitting, &settings).unwrap();
            let app = App::new().configure(routes).wrap(guard.middleware());
            let app = init_service(app).await;
            let ask = || TestRequest::get().uri("/orders").insert_header(("x-api-key", key.secret.as_str()));
            guard.close().await.unwrap();
            let answer = call_service(&app, ask().to_request()).await;
            assert_eq!(answer.status(), 503);
        });
    }
}
