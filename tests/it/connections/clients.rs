//! A vendor's client from its registry, with nothing changed but the address and the key.

use std::process::Command;

use bitting::config::ConnectionOptions;

use super::Operator;
use crate::support::vendors::{callrail, header};
use crate::support::{Backend, fetched};

/// Reads all calls, two a page, by the links that lead from one to the next.
const SCRIPT: &str = "\
import sys
from pycallrail.callrail import CallRail
address, key, account = sys.argv[1:]
client = CallRail(api_key=key)
client.BASE_URL = address
calls = client._get('a', path=f'{account}/calls.json', params={'per_page': 2},
                    response_data_key='calls', pagination_type='RELATIVE')
print(*[call['id'] for call in calls])
";

#[test]
fn a_client_of_callrails_reads_page_after_page() {
    let Some(python) = fetched("vendor-clients/bin/python") else { return };
    let vendor = callrail::start();
    let ours = Operator::new(Backend::Sqlite, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    let key = server.key("calls:read@callrail");
    vendor.take();
    let address = format!("{}/via/callrail/v3/", server.client.base);
    let mut client = Command::new(python);
    client.args(["-c", SCRIPT, &address, &key.secret, callrail::ACCOUNT]);
    let ran = client.env_remove("PYTHONPATH").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    assert_eq!(String::from_utf8(ran.stdout).unwrap().trim(), "CAL1 CAL2 CAL3 CAL4 CAL5");
    let seen = vendor.take();
    assert_eq!(seen.len(), 3);
    for request in seen {
        let token = format!("Token token=\"{}\"", callrail::KEY);
        assert_eq!(header(&request, "authorization"), Some(token.as_str()));
        assert!(!request.head.contains(&key.secret), "{}", request.head);
    }
}
