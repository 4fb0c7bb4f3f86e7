//! PostgreSQL behind PgBouncer: a pooler by session is as good as the server itself, one by
//! transaction or statement is told from a damaged database.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::tools::libraries;
use crate::support::{Backend, Binary, TestDatabase, binary, eventually, tool};

/// PgBouncer in front of one database. It is ended when it is dropped.
struct Pooler {
    process: Child,
    url: String,
}

impl Pooler {
    fn start(program: &Path, database: &TestDatabase, mode: &str) -> Self {
        let folder = database.folder();
        let (server, name) = database.url.rsplit_once('/').unwrap();
        let (user, place) = server.trim_start_matches("postgres://").split_once('@').unwrap();
        let (host, server_port) = place.split_once(':').unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        let file = folder.join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n{name} = host={host} port={server_port} user={user}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             auth_file = {}\npool_mode = {mode}\ndefault_pool_size = 20\n",
            users.display()
        );
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        // It refuses to run as root, and reads its file again as somebody else.
        if rustix::process::geteuid().is_root() {
            std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
            command.args(["-u", "nobody"]);
        }
        command.arg("-q").arg(file).env("LD_LIBRARY_PATH", libraries(program));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let url = format!("postgres://{user}@127.0.0.1:{port}/{name}");
        eventually("the pooler listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, url }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_pooler_by_session_is_as_good_as_the_server() {
    let Some(program) = tool("pgbouncer") else { return };
    let database = TestDatabase::new(Backend::Postgres);
    let pooler = Pooler::start(&program, &database, "session");
    let arguments = ["--database-url", &pooler.url];
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let key = binary::run_ok(&database.folder(), &[&create[..], &arguments].concat());
    let server = Binary::serve(&database.folder(), &arguments);
    server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(database.db_counted(), 1);
}

#[test]
fn a_pooler_by_transaction_or_statement_is_named_with_what_to_do() {
    let Some(program) = tool("pgbouncer") else { return };
    for (mode, reason) in
        [("transaction", "prepared statement"), ("statement", "server closed the connection")]
    {
        let database = TestDatabase::new(Backend::Postgres);
        let pooler = Pooler::start(&program, &database, mode);
        // The first may be lucky: nobody has prepared anything on the pooler's connections yet.
        let mut said = String::new();
        eventually("a command fails", || {
            let output =
                binary::run(&database.folder(), &["migrate", "--database-url", &pooler.url]);
            said = String::from_utf8(output.stderr).unwrap();
            !output.status.success()
        });
        for part in [reason, "pooler", "pool_mode = session"] {
            assert!(said.contains(part), "no {part}: {said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
