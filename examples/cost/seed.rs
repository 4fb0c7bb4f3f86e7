//! Databases with many keys, filled as anybody would: by `bitting key import`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bitting::model::secret::{Secret, SecretKind};

use super::Result;
use super::process::cpu_of_the_ended;

/// What the keys of a database are like.
#[derive(Clone, Copy)]
pub struct Keys {
    pub count: usize,
    /// How many of them are going to be used.
    pub used: usize,
    /// Whether they have a rate limit, one that is never reached.
    pub limited: bool,
}

/// A database, and some of its keys.
pub struct Seed {
    folder: PathBuf,
    /// The keys that are used under load.
    pub used: Vec<String>,
    pub count: usize,
    pub took: Duration,
    /// CPU time of the import, in seconds.
    pub cpu: f64,
    /// The key that was imported last, and is known last.
    pub last_key: String,
}

impl Seed {
    /// A database with such keys.
    pub fn import(folder: &Path, programs: &Path, keys: Keys) -> Result<Self> {
        let Keys { count, used, limited } = keys;
        let limit = if limited { "1000000/second" } else { "" };
        let folder = folder.to_owned();
        std::fs::create_dir(&folder)?;
        let brand = "bt".parse()?;
        let mut file = BufWriter::new(File::create(folder.join("keys.csv"))?);
        writeln!(file, "name,owner,scopes,expires_at,rate_limit,display,sha256")?;
        let (mut in_use, mut last_key) = (Vec::new(), String::new());
        let step = count.div_ceil(used.max(1)).max(1);
        for n in 0..count {
            let secret = Secret::generate(&brand, SecretKind::ApiKey)?;
            let (owner, expires) = (n % 1000, if n % 2 == 0 { "365d" } else { "" });
            let (display, digest) = (secret.display(), secret.digest().to_hex());
            writeln!(
                file,
                "key {n},customer {owner},calls:read calls:write,{expires},{limit},{display},{digest}"
            )?;
            if n % step == 0 {
                in_use.push(secret.expose().to_owned());
            }
            last_key = secret.expose().to_owned();
        }
        file.into_inner()?.sync_all()?;
        let mut seed =
            Self { folder, used: in_use, count, took: Duration::ZERO, cpu: 0.0, last_key };
        let (began, cpu) = (Instant::now(), cpu_of_the_ended()?);
        let import = Command::new(programs.join("bitting"))
            .args(["key", "import"])
            .arg(seed.folder.join("keys.csv"))
            .arg(format!("--database-url={}", seed.database_url()))
            .stdout(Stdio::null())
            .status()?;
        (seed.took, seed.cpu) = (began.elapsed(), cpu_of_the_ended()? - cpu);
        if import.success() { Ok(seed) } else { Err("the import failed".into()) }
    }

    /// A database in which this one key has been made.
    pub fn of_one_key(folder: &Path, key: String) -> Self {
        let (folder, took) = (folder.to_owned(), Duration::ZERO);
        Self { folder, used: vec![key.clone()], count: 1, took, cpu: 0.0, last_key: key }
    }

    pub fn database_url(&self) -> String {
        format!("sqlite://{}", self.folder.join("bench.db").display())
    }

    /// Takes the database out of the page cache, so that a start reads it from the disk.
    pub fn forget_pages(&self) -> Result<()> {
        let input = format!("if={}", self.folder.join("bench.db").display());
        let dd = ["iflag=nocache", "count=0", "status=none", input.as_str()];
        Command::new("dd").args(dd).status()?;
        Ok(())
    }

    /// A file with the keys that are used under load, one a line.
    pub fn sample_file(&self) -> Result<PathBuf> {
        let file = self.folder.join("used");
        std::fs::write(&file, self.used.join("\n"))?;
        Ok(file)
    }
}
