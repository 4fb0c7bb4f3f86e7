//! Three machines with PostgreSQL under Patroni, which agree by etcd on who is the primary, and HAProxy
//! that leads to it: what operators run. All of them real, on ports of this machine.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::ports::free_port;
use crate::support::postgres::{Cluster, as_ordinary_user, can_start_servers, programs};
use crate::support::tools::libraries;
use crate::support::{Backend, TestDatabase, eventually_within, tool};

/// How long Patroni may take to make a cluster, and to find a new primary.
const PATIENCE: Duration = Duration::from_secs(90);

struct Machine {
    name: &'static str,
    folder: PathBuf,
    postgres: u16,
    /// The port where Patroni tells what the machine is.
    rest: u16,
    patroni: Child,
}

impl Machine {
    /// Whether it says that it is what the path names. One that stands still says nothing.
    fn is(&self, role: &str) -> bool {
        let ask = ureq::get(format!("http://127.0.0.1:{}{role}", self.rest));
        ask.config().timeout_global(Some(Duration::from_secs(1))).build().call().is_ok()
    }

    /// The ids of Patroni and of every process of PostgreSQL.
    fn processes(&self) -> Vec<String> {
        let mut ids = vec![self.patroni.id().to_string()];
        let data = self.folder.join("data");
        let file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let id = file.lines().next().unwrap_or_default();
        // The file outlives a server that was killed, and its id may be another's by now.
        if std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == data) {
            let children = format!("/proc/{id}/task/{id}/children");
            let children = std::fs::read_to_string(children).unwrap_or_default();
            ids.push(id.to_owned());
            ids.extend(children.split_whitespace().map(str::to_owned));
        }
        ids
    }

    fn signal(&self, signal: &str) {
        // Some of them may have ended meanwhile.
        let mut kill = Command::new("kill");
        let _ = kill.arg(signal).args(self.processes()).stderr(Stdio::null()).status();
    }
}

/// A cluster of three machines.
pub struct Patroni {
    folder: TempDir,
    machines: Vec<Machine>,
    etcd: Child,
    haproxy: Child,
    /// Where HAProxy leads to the primary.
    port: u16,
}

impl Patroni {
    /// One whose commits wait for a standby. None where a program is missing.
    pub fn start() -> Option<Self> {
        if !can_start_servers() {
            return None;
        }
        let [patroni, etcd, haproxy] = ["patroni", "etcd", "haproxy"].map(tool);
        let (patroni, etcd, haproxy) = (patroni?, etcd?, haproxy?);
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let (store, etcd) = start_etcd(&etcd, folder.path());
        let machines: Vec<Machine> = ["one", "two", "three"]
            .map(|name| start_machine(&patroni, folder.path(), name, &store))
            .into();
        let port = free_port();
        let haproxy = start_haproxy(&haproxy, folder.path(), port, &machines);
        let cluster = Self { folder, machines, etcd, haproxy, port };
        eventually_within(PATIENCE, "a primary and its standbys", || {
            let standbys = cluster.machines.iter().filter(|machine| machine.is("/replica")).count();
            let synchronous = cluster.machines.iter().any(|machine| machine.is("/synchronous"));
            cluster.primary().is_some() && standbys == 2 && synchronous
        });
        TestDatabase::at(Backend::Postgres, cluster.url("postgres"))
            .db_execute("CREATE DATABASE bitting");
        Some(cluster)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://bitting@127.0.0.1:{}/{database}", self.port)
    }

    /// Our database, wherever the primary is.
    pub fn database(&self) -> TestDatabase {
        TestDatabase::at(Backend::Postgres, self.url("bitting"))
    }

