//! A real PgBouncer in front of a database.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::ports::free_port;
use super::tools::libraries;
use super::{TestDatabase, eventually};

/// PgBouncer in front of one database. It is ended when it is dropped.
pub struct Pooler {
    process: Child,
    /// Its configuration.
    file: PathBuf,
    pub url: String,
}

impl Pooler {
    /// `settings`: lines of its file, `pool_mode` among them.
    pub fn start(program: &Path, database: &TestDatabase, settings: &str) -> Self {
        let folder = database.folder();
        let (server, name) = database.url.rsplit_once('/').unwrap();
        let (user, place) = server.trim_start_matches("postgres://").split_once('@').unwrap();
        let (host, server_port) = place.split_once(':').unwrap();
        let port = free_port();
        let users = folder.join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        let file = folder.join("pgbouncer.ini");
        let file_text = format!(
            "[databases]\n{name} = host={host} port={server_port} user={user}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             auth_file = {}\n{settings}\n",
            users.display()
        );
        std::fs::write(&file, file_text).unwrap();
        let mut command = Command::new(program);
        // It refuses to run as root, and reads its file again as somebody else.
        if rustix::process::geteuid().is_root() {
            std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
            command.args(["-u", "nobody"]);
        }
        command.arg("-q").arg(&file).env("LD_LIBRARY_PATH", libraries(program));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let url = format!("postgres://{user}@127.0.0.1:{port}/{name}");
        eventually("the pooler listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, file, url }
    }

    /// Leads to another server of this machine from now on, as an operator does: the file is changed
    /// and read again.
    pub fn lead_to(&self, port: u16) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let (before, rest) = text.split_once(" port=").unwrap();
        let (_, after) = rest.split_once(' ').unwrap();
        std::fs::write(&self.file, format!("{before} port={port} {after}")).unwrap();
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
