//! A connection to a vendor's API, beside the gateway to the same API.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Result;
use super::contest::Contender;
use super::process::{CALLS, Place, Server};
use super::seed::Seed;

/// The gateway and a connection with one key, both in front of the same API.
pub fn connections(place: &Place, folder: &Path, api: u16) -> Result<Vec<Contender>> {
    let folder = folder.join("vendor");
    fs::create_dir(&folder)?;
    let master_key = folder.join("master-key");
    let origin = format!("http://127.0.0.1:{api}");
    let settings = [
        format!("--connections-key-file={}", master_key.display()),
        format!("--connections-hosts={origin}"),
        "--connections-private=127.0.0.0/8".to_owned(),
    ];
    let database = Seed::of_one_key(&folder, String::new()).database_url();
    let run = |arguments: &[&str], input: &str| -> Result<String> {
        let mut command = Command::new(place.programs.join("bitting"));
        command.args(arguments).args(&settings).arg(format!("--database-url={database}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{arguments:?} failed").into());
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    };
    fs::write(&master_key, run(&["connection", "new-key"], "")?)?;
    fs::set_permissions(&master_key, Permissions::from_mode(0o600))?;
    let rule = format!("GET {CALLS} calls:read");
    let add =
        ["connection", "add", "crm", "--kind", "http", "--rule", &rule, "--base-url", &origin];
    run(
        &[&add[..], &["--auth", "header:X-Api-Key", "--untested"]].concat(),
        "a-credential-0123456789",
    )?;
    let create = ["key", "create", "--name", "one", "--scope", "calls:read"];
    let key = run(&[&create[..], &["--scope", "calls:read@crm"]].concat(), "")?;
    let seed = Seed::of_one_key(&folder, key);
    let gateway = |name| Contender::new(name, Server::gateway(place, &seed, api)?, &seed);
    let (connection, _) = Server::bitting_with(place, &seed, &settings)?;
    let connection = Contender::new("a connection, at `/via/crm`", connection, &seed)?;
    Ok(vec![
        gateway("Bitting's gateway")?.at(CALLS),
        connection.at("/via/crm/v1/calls"),
        gateway("the gateway again (control)")?.at(CALLS),
    ])
}
