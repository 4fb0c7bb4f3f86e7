//! The file of a Unix socket: who may connect, what it may stand in place of, and when it goes.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use crate::server::startup::refused;
use crate::support::ports::free_port;
use crate::support::{Binary, binary, eventually, raw};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// What to say to listen on this socket.
fn listen(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn serve(folder: &Path, places: &[&str]) -> Command {
    let listens = places.iter().flat_map(|place| ["--listen", place]);
    let arguments: Vec<&str> = ["serve"].into_iter().chain(listens).collect();
    binary::command(folder, &arguments)
}

/// A server on this socket alone.
fn start(folder: &Path, path: &Path) -> Binary {
    Binary::start(serve(folder, &[&listen(path)]))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

#[track_caller]
fn assert_serves(path: &Path) {
    let answer = raw::exchange_at(path, HEALTH);
    assert_eq!(raw::status(&answer), 200, "{answer}");
}

#[test]
fn owner_and_group_may_connect_whatever_the_mask() {
    for mask in ["000", "022", "077", "777"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        // The database has to be readable all the same.
        binary::run_ok(folder.path(), &["migrate"]);
        let (mask_first, listen) = (format!("umask {mask}"), listen(&path));
        let arguments = ["serve", "--listen", &*listen];
        let server = Binary::start(binary::in_script(folder.path(), &mask_first, &arguments));
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o660, "umask {mask}");
        assert_serves(&path);
        assert_eq!(server.terminate().0, Some(0));
        assert!(!path.exists(), "it goes with its server");
    }
}

#[test]
fn every_place_is_named_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let (port, socket) = (free_port(), listen(&path));
    let (first, all) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}, {socket},[::1]:0"));
    let by_flag = serve(folder.path(), &[&first, &socket, "[::1]:0"]);
    let mut by_variable = serve(folder.path(), &[]);
    by_variable.env("BITTING_LISTEN", &all);
    let file = folder.path().join("own.toml");
    fs::write(&file, format!("listen = [\"{first}\", \"{socket}\", \"[::1]:0\"]")).unwrap();
    let mut by_list = serve(folder.path(), &[]);
    by_list.arg("--config").arg(&file);
    for command in [by_flag, by_variable, by_list] {
        let server = Binary::start(command);
        eventually("it is ready", || server.log().contains("ready"));
        eventually("it has said so", || server.said().lines().count() == 3);
        let said = server.said();
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(
            said[..2],
            [format!("listening on http://{first}"), format!("listening on {socket}")]
        );
        assert_serves(&path);
        for line in [said[0], said[2]] {
            let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
            assert_eq!(raw::status(&raw::exchange(address, HEALTH)), 200, "{line}");
        }
        let log = server.log();
        assert!(log.contains(&format!("listen=\"{first},{socket},[::1]:")), "{log}");
        assert!(log.contains(&format!("http://{first}/setup?token=")), "{log}");
        assert!(!log.contains("unencrypted"), "{log}");
        for place in [&first, &socket] {
            let asked = ["healthcheck", "--listen", place];
            assert_eq!(binary::run_ok(folder.path(), &asked), format!("{place} is ready"));
        }
        assert_eq!(server.terminate().0, Some(0));
        assert!(!path.exists());
    }
    let asked = binary::run(folder.path(), &["healthcheck", "--listen", &socket]);
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    let checked = binary::run_ok(folder.path(), &["check", "--listen", &all]);
    assert!(checked.contains(&format!("listen on {first}, {socket}, [::1]:0")), "{checked}");
}

#[test]
fn where_only_a_proxy_reaches_the_pages_its_address_is_left_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let server = start(folder.path(), &path);
    assert_eq!(server.said(), format!("listening on {}\n", listen(&path)));
    eventually("it greets", || server.log().contains("There is no key yet"));
    let log = server.log();
    assert!(log.contains("http://PROXY/setup?token="), "{log}");
    assert!(log.contains("your proxy in place of PROXY; set --public-url"), "{log}");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_place_that_cannot_be_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("unix:/{}", "x".repeat(107));
    let beside = format!("unix:{}/nowhere/b.sock", folder.path().display());
    let below = format!("unix:{}/file/b.sock", folder.path().display());
    let there = listen(&folder.path().join("b.sock"));
    fs::write(folder.path().join("file"), "").unwrap();
    for (places, code, expected) in [
        (&["unix:"][..], 2, &["--listen", "\"unix:\"", "absolute path"][..]),
        (&["unix:b.sock"], 2, &["--listen", "\"unix:b.sock\"", "absolute path"]),
        (&[&*there, "127.0.0.1:0", &*there], 2, &["--listen", "twice", &*there]),
        (&["127.0.0.1:1", "127.0.0.1:1"], 2, &["--listen", "names 127.0.0.1:1 twice"]),
        (&[&*long], 2, &["--listen", "108 bytes long", "107 at most"]),
        (&["127.0.0.1:0", &*beside], 1, &[&*beside, "no directory", "make it", "--listen"]),
        (&[&*below], 1, &[&*below, "Not a directory", "choose another path with --listen"]),
    ] {
        refused(serve(folder.path(), places), folder.path(), code, expected);
    }
    // What was taken before goes again.
    let places = [&*there, "203.0.113.1:80"];
    refused(serve(folder.path(), &places), folder.path(), 1, &["203.0.113.1:80", "--listen"]);
    let mut command = serve(folder.path(), &[&there]);
    command.args(["--database-url", "sqlite:///nowhere/b.db"]);
    refused(command, folder.path(), 1, &["/nowhere"]);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "precious").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("nothing"), at("dangling")).unwrap();
    for name in ["file", "folder", "link", "dangling"] {
        let place = listen(&at(name));
        let expected = [&*place, "is not a socket, and is left alone", "--listen"];
        refused(serve(folder.path(), &[&place]), folder.path(), 1, &expected);
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
}

#[test]
fn a_socket_that_is_listened_on_stays_with_who_listens() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = start(folder.path(), &at("ours"));
    let _foreign = UnixListener::bind(at("foreign")).unwrap();
    let _other = UnixDatagram::bind(at("datagrams")).unwrap();
    for name in ["ours", "foreign", "datagrams"] {
        let place = listen(&at(name));
        let before = fs::symlink_metadata(at(name)).unwrap().ino();
        let expected = [&*place, "another process listens on this socket", "stop that one"];
        refused(serve(folder.path(), &[&place]), folder.path(), 1, &expected);
        assert_eq!(fs::symlink_metadata(at(name)).unwrap().ino(), before);
    }
    assert_serves(&at("ours"));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_socket_of_a_process_that_was_killed_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    for _ in 0..2 {
        let server = start(folder.path(), &path);
        assert_serves(&path);
        server.signal("KILL");
        server.wait();
        assert!(is_socket(&path), "nobody could remove it");
    }
    let server = start(folder.path(), &path);
    assert_serves(&path);
    assert_eq!(server.terminate().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn a_socket_that_somebody_else_has_put_in_its_place_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let first = start(folder.path(), &path);
    fs::remove_file(&path).unwrap();
    let second = start(folder.path(), &path);
    assert_eq!(first.terminate().0, Some(0));
    assert_serves(&path);
    assert_eq!(second.terminate().0, Some(0));
    assert!(!path.exists());
}
