//! PostgreSQL servers of a test's own, which it may stop, restore and fail over.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use tempfile::TempDir;

use super::ports::free_port;
use super::skipped;

/// How long a server may take to start, to stop, or to be copied.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where PostgreSQL's programs are, the newest version's.
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = versions.filter_map(|entry| Some(entry.ok()?.path()));
    let newest = versions.filter(|path| version(path).is_some()).max_by_key(version)?;
    Some(newest.join("bin")).filter(|programs| programs.join("pg_basebackup").exists())
}

/// Whether a test can start servers of its own; [`skipped`] where it cannot.
pub fn can_start_servers() -> bool {
    let found = programs().is_some();
    if !found {
        skipped("PostgreSQL's programs are not installed");
    }
    found
}

/// One of PostgreSQL's programs. The server refuses to run as root, whose tests run it as the user
/// that its package brings.
pub fn program(name: &str) -> Command {
    as_ordinary_user(&programs().unwrap().join(name))
}

/// Any program in the same way.
pub fn as_ordinary_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = ordinary_user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn ordinary_user() -> Option<(u32, u32)> {
    let ours = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    (ours == 0).then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
        let mut parts = line.split(':').skip(2).map(|part| part.parse().unwrap());
        (parts.next().unwrap(), parts.next().unwrap())
    })
}

#[track_caller]
fn run(mut command: Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?}: {status}");
            return;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server with its data in a folder of its own. It is stopped when it is dropped.
pub struct Cluster {
    folder: TempDir,
    pub port: u16,
    server: Option<Child>,
    settings: Vec<String>,
}

impl Cluster {
    /// A new server.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A new server with settings such as `max_connections=12`.
    pub fn with(settings: &[&str]) -> Self {
        let mut cluster = Self::at_home();
        cluster.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut command = match std::env::var_os("BITTING_TEST_EMPTY_CLUSTER") {
            // A tenth of the work.
            Some(empty) => {
                let mut command = Command::new("cp");
                command.arg("-a").arg(Path::new(&empty).join("."));
                command
            }
            None => {
                let mut command = program("initdb");
                command.args(["-U", "bitting", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
                command.args(["--no-sync", "-D"]);
                command
            }
        };
        command.arg(cluster.data());
        run(command);
        cluster.started()
    }

    /// A standby of this server, which receives what is committed from now on.
    pub fn standby(&self) -> Self {
        self.standby_by(self.port, "walreceiver")
    }

    /// The same for one that reaches this server at another port of this machine, and has a name that
    /// `synchronous_standby_names` may hold.
    pub fn standby_by(&self, port: u16, name: &str) -> Self {
        let standby = Self::at_home();
        let mut command = program("pg_basebackup");
        let from = format!("host=127.0.0.1 port={port} user=bitting application_name={name}");
        command.args(["-R", "--no-sync", "-c", "fast", "-d", &from, "-D"]).arg(standby.data());
        run(command);
        standby.started()
    }

    fn at_home() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        Self::hand_over(&data);
        Self { folder, port: free_port(), server: None, settings: Vec::new() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        let mut command = program("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.data());
        // Memory that is shared as a file in the folder goes with it, also when the server is killed.
        let settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "max_connections=60",
            "dynamic_shared_memory_type=mmap",
        ];
        let settings = settings.into_iter().chain(self.settings.iter().map(String::as_str));
        settings.for_each(|setting| {
            command.args(["-c", setting]);
        });
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let server = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.server = Some(server);
        let deadline = Instant::now() + PATIENCE;
        // One that has no connection left is there, too.
        let is_there = || match PgConnection::establish(&self.url("postgres")) {
            Ok(_) => true,
            Err(why) => why.to_string().contains("too many clients"),
        };
        while !is_there() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives a file to the user that the server runs as.
    pub fn hand_over(path: &Path) {
        if let Some((user, group)) = ordinary_user() {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// Lets in whom these lines of `pg_hba.conf` name, and nobody else.
    pub fn let_in(&self, lines: &str) {
        std::fs::write(self.data().join("pg_hba.conf"), lines).unwrap();
        self.execute("postgres", "SELECT pg_reload_conf()");
    }

    /// Has it answer nothing more, while the system keeps its connections alive.
    pub fn freeze(&self) {
        self.signal_all("-STOP");
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.signal_all("-CONT");
    }

    /// Sends a signal to all of its processes, the one that makes the others first.
    fn signal_all(&self, signal: &str) {
        let Some(server) = &self.server else { return };
        let send = |ids: &str| {
            // Some of them may have ended meanwhile.
            let mut kill = Command::new("kill");
            let _ = kill.arg(signal).args(ids.split_whitespace()).stderr(Stdio::null()).status();
        };
        let id = server.id();
        send(&id.to_string());
        send(&std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap());
    }

    /// Stops it at once, as if its machine had gone.
    pub fn stop(&mut self) {
        self.thaw();
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").arg("-QUIT").arg(server.id().to_string()).status();
            let _ = server.wait();
        }
    }

    /// Makes a standby the primary, whatever it has received.
    pub fn promote(&self) {
        self.execute("postgres", "SELECT pg_promote(true, 30)");
    }

    /// Runs SQL in one of its databases.
    pub fn execute(&self, database: &str, sql: &str) {
        PgConnection::establish(&self.url(database)).unwrap().batch_execute(sql).unwrap();
    }

    /// Gives a database the name of another one, whose sessions end.
    pub fn put_in_place(&self, database: &str, of: &str) {
        let execute = |sql: String| self.execute("postgres", &sql);
        execute(format!("ALTER DATABASE {of} ALLOW_CONNECTIONS false"));
        execute(format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{of}'"
        ));
        execute(format!("ALTER DATABASE {of} RENAME TO {of}_before"));
        execute(format!("ALTER DATABASE {database} RENAME TO {of}"));
    }

    /// The folder with its Unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.data()
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://bitting@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Copies a database to a file, or a file into an empty database.
pub fn copy(name: &str, url: &str, file: &Path) {
    let mut command = program(name);
    command.arg("--no-owner").arg("-d").arg(url);
    match name {
        "pg_dump" => command.args(["--format=custom", "-f"]).arg(file),
        _ => command.arg("--exit-on-error").arg(file),
    };
    run(command);
}
