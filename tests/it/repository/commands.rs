//! The commands of the documents, carried out as their reader would: in their order, in a folder of
//! their own, with the real binary. What a page shows is what must be printed.

mod page;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::support::ports::free_port;
use crate::support::{Backend, TestDatabase, tool};

use super::documents::files;
use page::{Step, looks_like, save_files, script, steps};

/// The blocks that are not run here, by page, and why.
const NOT_RUN: &[(&str, usize, &str)] = &[
    ("README.md", 2, "compile and test this repository"),
    ("CONTRIBUTING.md", 4, "compile and test this repository"),
    ("docs/tutorials/getting-started.md", 1, "compiles this repository"),
    ("docs/tutorials/operator.md", 3, "install programs and services, as root"),
    (
        "docs/guides/postgresql.md",
        2,
        "make a database, as its superuser; another host's certificate",
    ),
    ("docs/guides/nginx.md", 1, "reloads a service"),
    ("docs/guides/caddy.md", 1, "reloads a service"),
    ("docs/guides/haproxy.md", 1, "reloads a service"),
    ("docs/guides/envoy.md", 1, "asks for Envoy"),
    ("docs/guides/connections.md", 3, "ask a vendor"),
    ("docs/guides/import-export.md", 1, "ask another system's database"),
    (
        "docs/guides/finding-and-ending.md",
        2,
        "asks back, and counts keys that are not there; reports a key to another host",
    ),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where a page's servers and files are in this run, by what the page calls them.
struct Places {
    places: Vec<(String, String)>,
    _database: Option<TestDatabase>,
}

impl Places {
    /// The ports that documents name at an address of this run's own, so that nobody else takes
    /// one; the API behind the gateway listens on 127.0.0.1 alone. A database where they name one.
    fn of(text: &str) -> Self {
        static RUNS: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high, low, RUNS.fetch_add(1, Ordering::Relaxed));
        let at = |port: u16| (format!("127.0.0.1:{port}"), format!("{address}:{port}"));
        let mut places: Vec<_> = [8080, 8081, 8082].map(at).into();
        places.push(("127.0.0.1:3000".into(), format!("127.0.0.1:{}", free_port())));
        let database = "postgres://bitting:PASSWORD@127.0.0.1:5432/bitting";
        let made = text.contains(database).then(|| TestDatabase::new(Backend::Postgres));
        places.extend(made.iter().map(|made| (database.into(), made.url.clone())));
        for number in ["1", "2"] {
            places.push((format!("key_0{number}…"), format!("$(key_id {number})")));
        }
        Self { places, _database: made }
    }

    fn translate(&self, text: &str) -> String {
        let replace = |text: String, (page, here): &(String, String)| text.replace(page, here);
        self.places.iter().fold(text.to_owned(), replace)
    }

    fn at(&self, port: u16) -> &str {
        let named = format!("127.0.0.1:{port}");
        &self.places.iter().find(|(page, _)| *page == named).unwrap().1
    }
}

