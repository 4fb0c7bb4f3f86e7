//! How a key is presented to a connection: in every usual form, and as Customerly's clients have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::config::ConnectionOptions;

use super::Operator;
use crate::support::vendors::{callrail, customerly, header};
use crate::support::{Backend, on_both};

const PATH: &str = "/via/customerly/v1/users/list?page=0";

on_both! {
    fn a_key_is_taken_as_each_vendors_clients_send_it_and_never_goes_on(backend) {
        let vendor = customerly::start();
        let ours = Operator::new(backend, &[&vendor]);
        ours.add("customerly", "customerly", &vendor, customerly::TOKEN).unwrap();
        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("contacts:read@customerly");
        let secret = &key.secret;
        let send = |path: &str, headers: &[(&str, &str)]| server.client.send("GET", path, headers, None);
        vendor.take();
        let forms = [
            ("Authentication", secret.clone(), false),
            ("AccessToken", secret.clone(), false),
            ("Authentication", format!("AccessToken: {secret}"), true),
            ("Authentication", format!("Bearer {secret}"), true),
            ("Authorization", format!("Bearer {secret}"), true),
            ("Authorization", format!("Token token=\"{secret}\""), true),
            ("Authorization", format!("Basic {}", STANDARD.encode(format!("{}:{secret}", key.id))), true),
            ("apikey", secret.clone(), true),
            ("X-Api-Key", secret.clone(), true),
        ];
        for (name, value, everywhere) in &forms {
            let answer = send(PATH, &[(name, value)]);
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
            let elsewhere = send("/v1/whoami", &[(name, value)]).status;
            assert_eq!(elsewhere, if *everywhere { 200 } else { 401 }, "{name}");
        }
        let seen = vendor.take();
        assert_eq!(seen.len(), forms.len());
        let own = format!("AccessToken: {}", customerly::TOKEN);
        for request in &seen {
            let head = &request.head;
            assert_eq!(header(request, "authentication"), Some(own.as_str()), "{head}");
            assert!(!head.contains(secret.as_str()) && !head.contains("Authorization"), "{head}");
        }
        for (first, second) in [
            (("Authentication", secret.clone()), ("AccessToken", secret.clone())),
            (("AccessToken", secret.clone()), ("AccessToken", secret.clone())),
            (("AccessToken", secret.clone()), ("Authorization", format!("Bearer {secret}"))),
            (("Authentication", secret.clone()), ("X-Api-Key", secret.clone())),
        ] {
            let both = [(first.0, first.1.as_str()), (second.0, second.1.as_str())];
            send(PATH, &both).expect(400, "multiple_credentials");
        }
        send(PATH, &[("AccessToken", &format!("{secret},{secret}"))]).expect(400, "multiple_credentials");
        send(PATH, &[("AccessToken", &secret[..secret.len() - 1])]).expect(401, "invalid_key");
        send(PATH, &[("AccessToken", &server.admin)]).expect(401, "invalid_key");
        server.revoke(&key);
        send(PATH, &[("AccessToken", secret)]).expect(401, "key_revoked");
        assert!(vendor.take().is_empty(), "nothing that was refused reached it");
    }
}

#[test]
fn what_is_no_key_does_not_count_as_one() {
    let vendor = callrail::start();
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("calls:read@callrail");
    let bearer = format!("Bearer {}", key.secret);
    let headers = [("Authorization", bearer.as_str()), ("Access-Token", "x"), ("X-Auth", "y")];
    vendor.take();
    let answer = server.client.send("GET", "/via/callrail/v3/a.json", &headers, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = &vendor.take()[0].head;
    assert!(!head.contains("Access-Token") && !head.contains("X-Auth"), "{head}");
}
