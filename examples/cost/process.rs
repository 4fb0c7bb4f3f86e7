//! Servers as processes on one core: started, asked, measured and stopped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::time::ClockId;
use nix::unistd::Pid;

use super::Result;
use super::seed::Seed;

/// What every key may ask.
pub const PING: &str = "/v1/ping";
pub const WHOAMI: &str = "/v1/whoami";
/// What the keys of a seed may read.
pub const CALLS: &str = "/v1/calls";
const LONGEST_START: Duration = Duration::from_secs(120);

/// Where servers run, and where their programs lie.
pub struct Place {
    pub core: usize,
    pub programs: PathBuf,
}

/// A running server. It is killed when it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// The server that checks nothing; if asked, its answers have the headers of Bitting's.
    pub fn bare(place: &Place, with_headers: bool) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(place.programs.join("examples/bare"));
        command.arg(port.to_string()).args(with_headers.then_some("with-headers"));
        let server = start(place, &command, port)?;
        server.wait_until(PING, "", 200)?;
        Ok(server)
    }

    /// nginx with one worker, whose configuration listens on the port it is given.
    pub fn nginx(
        place: &Place,
        folder: &Path,
        key: &str,
        configuration: impl FnOnce(u16) -> String,
    ) -> Result<Self> {
        let port = free_port()?;
        std::fs::create_dir_all(folder)?;
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration(port))?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(file);
        let server = start(place, &command, port)?;
        server.wait_until(CALLS, key, 200)?;
        Ok(server)
    }

    /// Bitting, and how long it took until it accepted a key.
    pub fn bitting(place: &Place, seed: &Seed) -> Result<(Self, Duration)> {
        Self::bitting_with(place, seed, &[])
    }

    /// Bitting in front of an API, with its gateway at the port of the server.
    pub fn gateway(place: &Place, seed: &Seed, upstream: u16) -> Result<Self> {
        let gateway = free_port()?;
        let options = [
            format!("--gateway-listen=127.0.0.1:{gateway}"),
            format!("--upstream=http://127.0.0.1:{upstream}"),
        ];
        let (mut server, _) = Self::bitting_with(place, seed, &options)?;
        server.port = gateway;
        server.wait_until(CALLS, &seed.last_key, 200)?;
        Ok(server)
    }

    /// The same with more options.
    pub fn bitting_with(
        place: &Place,
        seed: &Seed,
        options: &[String],
    ) -> Result<(Self, Duration)> {
        let port = free_port()?;
        let mut command = Command::new(place.programs.join("bitting"));
        command.args(["serve", "--workers", "1", "--log-level", "warn"]);
        command.arg(format!("--listen=127.0.0.1:{port}"));
        command.arg(format!("--database-url={}", seed.database_url())).args(options);
        let began = Instant::now();
        let server = start(place, &command, port)?;
        server.wait_until(PING, &seed.last_key, 200)?;
        Ok((server, began.elapsed()))
    }

    /// A measurement of a server that lets everybody in would say nothing.
    pub fn must_refuse_a_wrong_key(&self, seed: &Seed) -> Result<()> {
        let key = &seed.last_key;
        match self.status(PING, &key[..key.len().saturating_sub(1)])? {
            401 => Ok(()),
            other => Err(format!("a wrong key is answered with {other}").into()),
        }
    }

    /// CPU time used so far, in seconds: by the process's own clock, since the ticks of `/proc` are too
    /// coarse for a turn of a second.
    pub fn cpu(&self) -> Result<f64> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(self.child.id().try_into()?))?;
        Ok(Duration::from(clock.now()?).as_secs_f64())
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }

    /// Stops it gracefully.
    pub fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_until(&self, path: &str, key: &str, status: u16) -> Result<()> {
        let began = Instant::now();
        while self.status(path, key).ok() != Some(status) {
            if began.elapsed() > LONGEST_START {
                return Err("a server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Makes records for a list to show.
    pub fn add_calls(&self, key: &str, count: usize) -> Result<()> {
        let body = r#"{"direction":"inbound","caller":"+14155550100"}"#;
        let headers = format!(
            "Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        for _ in 0..count {
            match self.answered(&format!("POST {CALLS}"), &headers, body)? {
                201 => {}
                other => return Err(format!("a record is answered with {other}").into()),
            }
        }
        Ok(())
    }

    /// The status of one request.
    fn status(&self, path: &str, key: &str) -> Result<u16> {
        let credential = match key {
            "" => String::new(),
            key => format!("Authorization: Bearer {key}\r\n"),
        };
        self.answered(&format!("GET {path}"), &credential, "")
    }

    fn answered(&self, line: &str, headers: &str, body: &str) -> Result<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "{line} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n{body}")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(std::str::from_utf8(&answer[9..])?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time in seconds of all processes that this one has waited for.
pub fn cpu_of_the_ended() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |time: TimeVal| time.num_microseconds() as f64;
    Ok((microseconds(usage.user_time()) + microseconds(usage.system_time())) / 1e6)
}

fn start(place: &Place, command: &Command, port: u16) -> Result<Server> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &place.core.to_string()]).arg(command.get_program());
    pinned.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Server { child: pinned.spawn()?, port })
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