/// Carries out a page.
fn read(path: &str) {
    let [Some(bash), Some(_), Some(_)] = ["bash", "curl", "python3"].map(tool) else { return };
    let text = std::fs::read_to_string(repository(path)).unwrap();
    let steps = steps(&text);
    let places = Places::of(&text);
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name);
    std::fs::create_dir(here("bin")).unwrap();
    for (program, link) in [(env!("CARGO_BIN_EXE_bitting").into(), "bin/bitting")]
        .into_iter()
        .chain(["examples", "deploy"].map(|name| (repository(name), name)))
    {
        std::os::unix::fs::symlink(program, here(link)).unwrap();
    }
    save_files(&steps, folder.path(), |text| places.translate(text));
    let whole = include_str!("commands/reader.sh").to_owned()
        + &what_stands_ready(&text)
        + &places.translate(&script(&steps));
    std::fs::write(here("page.sh"), &whole).unwrap();
    let system = std::env::var("PATH").unwrap();
    let output = Command::new("timeout")
        .args(["120", bash.to_str().unwrap(), "page.sh"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:{system}", here("bin").display()))
        .envs([("HOME", folder.path().to_str().unwrap()), ("LC_ALL", "C.UTF-8")])
        .env("BITTING_LISTEN", places.at(8080))
        .env("ORDERS_PORT", places.at(3000).rsplit_once(':').unwrap().1)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (said, printed) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{path}, {}:\n{said}\n{printed}\n{whole}", output.status);
    for (number, step) in steps.iter().enumerate() {
        if let Step::See { command, output } = step {
            let printed = std::fs::read_to_string(here(&format!("shown-{number}"))).unwrap();
            let printed = printed.replace('\r', "");
            assert!(looks_like(output, &printed), "{path}: {command}\n{output}\nbut:\n{printed}");
        }
    }
}

/// What the reader of a page has that does not say how to get it: a server, a key, an admin token.
fn what_stands_ready(text: &str) -> String {
    let mut ready = String::new();
    if !text.lines().any(|line| line.trim_start().starts_with("bitting serve")) {
        ready += "bitting serve\n";
    }
    let own = text.contains("as `bitting.toml`:") || text.contains("serve --config");
    ready += &format!("ANY_SCOPE={}\n", if own { "orders:read" } else { "calls:read" });
    if text.contains("$KEY") && !text.contains("KEY=$(") {
        ready += "KEY=$(bitting key create --name mine --scope calls:read --scope calls:write)\n";
    }
    if text.contains("$TOKEN") && !text.contains("TOKEN=$(") {
        ready += "TOKEN=$(bitting token create --name mine --access write)\n";
    }
    ready
}

/// One test for each page.
macro_rules! pages {
    ($($name:ident: $path:literal,)+) => {
        $(#[test] fn $name() { read($path); })+

        const READ: &[&str] = &[$($path),+];
    };
}

pages! {
    readme: "README.md",
    getting_started: "docs/tutorials/getting-started.md",
    integrator: "docs/tutorials/integrator.md",
    administrator: "docs/tutorials/administrator.md",
    operator: "docs/tutorials/operator.md",
    your_own_api: "docs/tutorials/your-api.md",
    in_front: "docs/guides/your-api.md",
    gateway: "docs/guides/gateway.md",
    by_program: "docs/guides/manage-by-program.md",
    rotation: "docs/guides/rotation.md",
    finding_and_ending: "docs/guides/finding-and-ending.md",
    import_export: "docs/guides/import-export.md",
    postgresql: "docs/guides/postgresql.md",
    connections: "docs/guides/connections.md",
    keys: "docs/reference/keys.md",
    bitting_toml: "docs/reference/bitting-toml.md",
    users: "docs/reference/users.md",
    api: "docs/reference/api.md",
    backup: "docs/guides/backup.md",
}

/// How many steps each page has that are run, and that are not.
fn steps_by_page() -> BTreeMap<String, (usize, usize)> {
    let count = |file: PathBuf| {
        let name = file.to_str().unwrap();
        let steps = steps(&std::fs::read_to_string(repository(name)).unwrap());
        let not_run = steps.iter().filter(|step| matches!(step, Step::NotRun)).count();
        let files = steps.iter().filter(|step| matches!(step, Step::Save { .. })).count();
        (name.to_owned(), (steps.len() - not_run - files, not_run))
    };
    files().into_iter().map(count).collect()
}

#[test]
fn every_command_of_the_documents_is_run_or_is_known_not_to_be() {
    let pages = steps_by_page();
    let mut read: Vec<&str> =
        pages.iter().filter(|(_, (run, _))| *run > 0).map(|(page, _)| &**page).collect();
    let mut tested = READ.to_vec();
    read.sort_unstable();
    tested.sort_unstable();
    assert_eq!(read, tested);
    let not_run = pages.iter().filter(|(_, (_, not_run))| *not_run > 0);
    let not_run: Vec<_> = not_run.map(|(page, (_, not_run))| (&**page, *not_run)).collect();
    let mut known: Vec<_> = NOT_RUN.iter().map(|(page, blocks, _)| (*page, *blocks)).collect();
    known.sort_unstable();
    assert_eq!(not_run, known);
}
