//! The programs in `examples/` that have their keys judged, each started as its reader would: the
//! guarded one judges itself, the others ask a server.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::binary::{Binary, run_ok};
use crate::support::client::Client;
use crate::support::ports::free_port;
use crate::support::threads::{BATCH, scheduled_by};
use crate::support::{
    Answer, Backend, TestDatabase, eventually, fetched, not_granted, on_both, raw, tool,
};

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program says on its outputs.
type Said = Arc<Mutex<String>>;

/// A running example. It is ended when it is dropped.
struct Program {
    process: Child,
    client: Client,
    said: Said,
}

impl Program {
    /// Starts a program that listens on this port, and waits until it does.
    fn start(command: &mut Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("cannot start");
        let said = Said::default();
        let (out, errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        listen_to(out, &said);
        listen_to(errors, &said);
        let program =
            Self { process, client: Client::new(&format!("http://127.0.0.1:{port}")), said };
        // Some interpreters take long to start where much else is running.
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "it does not listen: {}", program.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        program
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn send(&self, key: &str, method: &str) -> Answer {
        let order = json!({"item": "a lock"});
        self.client.with_key(key, method, "/orders", (method == "POST").then_some(&order))
    }

    fn terminate(&mut self) -> Option<i32> {
        let sent = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listen_to(pipe: impl Read + Send + 'static, said: &Said) {
    let said = said.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            said.lock().unwrap().push_str(&(line + "\n"));
        }
    });
}

/// A database that knows orders, and a reader's key with its id.
struct Shop {
    folder: TempDir,
    database: TestDatabase,
    id: String,
    key: String,
}

impl Shop {
    fn open(backend: Backend) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::new(backend));
        let (id, key) = (String::new(), String::new());
        let shop = Self { folder, database, id, key };
        let (id, key) = shop.make_key("reader", "orders:read");
        Self { id, key, ..shop }
    }

    /// What every command has to be told.
    fn settings(&self) -> [String; 4] {
        let config = repository("examples/orders.toml").display().to_string();
        ["--config".to_owned(), config, "--database-url".to_owned(), self.database.url.clone()]
    }

    fn run(&self, arguments: &[&str]) -> String {
        let settings = self.settings();
        let settings = settings.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().copied().chain(settings).collect();
        run_ok(self.folder.path(), &all)
    }

    /// The id and the secret of a new key.
    fn make_key(&self, name: &str, scope: &str) -> (String, String) {
        self.make(&["--name", name, "--scope", scope])
    }

    fn make(&self, options: &[&str]) -> (String, String) {
        let made = self.run(&[&["key", "create", "--json"], options].concat());
        let made: Value = serde_json::from_str(&made).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }

    /// How many requests of the key were answered, and how many it lacked the scope for.
    fn counted(&self) -> (Value, Value) {
        let shown = self.run(&["key", "show", &self.id, "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let counts = &shown["usage"]["24h"];
        (counts["ok"].clone(), counts["forbidden"].clone())
    }
}

/// What every example does with a reader's key, while keys can be judged.
fn judges(program: &Program, shop: &Shop) {
    let allowed = program.send(&shop.key, "GET");
    assert_eq!(allowed.ok()["asked_by"], "reader");
    let refused = program.send(&shop.key, "POST");
    let problem = refused.expect(403, "insufficient_scope").json();
    assert_eq!(problem["detail"], "This request needs the scope orders:write.");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let anonymous = program.client.send("GET", "/orders", &[], None);
    anonymous.expect(401, "missing_key");
    assert!(anonymous.header("www-authenticate").starts_with("Bearer"), "{anonymous:?}");
    let twice = [("x-api-key", shop.key.as_str()), ("apikey", shop.key.as_str())];
    program.client.send("GET", "/orders", &twice, None).expect(400, "multiple_credentials");
    let (_, writer) = shop.make_key("writer", "orders:write");
    let created = program.send(&writer, "POST").ok();
    assert_eq!(
        (&created["made_by"], &created["order"]["item"]),
        (&json!("writer"), &json!("a lock"))
    );
    let broken = [("x-api-key", writer.as_str()), ("content-type", "application/json")];
    let answer = program.client.send("POST", "/orders", &broken, Some("{"));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(!answer.body.contains("server.js"), "{answer:?}");
    let limited = ["--name", "limited", "--scope", "orders:read", "--rate-limit", "1/hour"];
    let (_, limited) = shop.make(&limited);
    program.send(&limited, "GET").ok();
    let refused = program.send(&limited, "GET");
    let problem = refused.expect(429, "rate_limited").json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("This key's rate limit is used up."), "{detail}");
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    // What ends a path when it is decoded would make a search, which only reads, of this.
    let hidden = "/orders/search%3Fx";
    let body = json!({"item": "a lock"});
    let answer = program.client.with_key(&shop.key, "POST", hidden, Some(&body));
    answer.expect(403, "insufficient_scope");
    eventually("each is counted once", || shop.counted() == (json!(1), json!(2)));
    shop.run(&["key", "revoke", &shop.id]);
    eventually("the key is refused", || program.send(&shop.key, "GET").status == 401);
    program.send(&shop.key, "GET").expect(401, "key_revoked");
}

