//! PostgreSQL behind PgBouncer: a pooler by session or transaction is as good as the server itself,
//! one by statement is refused in plain words.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::support::pooler::Pooler;
use crate::support::{Backend, Binary, TestDatabase, binary, eventually, tool};

/// Makes a key, and starts two servers that share the database.
fn key_and_servers(database: &TestDatabase, url: &str) -> (String, [Binary; 2]) {
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", url];
    let key = binary::run_ok(&database.folder(), &create);
    (key, [(); 2].map(|()| Binary::serve(&database.folder(), &["--database-url", url])))
}

#[test]
fn a_pooler_by_session_or_transaction_is_as_good_as_the_server() {
    let Some(program) = tool("pgbouncer") else { return };
    // By transaction, two servers share fewer connections than each has by itself.
    for settings in [
        "pool_mode = session\ndefault_pool_size = 20",
        "pool_mode = transaction\ndefault_pool_size = 3",
    ] {
        let database = TestDatabase::new(Backend::Postgres);
        let pooler = Pooler::start(&program, &database, settings);
        let (key, servers) = key_and_servers(&database, &pooler.url);
        let ask = |server: &Binary| server.client.with_key(&key, "GET", "/v1/calls", None).status;
        std::thread::scope(|scope| {
            for server in servers.iter().flat_map(|server| [server; 4]) {
                scope.spawn(|| (0..25).for_each(|_| assert_eq!(ask(server), 200, "{settings}")));
            }
        });
        let run = |arguments: &[&str]| {
            let arguments = [arguments, &["--database-url", &pooler.url]].concat();
            binary::run_ok(&database.folder(), &arguments)
        };
        run(&["check"]);
        let id = database.db_texts("SELECT id FROM api_keys").remove(0);
        run(&["key", "revoke", &id]);
        for server in &servers {
            eventually("the key is refused", || ask(server) == 401);
        }
        for server in servers {
            let (code, log) = server.terminate();
            assert_eq!(code, Some(0), "{log}");
        }
        assert!(database.db_counted() >= 200, "{settings}");
        assert_eq!(database.db_number("SELECT COUNT(*) FROM servers"), 0);
    }
}

/// The pooler takes every setting of a session back after each transaction.
#[test]
fn a_transaction_has_its_time_limits_whatever_the_pooler_forgets() {
    let Some(program) = tool("pgbouncer") else { return };
    let database = TestDatabase::new(Backend::Postgres);
    let settings = "pool_mode = transaction\nserver_reset_query = DISCARD ALL\n\
                    server_reset_query_always = 1";
    let pooler = Pooler::start(&program, &database, settings);
    let create =
        ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", &pooler.url];
    binary::run_ok(&database.folder(), &create);
    let mut other = PgConnection::establish(&database.url).unwrap();
    other.batch_execute("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").unwrap();
    let output = binary::run(&database.folder(), &create);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("statement timeout"), "{said}");
}

#[test]
fn the_time_is_not_set_back_beside_a_server_that_shares_its_connections() {
    let Some(program) = tool("pgbouncer") else { return };
    let database = TestDatabase::new(Backend::Postgres);
    // The server has no connection while the command uses it.
    let pooler =
        Pooler::start(&program, &database, "pool_mode = transaction\ndefault_pool_size = 1");
    let server = Binary::serve(&database.folder(), &["--database-url", &pooler.url]);
    let reset = || {
        let reset = ["check", "--reset-clock", "--database-url", &pooler.url];
        // A server may take half a minute to say that it is there.
        binary::command(&database.folder(), &reset).output().unwrap()
    };
    let output = reset();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stop every server"), "{said}");
    // One that was killed does not keep the command off.
    drop(server);
    let output = reset();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_pooler_by_statement_is_refused_with_what_to_do() {
    let Some(program) = tool("pgbouncer") else { return };
    let database = TestDatabase::new(Backend::Postgres);
    let pooler = Pooler::start(&program, &database, "pool_mode = statement");
    for command in
        [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"], &["key", "list"], &["check"]]
    {
        let arguments = [command, &["--database-url", &pooler.url]].concat();
        let output = binary::run(&database.folder(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        for part in ["statement pooling mode", "pooler", "pool_mode = transaction"] {
            assert!(said.contains(part), "{command:?}: no {part}: {said}");
        }
        assert!(!said.contains("restore") && !said.contains("damaged"), "{command:?}: {said}");
    }
}
