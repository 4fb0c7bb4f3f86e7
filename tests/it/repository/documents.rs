//! The documents: every link in them leads somewhere, and the table of contents has every page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// What a document links to, and what can be linked to in it.
struct Document {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Document {
    fn parse(text: &str) -> Self {
        let mut document = Self { links: Vec::new(), anchors: BTreeSet::new() };
        let mut heading = None;
        let options = pulldown_cmark::Options::ENABLE_TABLES;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    document.anchors.extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Text(text) | Event::Code(text) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&text));
                }
                _ => {}
            }
        }
        document
    }
}

/// The anchor that GitHub and mdBook give to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Every document, as its path in the repository.
pub fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = ["tutorials", "guides", "reference", "explanation"];
    let parts = parts.map(|part| root.join("docs").join(part));
    let folders = [root.to_owned(), root.join("docs")].into_iter().chain(parts);
    let files = folders.flat_map(|folder| folder.read_dir().unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let documents = files.filter(|file| file.extension().is_some_and(|end| end == "md"));
    documents.map(|file| file.strip_prefix(root).unwrap().to_owned()).collect()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Every document, by its path in the repository.
fn documents() -> BTreeMap<PathBuf, Document> {
    let parse = |file: PathBuf| (file.clone(), Document::parse(&read(&file)));
    files().into_iter().map(parse).collect()
}

/// The path in the repository that a link leads to from a document; `None` leads above it.
fn target(document: &Path, link: &str) -> Option<PathBuf> {
    let mut target = document.parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            std::path::Component::ParentDir => target.pop().then_some(())?,
            part => target.push(part),
        }
    }
    Some(target)
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dead = Vec::new();
    for (path, document) in &documents {
        for link in document.links.iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { Some(path.clone()) } else { target(path, file) };
            let leads = target.is_some_and(|target| match documents.get(&target) {
                Some(there) => anchor.is_empty() || there.anchors.contains(anchor),
                None => anchor.is_empty() && root.join(target).exists(),
            });
            if !leads {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(documents.values().map(|document| document.links.len()).sum::<usize>() > 100);
}

#[test]
fn the_table_of_contents_has_every_page_once() {
    let documents = documents();
    let contents = Path::new("docs/SUMMARY.md");
    let links = &documents[contents].links;
    let mut listed: Vec<_> = links.iter().map(|link| target(contents, link).unwrap()).collect();
    listed.sort();
    let pages: Vec<_> = documents.keys().filter(|page| *page != contents).cloned().collect();
    assert_eq!(listed, pages);
}

/// `docs/build` checks the same in the book itself, but only where mdBook is there.
#[test]
fn the_book_has_every_file_that_its_pages_link_to() {
    let script = read(Path::new("docs/build"));
    let copied = script.lines().find_map(|line| line.strip_prefix("cp -r ./*.md ")).unwrap();
    let copied: Vec<&str> = copied.split(' ').map(|name| name.trim_end_matches('*')).collect();
    let documents = documents();
    let mut missing = Vec::new();
    for (path, document) in &documents {
        for link in document.links.iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap();
            let target = target(path, file).unwrap();
            let page = documents.contains_key(&target) && !target.ends_with("SUMMARY.md");
            let is_copied = copied.iter().any(|name| target.to_str().unwrap().starts_with(name))
                && Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).is_file();
            if !(file.is_empty() || page || is_copied) {
                missing.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "docs/build has to copy, or nobody to link to: {missing:#?}");
}