/// What an example does that asks a server: the same, and nothing once the server is gone.
fn asks_a_server(example: impl FnOnce(&Path, u16) -> Option<Command>) {
    let (shop, port) = (Shop::open(Backend::Sqlite), free_port());
    let Some(mut example) = example(shop.folder.path(), port) else { return };
    let settings = shop.settings();
    let server = Binary::serve(shop.folder.path(), &settings.each_ref().map(String::as_str));
    let program = Program::start(example.env("BITTING_URL", &server.client.base), port);
    judges(&program, &shop);
    let (_, other) = shop.make_key("other", "orders:read");
    program.send(&other, "GET").ok();
    // What may stand in no header is the client's fault.
    for name in ["User-Agent", "X-API-Key"] {
        let odd = format!(
            "GET /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: a\x01b\r\n\r\n"
        );
        let answer = raw::exchange(([127, 0, 0, 1], port).into(), odd.as_bytes());
        assert!([400, 401].contains(&raw::status(&answer)), "{name}: {answer}");
    }
    let bearer = format!("Bearer {other}");
    let long = format!("/orders/{}", "x".repeat(9000));
    let answer = program.client.send("GET", &long, &[("authorization", &bearer)], None);
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("bad_request")), "{answer:?}");
    let place = server.client.base.trim_start_matches("http://").to_owned();
    server.terminate();
    program.send(&other, "GET").expect(503, "unavailable");
    // Nothing that is no verdict opens the door.
    let impostor = TcpListener::bind(place).unwrap();
    for said in ["null", "[]", "\"yes\"", "{}", r#"{"allowed": 1}"#] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut client, _) = impostor.accept().unwrap();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{said}",
                    said.len()
                );
                let _ = client.read(&mut [0; 4096]);
                client.write_all(answer.as_bytes()).unwrap();
            });
            let answer = program.send(&other, "GET");
            assert!([403, 503].contains(&answer.status), "{said}: {answer:?}");
        });
    }
    drop(impostor);
    let said = program.said();
    assert!([&shop.key, &other].iter().all(|key| !said.contains(*key)), "{said}");
}

/// Python with what the examples require.
fn python(example: &str) -> Option<Command> {
    let mut command = Command::new(fetched("python-examples/bin/python")?);
    command.current_dir(repository(example)).env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

#[test]
fn the_fastapi_example_asks_a_server() {
    asks_a_server(|_, port| {
        let mut command = python("examples/python-fastapi")?;
        command.args([
            "-m",
            "uvicorn",
            "main:app",
            "--no-proxy-headers",
            "--port",
            &port.to_string(),
        ]);
        Some(command)
    });
}

/// A framework that asks about HTTP alone lets what begins as a WebSocket by.
#[test]
fn the_fastapi_example_lets_no_websocket_in() {
    let Some(mut command) = python("examples/python-fastapi") else { return };
    command.args([
        "-c",
        "import asyncio, main\n\
         said = []\n\
         @main.app.websocket('/orders/live')\n\
         async def live(socket):\n    await socket.accept()\n\
         async def receive():\n    return {'type': 'websocket.connect'}\n\
         async def send(message):\n    said.append(message['type'])\n\
         scope = {'type': 'websocket', 'path': '/orders/live', 'headers': [], 'query_string': b''}\n\
         asyncio.run(main.app(scope, receive, send))\n\
         print(said)",
    ]);
    let said = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "['websocket.close']\n", "{said:?}");
}

