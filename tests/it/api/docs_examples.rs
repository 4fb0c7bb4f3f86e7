//! The examples on the pages of the API document, each run as it stands there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use bitting::records::model::resources;
use scraper::{Html, Selector};

use super::docs::{document, operations, pages};
use crate::support::{Backend, TestServer, skipped, tool};

/// The examples in one language: what each is called, and its code.
fn examples(server: &TestServer, language: &str) -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for (_, page) in pages(server) {
        let html = Html::parse_document(&page.body);
        let found = format!("code[id$='-{language}']");
        for code in html.select(&Selector::parse(&found).unwrap()) {
            let operation = code.attr("id").unwrap().trim_end_matches(&format!("-{language}"));
            let code: String = code.text().collect();
            assert!(code.contains(&format!("http://{}/", server.address)), "{code}");
            examples.push((operation.to_owned(), code));
        }
    }
    let distinct: BTreeSet<&String> = examples.iter().map(|(operation, _)| operation).collect();
    assert_eq!(distinct.len(), operations(&document(server)).len(), "in {language}");
    examples
}

/// Runs examples with a key and a token that may do everything. `run` makes the arguments of the
/// program, which is to print a line with the status of each.
fn assert_answered(
    language: &str,
    program: &Path,
    run: impl Fn(&[(String, String)]) -> Vec<String>,
) {
    let server = TestServer::start(Backend::Sqlite);
    let everything = resources::catalog().scopes().to_string();
    let key = server.key(&everything);
    let examples = examples(&server, language);
    let ran = Command::new(program)
        .args(run(&examples))
        .env("KEY", &key.secret)
        .env("TOKEN", &server.admin)
        .output()
        .unwrap();
    let (out, errors) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    let statuses: Vec<&str> =
        out.lines().filter_map(|line| line.strip_prefix("answered ")).collect();
    assert_eq!(statuses.len(), examples.len(), "{out}{errors}");
    for ((operation, code), status) in examples.iter().zip(statuses) {
        // What the examples name does not exist, nor so many keys as one of them confirms.
        let missing = code.contains("_01k462ttvyfgx8yqhb3966v3mg") || code.contains("JustOnce0");
        let expected = match operation.as_str() {
            "keys_revoke_many" => "409",
            // The answer is the same for what is no key.
            "leaks_report" => "202",
            _ if missing => "404",
            _ => "20",
        };
        assert!(status.starts_with(expected), "{operation} is answered {status}: {code}{errors}");
    }
}

#[test]
fn the_examples_for_curl_can_be_sent_as_they_are() {
    let (Some(shell), Some(_)) = (tool("sh"), tool("curl")) else { return };
    assert_answered("request", &shell, |examples| {
        let line = |(_, command): &(String, String)| {
            format!("{command} -sS -o /dev/null -w 'answered %{{http_code}}\n'")
        };
        vec!["-c".to_owned(), examples.iter().map(line).collect::<Vec<_>>().join("\n")]
    });
}

#[test]
fn the_examples_in_python_can_be_run_as_they_are() {
    let Some(python) = tool("python3") else { return };
    let probe = Command::new(&python).args(["-c", "import requests"]).output().unwrap();
    if !probe.status.success() {
        skipped("Python's requests is not installed");
        return;
    }
    assert_answered("python", &python, |examples| {
        let each = |(_, code): &(String, String)| {
            format!("{code}\nprint('answered', response.status_code)\n")
        };
        vec!["-c".to_owned(), examples.iter().map(each).collect()]
    });
}

#[test]
fn the_examples_in_javascript_can_be_run_as_they_are() {
    let Some(node) = tool("node") else { return };
    assert_answered("javascript", &node, |examples| {
        let each = |(_, code): &(String, String)| {
            format!("{{\n{code}\nconsole.log('answered', response.status);\n}}\n")
        };
        let script = examples.iter().map(each).collect();
        vec!["--input-type=module".to_owned(), "-e".to_owned(), script]
    });
}
