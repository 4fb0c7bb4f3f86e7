//! The rules for secret scanners in `deploy/leaks`: each scanner finds keys that were just made.

use std::path::{Path, PathBuf};
use std::process::Command;

use bitting::model::secret::{Brand, Secret, SecretKind};

use crate::support::tools::{fetched, not_granted};

fn rules(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/leaks").join(name)
}

/// A file with a key and an admin token, among what is neither.
fn leaked_file(folder: &Path) -> PathBuf {
    let brand: Brand = "bt".parse().unwrap();
    let secret = |kind| Secret::generate(&brand, kind).unwrap().expose().to_owned();
    let (key, token) = (secret(SecretKind::ApiKey), secret(SecretKind::AdminToken));
    let file = folder.join("config.py");
    std::fs::write(&file, format!("a = 'btk_none'\nb = '{key}'\nc = \"{token}\"\n")).unwrap();
    file
}

/// Runs a scanner and returns all that it prints.
fn printed(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let (out, errors) = (done.stdout, done.stderr);
    String::from_utf8_lossy(&[out, errors].concat()).into_owned()
}

#[test]
fn every_file_has_the_published_pattern() {
    let pattern = "bt".parse::<Brand>().unwrap().scanner_pattern();
    for name in ["gitleaks.toml", "detect_secrets_bitting.py", "trufflehog.yaml"] {
        let text = std::fs::read_to_string(rules(name)).unwrap();
        assert!(text.contains(&pattern), "{name} has another pattern than {pattern}");
    }
}

#[test]
fn detect_secrets_finds_fresh_keys() {
    let Some(scanner) = fetched("detect-secrets/bin/detect-secrets") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = leaked_file(folder.path());
    let found = printed(
        Command::new(scanner)
            .args(["scan", "--plugin"])
            .arg(rules("detect_secrets_bitting.py"))
            .arg(file.file_name().unwrap())
            .current_dir(folder.path()),
    );
    assert_eq!(found.matches("\"type\": \"Bitting key\"").count(), 2, "{found}");
}

/// Neither Debian nor PyPI has these two, so that they run only where somebody has installed them.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|at| at.exists());
    if found.is_none() {
        not_granted(&format!("{name} is not installed"));
    }
    found
}

#[test]
fn gitleaks_finds_fresh_keys() {
    let Some(scanner) = installed("gitleaks") else { return };
    let folder = tempfile::tempdir().unwrap();
    leaked_file(folder.path());
    let found = printed(
        Command::new(scanner)
            .args(["dir", "--verbose", "--no-banner", "--config"])
            .arg(rules("gitleaks.toml"))
            .arg(folder.path()),
    );
    assert_eq!(found.matches("bitting-key").count(), 2, "{found}");
}

#[test]
fn trufflehog_finds_fresh_keys() {
    let Some(scanner) = installed("trufflehog") else { return };
    let folder = tempfile::tempdir().unwrap();
    leaked_file(folder.path());
    let found = printed(
        Command::new(scanner)
            .args(["filesystem", "--json", "--no-update", "--no-verification", "--config"])
            .arg(rules("trufflehog.yaml"))
            .arg(folder.path()),
    );
    assert_eq!(found.matches("\"Bitting\"").count(), 2, "{found}");
}