#[test]
fn the_django_example_asks_a_server() {
    asks_a_server(|_, port| {
        let mut command = python("examples/python-django")?;
        command.args(["app.py", "runserver", "--noreload", &port.to_string()]);
        Some(command)
    });
}

#[test]
fn the_express_example_asks_a_server() {
    asks_a_server(|folder, port| {
        let (node, modules) = (tool("node")?, fetched("express/node_modules")?);
        // Where Node.js looks for them: beside the program.
        std::os::unix::fs::symlink(modules, folder.join("node_modules")).unwrap();
        for file in ["server.js", "package.json"] {
            let path = repository("examples/node-express").join(file);
            std::fs::copy(path, folder.join(file)).unwrap();
        }
        let mut command = Command::new(node);
        command.arg("server.js").current_dir(folder).env("PORT", port.to_string());
        Some(command)
    });
}

#[test]
fn the_go_example_asks_a_server() {
    if Command::new("go").arg("version").output().is_err() {
        return not_granted(
            "Go is not installed: half a gigabyte, which is not fetched for one test",
        );
    }
    asks_a_server(|folder, port| {
        let (program, cache) = (folder.join("orders"), folder.join("cache"));
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).current_dir(repository("examples/go"));
        let built = build.env("GOCACHE", cache).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut command = Command::new(program);
        command.env("PORT", port.to_string());
        Some(command)
    });
}

/// The guarded example, built as cargo builds it for whoever runs it.
fn guarded() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--example", "guarded"]);
    // Cargo says in these what package a test is of. The build script of ring runs again when they change,
    // and all that is built on ring is compiled again.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.to_string_lossy().starts_with(of))
        {
            build.env_remove(name);
        }
    }
    let built = build.current_dir(repository("")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Path::new(env!("CARGO_BIN_EXE_bitting")).with_file_name("examples").join("guarded")
}

on_both! {
    fn the_guarded_example_judges_itself_and_writes_its_last_counts(backend) {
        let (shop, port) = (Shop::open(backend), free_port());
        let settings = shop.settings();
        let mut command = Command::new(guarded());
        command.env("BITTING_CONFIG", &settings[1]).env("BITTING_DATABASE_URL", &settings[3]);
        command.env("PORT", port.to_string()).current_dir(shop.folder.path());
        let mut program = Program::start(&mut command, port);
        judges(&program, &shop);
        let (id, key) = shop.make_key("last", "orders:read");
        for _request in 0..5 {
            program.send(&key, "GET").ok();
        }
        // Its threads are its own.
        assert_eq!(scheduled_by(BATCH, program.process.id()), BTreeSet::new());
        assert_eq!(program.terminate(), Some(0), "{}", program.said());
        let shop = Shop { id, ..shop };
        assert_eq!(shop.counted(), (json!(5), json!(0)));
    }
}

#[test]
fn the_api_of_orders_tells_whose_request_it_is() {
    let Some(python) = tool("python3") else { return };
    let port = free_port();
    let mut command = Command::new(python);
    command.arg(repository("examples/orders-api")).arg(port.to_string());
    let program = Program::start(&mut command, port);
    let send = |method, path, body| {
        let identity = [("x-bitting-key-name", "reader"), ("x-bitting-owner", "")];
        program.client.send(method, path, &identity, body)
    };
    assert_eq!(send("GET", "/orders?x=1", None).ok()["orders"][0]["id"], 1);
    assert_eq!(send("POST", "/orders", Some(r#"{"item": "a key"}"#)).ok()["id"], 3);
    assert_eq!(send("GET", "/orders/3", None).ok()["item"], "a key");
    let found = send("POST", "/orders/search", Some(r#"{"item": "key"}"#)).ok();
    assert_eq!(found["orders"], json!([{"id": 3, "item": "a key"}]));
    assert_eq!(send("GET", "/orders/status", None).ok(), json!({"open": 3}));
    for (method, path, body, status) in [
        ("GET", "/orders/9", None, 404),
        ("GET", "/nothing", None, 404),
        ("POST", "/orders", Some("[]"), 400),
        ("DELETE", "/orders/1", None, 501),
    ] {
        assert_eq!(send(method, path, body).status, status, "{method} {path}");
    }
    let first = "GET /orders 200\n  x-bitting-key-name: reader\n  x-bitting-owner: \n";
    eventually("what came is printed", || program.said().contains(first));
}
