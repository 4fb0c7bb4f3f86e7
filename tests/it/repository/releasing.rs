//! What a release is made of, as far as it can be seen without making one: `tests/package` tries the rest.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn the_workflows_run_scripts_that_there_are() {
    let mut scripts = Vec::new();
    for workflow in root().join(".github/workflows").read_dir().unwrap() {
        let text = std::fs::read_to_string(workflow.unwrap().path()).unwrap();
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("- run: "));
        scripts.extend(lines.map(|line| line.split(' ').next().unwrap().to_owned()));
    }
    for script in [".ci/run", "deploy/release/build", "fuzz/run", "tests/package"] {
        assert!(scripts.iter().any(|named| named == script), "nobody runs {script}");
    }
    for script in scripts {
        let mode = root().join(&script).metadata().expect(&script).permissions().mode();
        assert!(mode & 0o111 == 0o111, "{script} cannot be run");
    }
}

/// A crate holds what it takes to build it: no picture, no test, no corpus.
#[test]
fn the_crate_has_what_is_built_and_nothing_else() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline", "--locked"]);
    let output = cargo.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let folders = ["src/", "migrations/", "static/", "templates/", "examples/"];
    for file in listed.lines() {
        let at_top = !file.contains('/');
        assert!(at_top || folders.iter().any(|folder| file.starts_with(folder)), "{file}");
    }
    for needed in ["Cargo.lock", "LICENSE-MIT", "src/main.rs", "src/http/openapi/introduction.md"] {
        assert!(listed.lines().any(|file| file == needed), "{needed}");
    }
}

#[test]
fn the_debian_package_takes_files_that_there_are() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    let sources: Vec<&str> = assets.iter().map(|asset| asset[0].as_str().unwrap()).collect();
    let builder = read("deploy/release/build");
    for source in &sources {
        let there = match source.split_once('*') {
            Some((start, _)) => {
                let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
                let mut files = root().join(folder).read_dir().unwrap();
                files.any(|file| file.unwrap().file_name().to_str().unwrap().starts_with(start))
            }
            None => root().join(source).exists(),
        };
        let name = Path::new(source).file_stem().unwrap().to_str().unwrap();
        let built = source.starts_with("target/") && builder.contains(name);
        assert!(there || built, "{source}");
    }
    // Whoever installed it finds everything that OPERATIONS.md names.
    let operations = read("OPERATIONS.md");
    for file in operations.split('`').filter_map(|word| word.strip_prefix("deploy/")) {
        let of_package = ["", "bitting.service", "release/build", "debian/"].contains(&file);
        let file = format!("deploy/{file}");
        let shipped = sources.iter().any(|source| file.starts_with(source.trim_end_matches('*')));
        assert!(of_package || shipped, "{file} is in no package");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let script = root().join(deb["maintainer-scripts"].as_str().unwrap()).join(script);
        let checked = Command::new("sh").arg("-n").arg(&script).status().unwrap();
        assert!(checked.success(), "{}", script.display());
    }
}

#[test]
fn every_fuzz_target_is_listed_and_has_seeds() {
    let manifest: toml::Table = read("fuzz/Cargo.toml").parse().unwrap();
    let targets = manifest["bin"].as_array().unwrap();
    let mut listed: Vec<&str> = targets.iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    let mut files: Vec<String> = Vec::new();
    for file in root().join("fuzz/fuzz_targets").read_dir().unwrap() {
        files.push(file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    }
    listed.sort_unstable();
    files.sort_unstable();
    assert_eq!(listed, files);
    for target in listed {
        let seeds = root().join("fuzz/seeds").join(target).read_dir();
        assert!(seeds.is_ok_and(|mut seeds| seeds.next().is_some()), "{target} has no seeds");
    }
}

#[test]
fn the_fuzz_targets_lock_file_knows_every_dependency() {
    let table = |path: &str| -> toml::Table { read(path).parse().unwrap() };
    let lock = table("fuzz/Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"].as_str() == Some("bitting"));
    let locked: Vec<&str> = ours.unwrap()["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|d| d.as_str())
        .collect();
    for (name, described) in table("Cargo.toml")["dependencies"].as_table().unwrap() {
        let optional =
            described.get("optional").is_some_and(|optional| optional.as_bool() == Some(true));
        // Where there are two versions of one, the version stands behind its name.
        let known = locked.iter().any(|locked| locked.split(' ').next() == Some(name));
        assert!(
            known || optional,
            "cargo update --workspace in fuzz/ adds {name} to its lock file"
        );
    }
}
