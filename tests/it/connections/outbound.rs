//! The way out: which addresses are dialled, and whom TLS believes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitting::outbound::{Answer, Connector, Fault, ask};
use http::Request;
use ipnet::IpNet;

use crate::support::ports::NOBODY;
use crate::support::vendors::{AUTHORITY, Vendor, callrail};

const LONG: Duration = Duration::from_secs(10);

fn loopback() -> Vec<IpNet> {
    vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
}

/// A way out that may reach this machine and trusts the tests' authority.
fn connector() -> Connector {
    Connector::new(&loopback(), &[AUTHORITY.certificate()]).unwrap()
}

fn get(connector: &Connector, url: &str) -> Result<Answer, Fault> {
    let key = format!("Token token=\"{}\"", callrail::KEY);
    let request = Request::get(url).header("authorization", key).body(String::new()).unwrap();
    ask(connector, request, LONG)
}

fn accounts(vendor: &Vendor) -> String {
    format!("{}/v3/a.json", vendor.origin())
}

#[test]
fn a_vendor_is_asked_over_tls_and_sees_its_own_host() {
    let vendor = callrail::start();
    let answer = get(&connector(), &accounts(&vendor)).unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.body().starts_with(b"{"), "{:?}", answer.body());
    let seen = vendor.take();
    assert_eq!(seen[0].all("host"), [format!("localhost:{}", vendor.address.port())]);
    assert_eq!(seen[0].all("content-length"), [""; 0]);
}

#[test]
fn a_private_address_is_not_dialled_however_it_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let public = Connector::new(&[], &[]).unwrap();
    for host in
        ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "localhost", "[::ffff:127.0.0.1]"]
    {
        let fault = get(&public, &format!("http://{host}:{port}/")).unwrap_err().to_string();
        assert!(fault.contains("private or reserved address"), "{host}: {fault}");
        assert!(listener.accept().is_err(), "{host} was dialled");
    }
}

#[test]
fn what_is_dialled_is_what_was_checked() {
    let vendor = callrail::start();
    let [public, ours]: [SocketAddr; 2] =
        ["192.0.2.1:1".parse().unwrap(), SocketAddr::from(([127, 0, 0, 1], vendor.address.port()))];
    let asked = Arc::new(AtomicUsize::new(0));
    let rebinding = |first: Vec<SocketAddr>| {
        let asked = asked.clone();
        move |_: &str, _: u16| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(first.clone()),
            _ => Ok(vec![ours]),
        }
    };
    // Several addresses of which one is private: none is dialled.
    let to = |connector: Connector, first| connector.with_resolver(Arc::new(rebinding(first)));
    let no_loopback = Connector::new(&["192.0.2.0/24".parse().unwrap()], &[]).unwrap();
    let fault = get(&to(no_loopback, vec![public, ours]), "http://vendor.example/").unwrap_err();
    assert!(fault.to_string().contains("127.0.0.1, a private"), "{fault}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the name was resolved again");
    assert_eq!(vendor.take().len(), 0);
    // The name that a certificate must have is that of the URL, not of the address.
    let here = connector().with_resolver(Arc::new(move |_: &str, _: u16| Ok(vec![ours])));
    let fault = get(&here, "https://vendor.example/v3/a.json").unwrap_err().to_string();
    assert!(fault.contains("TLS with vendor.example failed"), "{fault}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_by_name() {
    let vendor = callrail::start();
    let stranger = Connector::new(&loopback(), &[]).unwrap();
    let fault = get(&stranger, &accounts(&vendor)).unwrap_err().to_string();
    assert!(
        fault.contains("TLS with localhost failed") && fault.contains("UnknownIssuer"),
        "{fault}"
    );
    assert!(!fault.contains(callrail::KEY));
    assert_eq!(vendor.take().len(), 0);
}

#[test]
fn each_failure_says_what_it_is() {
    let nobody = format!("http://127.0.0.1:{NOBODY}/");
    let fault = get(&connector(), &nobody).unwrap_err().to_string();
    assert!(fault.contains("takes no connection"), "{fault}");

    let nowhere = connector().with_resolver(Arc::new(|_: &str, _: u16| Ok(Vec::new())));
    let fault = get(&nowhere, "https://vendor.example/").unwrap_err().to_string();
    assert!(fault.contains("vendor.example cannot be resolved"), "{fault}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n").unwrap();
        let _ = stream.write_all(&[b'x'; 2_000_000]);
        // Kept open and silent until its client has given up.
        let (mut silent, _) = listener.accept().unwrap();
        while silent.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let fault = get(&connector(), &url).unwrap_err().to_string();
    assert!(fault.contains("no valid answer"), "{fault}");
    let fault = get(&connector(), &url).unwrap_err().to_string();
    assert!(fault.contains("longer than"), "{fault}");
    let request = Request::get(&url).body(String::new()).unwrap();
    let fault = ask(&connector(), request, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(fault, Fault::Late(_)), "{fault}");
    serving.join().unwrap();
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let vendor = Vendor::start(|_, origin| {
        let body = serde_json::json!({});
        crate::support::vendors::Reply::json(302, &body).with("Location", format!("{origin}/other"))
    });
    let answer = get(&connector(), &accounts(&vendor)).unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(vendor.take().len(), 1);
}
