//! Two servers of one database behind HAProxy, with the file as it is but for addresses.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::client::Client;
use crate::support::nginx::deployed;
use crate::support::ports::free_port;
use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::tools::libraries;
use crate::support::{Binary, binary, eventually, tool};

/// HAProxy in front of two servers. It is ended when it is dropped.
struct Balancer {
    process: Child,
    client: Client,
}

impl Balancer {
    fn start(program: &Path, folder: &Path, servers: &[Binary; 2]) -> Self {
        let port = free_port();
        let mut file = deployed("haproxy.cfg");
        let mut change = |from: &str, to: String| {
            assert!(file.contains(from), "the file has no {from}");
            file = file.replace(from, &to);
        };
        change("bind :8080", format!("bind 127.0.0.1:{port}"));
        for backend in ["ready", "alive"] {
            let lines = servers.each_ref().map(|server| {
                let address = server.client.base.trim_start_matches("http://");
                format!("server {backend}{} {address} check", address.rsplit(':').next().unwrap())
            });
            let template = " 2 bitting:8080 check resolvers docker init-addr none";
            change(&format!("server-template {backend}{template}"), lines.join("\n    "));
        }
        let path = folder.join("haproxy.cfg");
        std::fs::write(&path, file).unwrap();
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(path).env("LD_LIBRARY_PATH", libraries(program));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("the balancer listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, client: Client::new(&format!("http://127.0.0.1:{port}")) }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_balancer_goes_on_without_one_server_and_without_the_database() {
    let Some(program) = tool("haproxy") else { return };
    if !can_start_servers() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new();
    cluster.execute("postgres", "CREATE DATABASE bitting");
    let url = cluster.url("bitting");
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", &url];
    let key = binary::run_ok(folder.path(), &create);
    let arguments = ["--database-url", &url, "--max-staleness", "5m"];
    let servers = [(); 2].map(|()| Binary::serve(folder.path(), &arguments));
    let balancer = Balancer::start(&program, folder.path(), &servers);
    let ask = || balancer.client.with_key(&key, "GET", "/v1/ping", None).status;
    eventually("both are found", || ask() == 200);

    cluster.stop();
    for server in &servers {
        eventually("no server is ready", || {
            // Its counts cannot be written.
            server.client.with_key(&key, "GET", "/v1/ping", None);
            server.client.send("GET", "/readyz", &[], None).status == 503
        });
    }
    // While HAProxy takes them out one after the other, and after that.
    (0..200).for_each(|_| assert_eq!(ask(), 200));
    cluster.start();
    eventually("changes are made again", || {
        balancer.client.with_key(&key, "GET", "/v1/calls", None).status == 200
    });

    let [first, second] = servers;
    assert_eq!(first.terminate().0, Some(0));
    // One that has gone is found out about with the first connection that is refused.
    (0..50).for_each(|_| assert_eq!(ask(), 200));
    assert_eq!(second.terminate().0, Some(0));
}
