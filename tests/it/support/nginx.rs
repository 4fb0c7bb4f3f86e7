//! A real nginx in front of a server, with the deployed file as it is or changed by the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::ports::free_port;
use super::tool;

/// The name that the deployed file serves.
pub const NAME: &str = "keys.example.com";

/// A file of `deploy/`.
pub fn deployed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// A whole configuration around the deployed file, which writes into this folder alone.
pub fn with_main(folder: &Path, site: &str) -> String {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};\n"))
        .concat();
    format!(
        "daemon off;\npid {place}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log {place}/access.log;\n{temporary}{site}}}\n"
    )
}

/// Ended when it is dropped.
pub struct Nginx {
    process: Child,
    /// Where it listens without TLS.
    pub plain: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// Serves the deployed file with a port and a certificate of the test's own. Nothing where
    /// nginx or openssl is missing.
    pub fn start(
        folder: &Path,
        upstream: &str,
        port: u16,
        change: impl FnOnce(String) -> String,
    ) -> Option<Self> {
        let (program, openssl) = (tool("nginx")?, tool("openssl")?);
        let made = Command::new(openssl)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj"])
            .args([&format!("/CN={NAME}"), "-keyout", "privkey.pem", "-out", "fullchain.pem"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let place = folder.display();
        let upstream = upstream.trim_start_matches("http://");
        let plain = free_port();
        let site = deployed("nginx.conf")
            .replace("/etc/ssl/keys.example.com", &place.to_string())
            .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
            .replace("listen 80;", &format!("listen 127.0.0.1:{plain};"))
            .replace("127.0.0.1:8080;", &format!("{upstream};"));
        let site = change(site);
        let whole = with_main(folder, &site);
        std::fs::write(folder.join("nginx.conf"), whole).unwrap();
        let configured = |more: &[&str]| {
            let mut command = Command::new(&program);
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(more);
            command
        };
        let tested = configured(&["-t"]).output().unwrap();
        let said = String::from_utf8_lossy(&tested.stderr).into_owned();
        assert!(tested.status.success() && !said.contains("[warn]"), "{said}");
        Some(Self { process: configured(&[]).spawn().unwrap(), plain })
    }
}
