//! nginx in front of an API that needs a key: with an authorizer, and with the keys in a file of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::Result;
use super::contest::Contender;
use super::process::{CALLS, Place, Server};
use super::seed::Seed;

/// nginx that asks a server which says yes to everything, and nginx that asks Bitting.
pub fn authorizers(place: &Place, seed: &Seed, folder: &Path, api: u16) -> Result<Vec<Contender>> {
    let contender = |name: &str, authorizer: Server| -> Result<Contender> {
        let folder = folder.join(format!("nginx-{}", authorizer.port));
        let conf = |port| asking(port, authorizer.port, api);
        let nginx = Server::nginx(place, &folder, &seed.last_key, conf)?;
        Ok(Contender::new(name, nginx, seed)?.at(CALLS).with(authorizer))
    };
    let (bitting, _) = Server::bitting(place, seed)?;
    Ok(vec![
        contender("nginx and a bare actix-web", Server::bare(place, false)?)?,
        contender("nginx and Bitting", bitting)?,
        contender("nginx and the bare one again (control)", Server::bare(place, false)?)?,
    ])
}

/// nginx with a list of keys, and Bitting's gateway.
pub fn gateways(place: &Place, seed: &Seed, folder: &Path, api: u16) -> Result<Vec<Contender>> {
    let nginx = |name: &str, at: &str| -> Result<Contender> {
        let folder = folder.join(at);
        let conf = |port| with_a_list(port, api, seed);
        let nginx = Server::nginx(place, &folder, &seed.last_key, conf)?;
        Ok(Contender::new(name, nginx, seed)?.at(CALLS))
    };
    let gateway = Server::gateway(place, seed, api)?;
    Ok(vec![
        nginx("nginx with a `map` of the keys", "list")?,
        Contender::new("Bitting's gateway", gateway, seed)?.at(CALLS),
        nginx("nginx again (control)", "list-again")?,
    ])
}

/// One worker and no log; connections to what stands behind are kept.
fn configuration(http: &str) -> String {
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  \
         fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  \
         keepalive_requests 1000000000;\n  proxy_http_version 1.1;\n  \
         proxy_set_header Connection \"\";\n{http}\n}}\n"
    )
}

fn upstream(name: &str, port: u16) -> String {
    format!(
        "  upstream {name} {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}\n"
    )
}

fn asking(port: u16, authorizer: u16, api: u16) -> String {
    let upstreams = upstream("authorizer", authorizer) + &upstream("api", api);
    configuration(&format!(
        "{upstreams}  server {{\n    listen 127.0.0.1:{port};\n    auth_request /_authorizer;\n    \
         auth_request_set $key_id $upstream_http_x_bitting_key_id;\n    \
         location / {{ proxy_pass http://api; proxy_set_header X-Bitting-Key-Id $key_id; }}\n    \
         location = /_authorizer {{\n      internal;\n      \
         proxy_pass http://authorizer/authz/nginx;\n      proxy_pass_request_body off;\n      \
         proxy_set_header Content-Length \"\";\n      proxy_set_header Connection \"\";\n      \
         proxy_set_header X-Original-Method $request_method;\n      \
         proxy_set_header X-Original-URI $request_uri;\n    }}\n  }}"
    ))
}

/// nginx that knows the keys that are used, and refuses any other.
fn with_a_list(port: u16, api: u16, seed: &Seed) -> String {
    let mut keys = String::new();
    let known: BTreeSet<&String> = seed.used.iter().chain([&seed.last_key]).collect();
    for key in known {
        // Writing to a String cannot fail.
        let _ = writeln!(keys, "    \"Bearer {key}\" 1;");
    }
    configuration(&format!(
        "  map_hash_max_size 65536;\n  map_hash_bucket_size 128;\n  \
         map $http_authorization $known {{\n    default 0;\n{keys}  }}\n{api_upstream}  server {{\n    \
         listen 127.0.0.1:{port};\n    location / {{\n      if ($known = 0) {{ return 401; }}\n      \
         proxy_pass http://api;\n      proxy_set_header Authorization \"\";\n    }}\n  }}",
        api_upstream = upstream("api", api),
    ))
}
