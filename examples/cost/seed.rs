//! Databases with many keys, filled as anybody would: by `bitting key import`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bitting::model::secret::{Secret, SecretKind};

use super::Result;

/// So many keys are used under load.
const USED: usize = 10_000;

/// A database, and some of its keys.
pub struct Seed {
    folder: PathBuf,
    used: Vec<String>,
    pub count: usize,
    pub took: Duration,
    /// The key that was imported last, and is known last.
    pub last_key: Option<String>,
}

impl Seed {
    /// A database that is not there yet.
    pub fn empty(folder: &Path) -> Result<Self> {
        let folder = folder.join("0");
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, used: Vec::new(), count: 0, took: Duration::ZERO, last_key: None })
    }

    /// A database with so many keys.
    pub fn import(folder: &Path, programs: &Path, count: usize) -> Result<Self> {
        let folder = folder.join(count.to_string());
        std::fs::create_dir(&folder)?;
        let brand = "bt".parse()?;
        let mut file = BufWriter::new(File::create(folder.join("keys.csv"))?);
        writeln!(file, "name,owner,scopes,expires_at,display,sha256")?;
        let (mut used, mut last_key) = (Vec::new(), None);
        let step = count.div_ceil(USED);
        for n in 0..count {
            let secret = Secret::generate(&brand, SecretKind::ApiKey)?;
            let (owner, expires) = (n % 1000, if n % 2 == 0 { "365d" } else { "" });
            let (display, digest) = (secret.display(), secret.digest().to_hex());
            writeln!(
                file,
                "key {n},customer {owner},calls:read leads:write,{expires},{display},{digest}"
            )?;
            if n % step == 0 {
                used.push(secret.expose().to_owned());
            }
            last_key = Some(secret.expose().to_owned());
        }
        file.into_inner()?.sync_all()?;
        let mut seed = Self { folder, used, count, took: Duration::ZERO, last_key };
        let began = Instant::now();
        let import = Command::new(programs.join("bitting"))
            .args(["key", "import"])
            .arg(seed.folder.join("keys.csv"))
            .arg(format!("--database-url={}", seed.database_url()))
            .stdout(Stdio::null())
            .status()?;
        seed.took = began.elapsed();
        if import.success() { Ok(seed) } else { Err("the import failed".into()) }
    }

    pub fn database_url(&self) -> String {
        format!("sqlite://{}", self.folder.join("bench.db").display())
    }

    /// Takes the database out of the page cache, so that a start reads it from the disk.
    pub fn forget_pages(&self) -> Result<()> {
        let file = self.folder.join("bench.db");
        if file.exists() {
            let input = format!("if={}", file.display());
            let dd = ["iflag=nocache", "count=0", "status=none", input.as_str()];
            Command::new("dd").args(dd).status()?;
        }
        Ok(())
    }

    /// A file with the keys that are used under load, one a line.
    pub fn sample_file(&self) -> Result<PathBuf> {
        let file = self.folder.join("used");
        std::fs::write(&file, self.used.join("\n"))?;
        Ok(file)
    }
}