    fn primary(&self) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.is("/primary"))
    }

    /// Waits until a machine other than this one is the primary.
    fn taken_over_from(&self, name: &str) -> TestDatabase {
        eventually_within(PATIENCE, "another machine takes over", || {
            self.machines.iter().any(|machine| machine.name != name && machine.is("/primary"))
        });
        self.database()
    }

    /// Another machine becomes the primary, as an operator asks for it.
    pub fn switch_over(&self) -> TestDatabase {
        let primary = self.primary().unwrap();
        let ask = json!({"leader": primary.name}).to_string();
        let json = [("content-type", "application/json")];
        let rest = Client::new(&format!("http://127.0.0.1:{}", primary.rest));
        let answer = rest.send("POST", "/switchover", &json, Some(&ask));
        assert_eq!(answer.status, 200, "{answer:?}");
        self.taken_over_from(primary.name)
    }

    /// The machine of the primary is gone at once.
    pub fn lose_the_primary(&self) -> TestDatabase {
        let primary = self.primary().unwrap();
        primary.signal("-KILL");
        self.taken_over_from(primary.name)
    }

    /// The machine of the primary stands still until another has taken over, and believes for a moment
    /// that it is what it was when it wakes.
    pub fn freeze_the_primary(&self) -> TestDatabase {
        let primary = self.primary().unwrap();
        primary.signal("-STOP");
        let database = self.taken_over_from(primary.name);
        primary.signal("-CONT");
        database
    }

    /// etcd stands still until no machine dares to be the primary, and goes on.
    pub fn freeze_the_agreement(&self) -> TestDatabase {
        signal(&self.etcd, "-STOP");
        eventually_within(PATIENCE, "no primary", || self.primary().is_none());
        signal(&self.etcd, "-CONT");
        eventually_within(PATIENCE, "a primary again", || self.primary().is_some());
        self.database()
    }

    /// The addresses of this cluster as a URL of libpq's, for servers without a proxy between.
    pub fn hosts(&self) -> String {
        let hosts = self.machines.iter().map(|machine| format!("127.0.0.1:{}", machine.postgres));
        format!("postgres://bitting@{}/bitting", hosts.collect::<Vec<_>>().join(","))
    }

    /// The URL that HAProxy serves.
    pub fn front(&self) -> String {
        self.url("bitting")
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for machine in &mut self.machines {
            machine.signal("-CONT");
            machine.signal("-KILL");
            let _ = machine.patroni.wait();
        }
        for child in [&mut self.haproxy, &mut self.etcd] {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for name in ["one", "two", "three", "etcd"] {
                let log = self.folder.path().join(name).join("log");
                eprintln!("{name}: {}", std::fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A folder of a program's own, and a command that runs it there as an ordinary user.
fn prepared(program: &Path, folder: &Path, name: &str) -> (PathBuf, Command) {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    Cluster::hand_over(&folder);
    let mut command = as_ordinary_user(program);
    let log = File::create(folder.join("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).env("HOME", &folder);
    (folder, command)
}

/// Returns where clients ask it.
fn start_etcd(program: &Path, folder: &Path) -> (String, Child) {
    let (folder, mut command) = prepared(program, folder, "etcd");
    let (clients, peers) = (free_port(), free_port());
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    command.arg("--data-dir").arg(folder.join("data")).args(["--name", "etcd"]);
    command.args(["--listen-client-urls", &at(clients), "--advertise-client-urls", &at(clients)]);
    command.args(["--listen-peer-urls", &at(peers), "--initial-advertise-peer-urls", &at(peers)]);
    command.args(["--initial-cluster", &format!("etcd={}", at(peers))]);
    (format!("127.0.0.1:{clients}"), command.spawn().unwrap())
}

fn start_machine(program: &Path, folder: &Path, name: &'static str, store: &str) -> Machine {
    let (folder, mut command) = prepared(program, folder, name);
    let (postgres, rest) = (free_port(), free_port());
    let file = folder.join("patroni.json");
    // What is YAML's is JSON's, too.
    std::fs::write(&file, settings(&folder, name, store, postgres, rest).to_string()).unwrap();
    let patroni = command.arg(&file).spawn().unwrap();
    Machine { name, folder, postgres, rest, patroni }
}

fn settings(folder: &Path, name: &str, store: &str, postgres: u16, rest: u16) -> Value {
    let [postgres, rest] = [postgres, rest].map(|port| format!("127.0.0.1:{port}"));
    let user = json!({"username": "bitting"});
    json!({
        "scope": "bitting",
        "name": name,
        "etcd3": {"host": store},
        "restapi": {"listen": rest, "connect_address": rest},
        "bootstrap": {
            "dcs": {
                // The least that Patroni allows.
                "ttl": 20, "loop_wait": 1, "retry_timeout": 3,
                // Strict, or who has just been promoted confirms what nobody else has yet.
                "synchronous_mode": true, "synchronous_mode_strict": true,
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "no-sync"],
            "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
        },
        "postgresql": {
            "listen": postgres,
            "connect_address": postgres,
            "data_dir": folder.join("data"),
            "bin_dir": programs().unwrap(),
            "pgpass": folder.join("pgpass"),
            "authentication": {"superuser": user, "replication": user},
            "parameters": {
                "unix_socket_directories": folder,
                "fsync": "off",
                "dynamic_shared_memory_type": "mmap",
            },
        },
    })
}

fn start_haproxy(program: &Path, folder: &Path, port: u16, machines: &[Machine]) -> Child {
    let (folder, mut command) = prepared(program, folder, "haproxy");
    let servers: String = machines
        .iter()
        .map(|machine| {
            let Machine { name, postgres, rest, .. } = machine;
            format!("  server {name} 127.0.0.1:{postgres} check port {rest}\n")
        })
        .collect();
    let file = folder.join("haproxy.cfg");
    let text = format!(
        "defaults\n  mode tcp\n  timeout connect 1s\n  timeout check 1s\n  timeout client 1h\n  \
         timeout server 1h\nlisten primary\n  bind 127.0.0.1:{port}\n  option httpchk GET /primary\n  \
         default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n{servers}"
    );
    std::fs::write(&file, text).unwrap();
    command.arg("-f").arg(&file).env("LD_LIBRARY_PATH", libraries(program)).spawn().unwrap()
}
