//! A page as the script of somebody who carries it out, and what it shows them to expect.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// What a page asks its reader to do, in its order.
pub enum Step {
    /// Type these lines.
    Type(String),
    /// Type this command, and see this.
    See { command: String, output: String },
    /// Save a file.
    Save { name: String, text: String },
    /// Type these lines somewhere else than here.
    NotRun,
}

/// The steps of a page.
///
/// A block `sh` is typed; a block `console` shows commands behind `$` with what they print; a block
/// of another language behind a paragraph that ends with "as `name`:" is a file. `norun` behind the
/// language says that the block is not for here.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut paragraph, mut code) = (String::new(), None);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Paragraph) => paragraph.clear(),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                code = Some((language.into_string(), String::new()));
            }
            Event::Text(text) => match &mut code {
                Some((_, lines)) => lines.push_str(&text),
                None => paragraph.push_str(&text),
            },
            Event::Code(text) => {
                paragraph.push('`');
                paragraph.push_str(&text);
                paragraph.push('`');
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((language, lines)) = code.take() {
                    add(&mut steps, &language, lines, &paragraph);
                }
                paragraph.clear();
            }
            _ => {}
        }
    }
    steps
}

/// The steps that one block of code comes to.
fn add(steps: &mut Vec<Step>, language: &str, lines: String, paragraph: &str) {
    match language {
        "sh" => steps.push(Step::Type(lines)),
        "sh,norun" | "console,norun" => steps.push(Step::NotRun),
        "console" => {
            for shown in format!("\n{lines}").split("\n$ ").skip(1) {
                let (command, output) = shown.split_once('\n').unwrap_or((shown, ""));
                steps.push(Step::See { command: command.into(), output: output.into() });
            }
        }
        _ => {
            let name = paragraph.strip_suffix("`:").and_then(|said| said.rsplit_once("as `"));
            if let Some((_, name)) = name {
                steps.push(Step::Save { name: name.into(), text: lines });
            }
        }
    }
}

/// The script that carries out the steps; what the command of the step with number N prints goes to
/// the file `shown-N`.
pub fn script(steps: &[Step]) -> String {
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        script += &format!("echo '--- step {number}' >&2\n");
        match step {
            Step::Type(lines) => {
                for line in lines.replace("\\\n", " ").lines() {
                    script += &typed(line);
                }
            }
            Step::See { command, .. } => {
                script += &format!("{{ {command}\n}} >shown-{number} 2>&1 || true\n");
            }
            Step::Save { .. } | Step::NotRun => {}
        }
    }
    script
}

/// A line as it is typed. A server is not sent to the background: it gets a terminal of its own. A
/// comment behind `curl -i` that begins with a status is a promise.
fn typed(line: &str) -> String {
    let server = ["bitting serve", "examples/"].iter().any(|start| line.starts_with(start));
    let line = if server { line.strip_suffix(" &").unwrap_or(line) } else { line };
    let status = line.rsplit_once(" # ").map_or("", |(_, comment)| comment);
    let status = status.get(..3).filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()));
    match status {
        Some(status) if line.starts_with("curl -i ") => {
            format!("{{ {line}\n}} >answer\npromised {status}\n")
        }
        _ => format!("{line}\n"),
    }
}

/// Writes the files that the page has its reader save.
pub fn save_files(steps: &[Step], folder: &Path, translate: impl Fn(&str) -> String) {
    for step in steps {
        if let Step::Save { name, text } = step {
            std::fs::write(folder.join(name), translate(text)).unwrap();
        }
    }
}

/// Whether what was printed is what the page shows. There, `…` stands for any text within a line,
/// and on a line of its own for any lines; dates are any dates, and white space is any white space.
pub fn looks_like(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| {
            let words: Vec<String> = line.split_whitespace().map(undated).collect();
            words.join(" ")
        });
        lines.filter(|line| !line.is_empty()).collect()
    };
    lines_match(&lines(shown), &lines(printed))
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line == "…" => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        (Some((line, rest)), Some((found, others))) => {
            line_matches(line, found) && lines_match(rest, others)
        }
        _ => false,
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return shown == printed };
    printed.strip_prefix(start).is_some_and(|left| {
        left.char_indices()
            .map(|(at, _)| at)
            .chain([left.len()])
            .any(|at| line_matches(rest, &left[at..]))
    })
}

/// A word with each date in it replaced by the same one.
fn undated(word: &str) -> String {
    let is_date = |at: usize| {
        let date = word.as_bytes().get(at..at + 10);
        date.is_some_and(|date| {
            date.iter().enumerate().all(|(i, byte)| match i {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
        })
    };
    match (0..word.len()).find(|at| is_date(*at)) {
        Some(at) => format!("{}DATE{}", &word[..at], undated(&word[at + 10..])),
        None => word.to_owned(),
    }
}

#[test]
fn a_page_shows_what_is_printed_but_for_what_it_leaves_open() {
    let printed = "ID      NAME\nkey_01m8  shop 2026-11-28\nlast\n";
    for shown in ["ID NAME\nkey_01… shop 2027-01-01\nlast\n", "ID …\n…\nlast\n", "…\n"] {
        assert!(looks_like(shown, printed), "{shown}");
    }
    for shown in ["ID NAME\nlast\n", "ID NAME\nkey_02… shop 2027-01-01\nlast\n", "…\nmore\n", ""]
    {
        assert!(!looks_like(shown, printed), "{shown}");
    }
}
