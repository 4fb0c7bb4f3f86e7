//! The master keys that this process has: read once, when they are first needed.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::KeySource;
use crate::model::connections::{MasterKey, MasterKeyId};

/// How long the command that prints the keys may take.
const COMMAND: Duration = Duration::from_secs(10);

const NONE: &str = "no master key is set: `bitting connection new-key` draws one, and \
                    --connections-key-file names the file that holds it";

/// The master keys: the first seals, all of them open.
pub struct MasterKeys {
    source: Option<KeySource>,
    read: OnceLock<Result<Vec<MasterKey>, String>>,
}

impl MasterKeys {
    /// The keys of this source, which is not looked at yet.
    pub(super) fn new(source: Option<KeySource>) -> Self {
        Self { source, read: OnceLock::new() }
    }

    /// Whether the operator has named any.
    pub fn are_configured(&self) -> bool {
        self.source.is_some()
    }

    /// All of them: one at least.
    ///
    /// # Errors
    /// Why there is none, in words that tell nothing of a key.
    pub fn all(&self) -> Result<&[MasterKey], &str> {
        let read = self.read.get_or_init(|| match &self.source {
            Some(source) => read(source),
            None => Err(NONE.to_owned()),
        });
        read.as_deref().map_err(String::as_str)
    }

    /// The key that seals.
    ///
    /// # Errors
    /// Why there is none.
    pub fn writer(&self) -> Result<&MasterKey, &str> {
        self.all()?.first().ok_or(NONE)
    }

    /// Whether this key is among them.
    pub fn has(&self, id: MasterKeyId) -> bool {
        self.all().is_ok_and(|keys| keys.iter().any(|key| key.id() == id))
    }
}

fn read(source: &KeySource) -> Result<Vec<MasterKey>, String> {
    let (name, text) = match source {
        KeySource::File(path) => ("--connections-key-file", read_file(path)),
        KeySource::Text(text) => ("BITTING_CONNECTIONS_KEY", Ok(text.clone())),
        KeySource::Command(command) => ("--connections-key-command", run(command)),
    };
    let refused = |why: String| format!("{name}: {why}");
    let text = text.map_err(refused)?;
    let words = text.split([' ', ',', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    let keys = words.enumerate().map(|(at, word)| {
        word.parse().map_err(|why| refused(format!("the key in place {} {why}", at + 1)))
    });
    let keys = keys.collect::<Result<Vec<MasterKey>, String>>()?;
    if keys.is_empty() { Err(refused("holds no master key".to_owned())) } else { Ok(keys) }
}

/// A file that others on this machine may read holds no secret.
fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let failed = |why: std::io::Error| format!("{}: {why}", path.display());
    let mode = std::fs::metadata(path).map_err(failed)?.permissions();
    if others_may_read(&mode) {
        return Err(format!(
            "{} can be read by others; chmod 600 {}",
            path.display(),
            path.display()
        ));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

fn others_may_read(mode: &Permissions) -> bool {
    mode.mode() & 0o077 != 0
}

/// What a command prints; it gets no input, and may say on standard error what goes wrong.
fn run(command: &str) -> Result<Zeroizing<String>, String> {
    let failed = |why: std::io::Error| format!("the command cannot be run: {why}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (done, printed) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = Zeroizing::new(String::new());
            let read = output.read_to_string(&mut text);
            let _ = done.send(read.map(|_| text));
        });
    }
    let printed = printed.recv_timeout(COMMAND);
    if printed.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    match printed {
        Err(_late) => Err(format!("the command was not done within {} s", COMMAND.as_secs())),
        Ok(_) if !status.success() => Err(format!("the command failed with {status}")),
        Ok(text) => text.map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        MasterKey::generate().unwrap().expose().to_owned()
    }

    fn fault(source: KeySource) -> String {
        MasterKeys::new(Some(source)).all().unwrap_err().to_owned()
    }

    #[test]
    fn a_file_is_read_unless_others_may_read_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let (first, second) = (key(), key());
        std::fs::write(&path, format!("{first}\n{second}\n")).unwrap();
        for (mode, refused) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let keys = MasterKeys::new(Some(KeySource::File(path.clone())));
            assert_eq!(keys.all().is_err(), refused, "{mode:o}");
        }
        let keys = MasterKeys::new(Some(KeySource::File(path.clone())));
        assert_eq!(keys.writer().unwrap().expose(), first);
        assert!(keys.has(second.parse::<MasterKey>().unwrap().id()));
        std::fs::write(&path, &first[..50]).unwrap();
        let why = fault(KeySource::File(path));
        assert!(why.contains("place 1 is not a whole master key") && !why.contains(&first[..20]));
    }

    #[test]
    fn a_command_prints_the_keys_or_says_how_it_failed() {
        let key = key();
        let command = |text: String| KeySource::Command(text);
        let keys = MasterKeys::new(Some(command(format!("echo {key}"))));
        assert_eq!(keys.writer().unwrap().expose(), key);
        assert!(fault(command("exit 3".into())).contains("exit status: 3"));
        assert!(fault(command("true".into())).contains("holds no master key"));
        assert!(MasterKeys::new(None).all().unwrap_err().contains("new-key"));
    }
}
