//! The real binary, as people start it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::Client;

/// The program, in a folder and with an environment of its own.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitting"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// The program for whom the modes of files count, which they do not for root.
pub fn unprivileged(folder: &Path, arguments: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command(folder, arguments);
    }
    let capabilities = "-dac_override,-dac_read_search";
    let dropping = ["--bounding-set", capabilities, "--inh-caps", capabilities];
    started_by("setpriv", &dropping, folder, arguments)
}

/// The program, started by a shell that has said something before, such as `ulimit -n 200`.
pub fn in_script(folder: &Path, before: &str, arguments: &[&str]) -> Command {
    started_by("sh", &["-c", &format!("{before}; exec \"$0\" \"$@\"")], folder, arguments)
}

/// The program, started by another one with these arguments of its own.
fn started_by(starter: &str, own: &[&str], folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(starter);
    command.args(own).arg(env!("CARGO_BIN_EXE_bitting")).args(arguments);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs a command that is to end by itself; one that goes on to serve is killed.
pub fn ended(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    end_of(child.expect("cannot start"))
}

/// Waits for the end of a process; one that goes on is killed.
pub fn end_of(mut child: Child) -> Output {
    let deadline = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.wait_with_output().unwrap()
}

/// Runs a command that must succeed, and returns its standard output.
#[track_caller]
pub fn run_ok(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A running `bitting serve` on a free port. It is killed when it is dropped.
pub struct Binary {
    child: Child,
    pub client: Client,
    log: Arc<Mutex<String>>,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Binary {
    /// Starts the server; its database is `bitting.db` in the folder unless said.
    pub fn serve(folder: &Path, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        // Who has started the tests may have kept them from hanging up.
        Self::start(started_by("env", &["--default-signal=HUP"], folder, &all))
    }

    /// Starts a command that serves.
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cannot start");
        let (log, reader) = keep(child.stderr.take().unwrap(), String::new());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (said, _) = keep(output, line.clone());
        let base = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        let Some(base) = base else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server did not start: {}", log.lock().unwrap());
        };
        Self { child, client: Client::new(&base), log, said, reader: Some(reader) }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Whether it is ready. That is asked by a program of its own: a connection may be cut when the
    /// server takes over from what answers while it waits for its database.
    pub fn is_ready(&self) -> bool {
        let address = self.client.base.trim_start_matches("http://");
        run(Path::new("/"), &["healthcheck", "--listen", address]).status.success()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; returns the exit code and everything it logged.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status.code(), self.log())
    }

    /// Stops it with SIGTERM and waits for its end.
    pub fn terminate(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.wait()
    }
}

/// Reads what a process writes, after what was read before.
fn keep(
    mut from: impl Read + Send + 'static,
    before: String,
) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(before));
    let kept = text.clone();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    (text, reader)
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who runs commands here, as the audit log names them.
pub fn operator() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    format!("{} on {}", said("id", "-un"), said("uname", "-n"))
}
