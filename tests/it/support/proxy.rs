//! A real proxy in front of an API, with the file of `deploy/authz/` as it is but for addresses and
//! TLS.

use std::fs::{File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bitting::config::ListenAddress;
use rustix::process::geteuid;

use super::nginx::{deployed, with_main};
use super::ports::free_port;
use super::tools::libraries;
use super::{eventually, tool};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
    HaProxy,
    Envoy,
}

/// A running proxy. It is ended when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    process: Child,
}

/// Where it listens, where Bitting is, and where the API.
struct Places<'a> {
    folder: &'a Path,
    own: SocketAddr,
    bitting: ListenAddress,
    api: SocketAddr,
}

impl Proxy {
    /// Starts one, which keeps its files in this folder. Nothing where the program is missing.
    pub fn start(
        kind: Kind,
        folder: &Path,
        bitting: ListenAddress,
        api: SocketAddr,
    ) -> Option<Self> {
        let own = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let places = Places { folder, own, bitting, api };
        // Those that begin as root go on as somebody else.
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        let mut command = match kind {
            Kind::Nginx => nginx(&places),
            Kind::Caddy => caddy(&places),
            Kind::HaProxy => haproxy(&places),
            Kind::Envoy => envoy(&places),
        }?;
        let log = folder.join("proxy.log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let file = File::create(&log).unwrap();
        let process = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut proxy = Self { address: own, process };
        eventually("the proxy listens", || {
            let ended = proxy.process.try_wait().unwrap();
            assert!(ended.is_none(), "{kind:?} has ended: {}", said());
            TcpStream::connect(own).is_ok()
        });
        Some(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// A file of `deploy/authz/` with other addresses; each of them must be there.
fn recipe(name: &str, changes: &[(&str, String)]) -> String {
    let mut text = deployed(&format!("authz/{name}"));
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// Writes the file that a program reads.
fn write(places: &Places<'_>, name: &str, text: &str) {
    std::fs::write(places.folder.join(name), text).unwrap();
}

fn nginx(places: &Places<'_>) -> Option<Command> {
    let site = recipe(
        "nginx.conf",
        &[
            ("listen 443 ssl;", format!("listen {};", places.own)),
            ("    ssl_", "    # ssl_".to_owned()),
            ("server 127.0.0.1:8080;", format!("server {};", places.bitting)),
            ("server 127.0.0.1:3000;", format!("server {};", places.api)),
        ],
    );
    let mut whole = with_main(places.folder, &site);
    if geteuid().is_root() {
        // It gives up what root may do, and the socket belongs to this user's group.
        whole.insert_str(0, "user nobody root;\n");
    }
    write(places, "nginx.conf", &whole);
    let mut command = Command::new(tool("nginx")?);
    command.arg("-p").arg(places.folder).arg("-c").arg(places.folder.join("nginx.conf"));
    Some(command)
}

fn caddy(places: &Places<'_>) -> Option<Command> {
    let site = recipe(
        "Caddyfile",
        &[
            ("api.example.com {", format!("http://:{} {{", places.own.port())),
            ("forward_auth 127.0.0.1:8080 {", format!("forward_auth {} {{", places.bitting)),
            ("reverse_proxy 127.0.0.1:3000\n", format!("reverse_proxy {}\n", places.api)),
        ],
    );
    write(places, "Caddyfile", &format!("{{\n\tadmin off\n}}\n{site}"));
    let mut command = Command::new(tool("caddy")?);
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command.arg(places.folder.join("Caddyfile")).env("HOME", places.folder);
    Some(command)
}

fn haproxy(places: &Places<'_>) -> Option<Command> {
    let program = tool("haproxy")?;
    let folder = places.folder.display();
    let file = recipe(
        "haproxy.cfg",
        &[
            ("/etc/haproxy/bitting.lua", format!("{folder}/bitting.lua")),
            ("bind :443 ssl crt /etc/haproxy/api.example.com.pem", format!("bind {}", places.own)),
            (
                "bitting_authorize 127.0.0.1:8080\n",
                format!("bitting_authorize {}\n", places.bitting),
            ),
            ("server api 127.0.0.1:3000\n", format!("server api {}\n", places.api)),
        ],
    );
    write(places, "haproxy.cfg", &file);
    write(places, "bitting.lua", &recipe("bitting.lua", &[]));
    let mut command = Command::new(&program);
    command.arg("-db").arg("-f").arg(places.folder.join("haproxy.cfg"));
    command.env("LD_LIBRARY_PATH", libraries(&program));
    Some(command)
}

fn envoy(places: &Places<'_>) -> Option<Command> {
    let at = |address: SocketAddr| format!("address: 127.0.0.1, port_value: {} }}", address.port());
    let file = recipe(
        "envoy.yaml",
        &[
            ("address: 0.0.0.0, port_value: 8443 }", at(places.own)),
            ("address: 127.0.0.1, port_value: 8080 }", at(places.bitting.tcp().unwrap())),
            ("address: 127.0.0.1, port_value: 3000 }", at(places.api)),
        ],
    );
    write(places, "envoy.yaml", &file);
    let mut command = Command::new(tool("envoy")?);
    command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "warn", "-c"]);
    command.arg(places.folder.join("envoy.yaml"));
    Some(command)
}
