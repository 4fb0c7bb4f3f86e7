//! `Idempotency-Key` when the same request comes many times at once, and when a server dies.

use std::io::Write as _;
use std::sync::{Arc, Barrier, mpsc};

use bitting::config::Options;
use bitting::store::AnyConnection;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::{Value, json};

use crate::api::idempotency::{call, calls, kept, post};
use crate::support::client::Client;
use crate::support::{
    Answer, Backend, Binary, TestDatabase, TestServer, binary, eventually, on_both, rounds,
};

/// Keeps everybody else from making calls while it lasts.
struct Blockade(AnyConnection);

impl Blockade {
    fn on(database: &TestDatabase) -> Self {
        let begin = match database.backend {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN; LOCK TABLE calls IN EXCLUSIVE MODE",
        };
        let mut connection = match database.backend {
            Backend::Sqlite => AnyConnection::Sqlite(database.db_sqlite()),
            Backend::Postgres => {
                AnyConnection::Postgres(PgConnection::establish(&database.url).unwrap())
            }
        };
        connection.batch_execute(begin).unwrap();
        Self(connection)
    }

    fn end(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

on_both! {
    fn while_the_first_runs_the_second_is_told_so(backend) {
        let server = TestServer::start(backend);
        let other = TestServer::on(server.database.clone(), Options::default());
        let key = server.key("calls:read calls:write");
        let rounds = match backend {
            Backend::Sqlite => &[(&server, true), (&server, false)][..],
            // Two SQLite servers wait for each other instead.
            Backend::Postgres => &[(&server, true), (&server, false), (&other, true)][..],
        };
        for (round, (second, in_time)) in rounds.iter().enumerate() {
            let name = format!("k{round}");
            let blockade = Blockade::on(&server.database);
            let (sender, answers) = mpsc::channel();
            std::thread::scope(|scope| {
                for client in [&server.client, &second.client] {
                    let (sender, name, key) = (sender.clone(), name.as_str(), &key);
                    scope.spawn(move || {
                        let answer = post(client, &key.secret, "/v1/calls", &[name], &call("x"));
                        sender.send(answer).unwrap();
                    });
                }
                let refused = answers.recv().unwrap();
                refused.expect(409, "idempotency_in_progress");
                if *in_time {
                    blockade.end();
                    assert_eq!(answers.recv().unwrap().expect(201, "").status, 201);
                } else {
                    answers.recv().unwrap().expect(503, "unavailable");
                    blockade.end();
                }
            });
            // Whatever became of the first, the next is no conflict.
            let next = post(&second.client, &key.secret, "/v1/calls", &[&name], &call("x"));
            let replayed = if *in_time { "true" } else { "" };
            assert_eq!(next.expect(201, "").header("idempotency-replayed"), replayed);
            assert_eq!(calls(&server.database), round as i64 + 1);
        }
    }
}

on_both! {
    fn a_server_that_is_killed_in_the_middle_leaves_nothing_behind(backend) {
        let database = TestDatabase::new(backend);
        let folder = database.folder();
        let create = ["key", "create", "--name", "k", "--scope", "calls:write"];
        let url = ["--database-url", database.url.as_str()];
        let secret = binary::run_ok(&folder, &[&create[..], &url[..]].concat());
        let server = Binary::serve(&folder, &url);
        let blockade = Blockade::on(&database);
        let head = "POST /v1/calls HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
        let body = call("x").to_string();
        let mut stream =
            std::net::TcpStream::connect(server.client.base.strip_prefix("http://").unwrap()).unwrap();
        write!(
            stream,
            "{head}Authorization: Bearer {secret}\r\nIdempotency-Key: k\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // The second is refused as soon as the first has begun; a blockade outlasts both.
        let second = post(&server.client, &secret, "/v1/calls", &["k"], &call("x"));
        assert!([409, 503].contains(&second.status), "{second:#?}");
        server.signal("KILL");
        server.wait();
        blockade.end();
        let server = Binary::serve(&folder, &url);
        let fresh = || post(&server.client, &secret, "/v1/calls", &["k"], &call("x"));
        // PostgreSQL notices in its own time that a client is gone.
        eventually("the key is free", || fresh().status == 201);
        assert_eq!(fresh().header("idempotency-replayed"), "true");
        assert_eq!((calls(&database), kept(&database)), (1, 1));
    }
}

/// Sends one request from many clients at once, until each has the answer; returns the answers
/// that were no conflict, and how many conflicts there were.
fn race(
    servers: &[&TestServer],
    secret: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> (Vec<Answer>, usize) {
    const CLIENTS: usize = 64;
    let barrier = Arc::new(Barrier::new(CLIENTS));
    let client = |n: usize| {
        let client = Client::new(&servers[n % servers.len()].client.base);
        let mut conflicts = 0;
        barrier.wait();
        loop {
            let answer = post(&client, secret, path, &[key], body);
            if answer.status != 409 {
                return (answer, conflicts);
            }
            answer.expect(409, "idempotency_in_progress");
            assert_eq!(answer.header("retry-after"), "1");
            conflicts += 1;
        }
    };
    std::thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || client(n))).collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let conflicts = ended.iter().map(|(_, conflicts)| conflicts).sum();
        (ended.into_iter().map(|(answer, _)| answer).collect(), conflicts)
    })
}

#[track_caller]
fn assert_done_once(answers: &[Answer]) {
    let first = |answer: &&Answer| answer.header("idempotency-replayed").is_empty();
    let firsts: Vec<&Answer> = answers.iter().filter(first).collect();
    assert_eq!(firsts.len(), 1, "{answers:#?}");
    for answer in answers {
        assert_eq!(answer.status, 201, "{answer:#?}");
        assert_eq!(answer.header("location"), firsts[0].header("location"));
    }
}

on_both! {
    fn of_64_that_send_it_at_once_one_does_it(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let (mut round, mut conflicts) = (0, 0);
        // On a busy machine the first may be done before anybody else comes.
        while round < rounds(5, 2) as i64 || conflicts == 0 {
            assert!(round < 100, "nobody comes while the first is still running");
            let name = format!("race-{round}");
            let (answers, refused) = race(&[&server], &key.secret, "/v1/calls", &name, &call("x"));
            assert_done_once(&answers);
            round += 1;
            assert_eq!(calls(&server.database), round);
            conflicts += refused;
        }
    }
}

on_both! {
    fn two_servers_on_one_database_do_it_once(backend) {
        let server = TestServer::start(backend);
        let other = TestServer::on(server.database.clone(), Options::default());
        let key = server.key("calls:read calls:write");
        for round in 0..rounds(5, 2) as i64 {
            let name = format!("race-{round}");
            let servers = [&server, &other];
            let (answers, _) = race(&servers, &key.secret, "/v1/calls", &name, &call("x"));
            assert_done_once(&answers);
            assert_eq!(calls(&server.database), round + 1);
            let new = json!({"name": "race", "scopes": ["calls:read"]});
            let (answers, _) = race(&servers, &server.admin, "/v1/keys", &name, &new);
            assert_done_once(&answers);
            let secrets = answers.iter().filter(|answer| answer.json().get("key").is_some());
            assert_eq!(secrets.count(), 1);
            let keys = server.database.db_number("SELECT COUNT(*) FROM api_keys");
            assert_eq!(keys, round + 2);
        }
    }
}
