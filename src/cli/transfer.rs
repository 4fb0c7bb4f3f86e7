//! `bitting key import` and `bitting key export`

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::application::{open, principal};
use super::failure::Failure;
use super::file_start::{Format, Unreadable};
use super::key_filters::Filters;
use super::output::{plain, say, show, show_json};
use super::transfer_lines::Lines;
use crate::config::Settings;
use crate::domain::Bitting;
use crate::domain::keys::transfer::Intake;
use crate::domain::principal::Principal;
use crate::model::FieldErrors;
use crate::model::exported_key::{COLUMNS, ExportedKey, columns_without_digest};
use crate::model::id::KeyId;
use crate::model::imported_key::ImportedKey;
use crate::model::key_filter::KeyFilter;
use crate::model::spreadsheet;
use crate::store::database::migrate::Missing;

/// Keys written in one transaction.
const BATCH: usize = 1000;
/// The part of a digest that is enough to tell two lines of a file apart.
type ShortDigest = [u8; 16];

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file of keys, or - for standard input
    file: PathBuf,
    /// The format [default: by the file's name, or else by its first character]
    #[arg(long)]
    format: Option<Format>,
    /// Check everything, but write nothing
    #[arg(long)]
    dry_run: bool,
    /// Report on every line, and with a summary at the end, as JSON objects
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The format
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    #[command(flatten)]
    filters: Filters,
    /// With the SHA-256 of each key, so that another database can take them in; noted in the audit log
    #[arg(long)]
    with_digests: bool,
}

/// What became of a line.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome<'a> {
    Imported { id: Option<KeyId> },
    AlreadyThere { id: KeyId },
    Refused { errors: &'a FieldErrors },
}

#[derive(Serialize)]
struct LineReport<'a> {
    line: u64,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

/// What became of all of them.
#[derive(Default, Serialize)]
struct Counts {
    imported: u64,
    already_there: u64,
    refused: u64,
    dry_run: bool,
}

struct Report {
    counts: Counts,
    json: bool,
    progress: ProgressBar,
    /// Why a line could not be printed, if one could not: the keys are imported all the same.
    unshown: Option<Failure>,
}

impl Report {
    fn note(&mut self, line: u64, outcome: Outcome<'_>) {
        match &outcome {
            Outcome::Imported { .. } => self.counts.imported += 1,
            Outcome::AlreadyThere { .. } => self.counts.already_there += 1,
            Outcome::Refused { errors } => {
                self.counts.refused += 1;
                if !self.json {
                    let line =
                        format_args!("line {line}: {}", plain(&errors.summary())).to_string();
                    self.progress.suspend(|| say(format_args!("{line}")));
                }
            }
        }
        if self.json
            && let Err(why) = show_json(&LineReport { line, outcome })
        {
            self.unshown.get_or_insert(why);
        }
    }

    fn summary(&self) -> String {
        let Counts { imported, already_there, refused, dry_run } = self.counts;
        let done = if dry_run { "would be imported" } else { "imported" };
        format!("{imported} {done}, {already_there} already there, {refused} refused")
    }
}

pub(super) fn import(arguments: &Import, settings: &Settings) -> Result<(), Failure> {
    let progress = ProgressBar::no_length();
    let source = open_source(arguments, &progress)?;
    let named = arguments.file.extension().and_then(|extension| match extension.to_str() {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson" | "json") => Some(Format::Jsonl),
        _ => None,
    });
    let lines = Lines::of(source, arguments.format.or(named)).map_err(|why| match why {
        Unreadable::Failed(why) => unreadable(arguments, &why),
        Unreadable::Foreign(why) => Failure::Usage(format!("{}: {why}", name_of(arguments))),
    })?;
    let missing = if arguments.dry_run { Missing::Refuse } else { Missing::Create };
    let counts = Counts { dry_run: arguments.dry_run, ..Counts::default() };
    let mut intake = Taking {
        bitting: open(settings, missing)?,
        principal: principal(),
        seen: HashSet::new(),
        batch: Vec::new(),
        report: Report { counts, json: arguments.json, progress, unshown: None },
    };
    let taken = intake.take_all(lines, arguments);
    intake.report.progress.finish_and_clear();
    if let Err(why) = taken {
        let summary = intake.report.summary();
        say(format_args!(
            "stopped early: {summary}; it is safe to import the file again from the start"
        ));
        return Err(why);
    }
    let unshown = intake.report.unshown.take();
    let Report { counts, .. } = &intake.report;
    let shown = match unshown {
        Some(why) => Err(why),
        None if arguments.json => show_json(counts),
        None => show(format_args!("{}", intake.report.summary())),
    };
    // Whoever reads may have seen enough, and whoever looks at the exit code has not.
    match counts.refused {
        0 => shown,
        1 => Err(Failure::Failed("1 line was refused".to_owned())),
        refused => Err(Failure::Failed(format!("{refused} lines were refused"))),
    }
}

/// The file, with a bar on the terminal that follows how much of it has been read.
fn open_source(arguments: &Import, progress: &ProgressBar) -> Result<Box<dyn Read>, Failure> {
    let bar = if arguments.file.as_os_str() == "-" {
        "{spinner} {bytes} read, {elapsed}, {msg}"
    } else {
        "{wide_bar} {percent} %, {eta} left, {msg}"
    };
    progress.set_style(ProgressStyle::with_template(bar).unwrap_or(ProgressStyle::default_bar()));
    if arguments.file.as_os_str() == "-" {
        return Ok(Box::new(progress.wrap_read(io::stdin())));
    }
    let file = File::open(&arguments.file).map_err(|why| unreadable(arguments, &why))?;
    progress.set_length(file.metadata().map_or(0, |about| about.len()));
    Ok(Box::new(progress.wrap_read(file)))
}

fn name_of(arguments: &Import) -> String {
    plain(&arguments.file.display().to_string())
}

fn unreadable(arguments: &Import, why: &io::Error) -> Failure {
    Failure::Failed(format!("{}: {why}", name_of(arguments)))
}

/// An import under way.
struct Taking {
    bitting: Bitting,
    principal: Principal,
    /// The digests that have stood in the file so far.
    seen: HashSet<ShortDigest>,
    batch: Vec<(u64, ImportedKey)>,
    report: Report,
}

impl Taking {
    fn take_all<R: Read>(&mut self, lines: Lines<R>, arguments: &Import) -> Result<(), Failure> {
        for line in lines {
            let (number, fields) = match line {
                Ok(line) => line,
                Err(why) => return self.take_batch().and(Err(unreadable(arguments, &why))),
            };
            let now = self.bitting.time.now();
            let key = fields
                .and_then(|fields| {
                    let Bitting { brand, catalog, .. } = &self.bitting;
                    ImportedKey::from_object(&fields, brand, catalog, now)
                })
                .and_then(|key| {
                    self.bitting.policy.check(&key.label, key.expires_at, now).map(|()| key)
                })
                .and_then(|key| self.refuse_a_second(key));
            match key {
                Ok(key) => self.batch.push((number, key)),
                Err(errors) => self.report.note(number, Outcome::Refused { errors: &errors }),
            }
            if self.batch.len() == BATCH {
                self.take_batch()?;
            }
        }
        self.take_batch()
    }

    /// Which of two lines with one digest is meant, nobody can say.
    fn refuse_a_second(&mut self, key: ImportedKey) -> Result<ImportedKey, FieldErrors> {
        let mut short = ShortDigest::default();
        short.copy_from_slice(&key.digest.as_bytes()[..size_of::<ShortDigest>()]);
        if self.seen.insert(short) {
            Ok(key)
        } else {
            Err(FieldErrors::one("sha256", "is on an earlier line too"))
        }
    }

    fn take_batch(&mut self) -> Result<(), Failure> {
        let (lines, keys): (Vec<u64>, Vec<ImportedKey>) = self.batch.drain(..).unzip();
        let held = self.bitting.keys_in_texts(&keys)?;
        let mut fit = Vec::with_capacity(keys.len());
        for ((line, key), errors) in lines.into_iter().zip(keys).zip(held) {
            if errors.is_empty() {
                fit.push((line, key));
            } else {
                self.report.note(line, Outcome::Refused { errors: &errors });
            }
        }
        let (lines, keys): (Vec<u64>, Vec<ImportedKey>) = fit.into_iter().unzip();
        let intake = if self.report.counts.dry_run {
            self.bitting.preview_import(&keys)?
        } else {
            self.bitting.import_keys(keys, &self.principal)?
        };
        for (line, intake) in lines.into_iter().zip(intake) {
            match intake {
                Intake::New(id) => self.report.note(line, Outcome::Imported { id }),
                Intake::AlreadyThere(id) => self.report.note(line, Outcome::AlreadyThere { id }),
                Intake::OfAToken => {
                    let errors =
                        FieldErrors::one("sha256", "belongs to an admin token; import keys only");
                    self.report.note(line, Outcome::Refused { errors: &errors });
                }
            }
        }
        self.report.progress.set_message(self.report.summary());
        Ok(())
    }
}

pub(super) fn export(arguments: &Export, settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let filter = arguments.filters.read(&bitting)?;
    let with_digests = arguments.with_digests;
    if arguments.with_digests {
        bitting.note_export_of_digests(&principal())?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Csv => {
            let mut lines = spreadsheet::Lines::to(out);
            let without = columns_without_digest();
            let columns = if with_digests { &COLUMNS[..] } else { without };
            lines.write(columns.iter().map(ToString::to_string))?;
            export_each(&bitting, &filter, with_digests, |key| lines.write(key.cells()))?;
            Ok(lines.finish()?)
        }
        Format::Jsonl => {
            export_each(&bitting, &filter, with_digests, |key| {
                serde_json::to_writer(&mut out, &key)?;
                writeln!(out)
            })?;
            Ok(out.flush()?)
        }
    }
}

fn export_each(
    bitting: &Bitting,
    filter: &KeyFilter,
    with_digests: bool,
    mut each: impl FnMut(ExportedKey<'_>) -> io::Result<()>,
) -> Result<(), Failure> {
    let now = bitting.time.now();
    bitting.walk_keys(&principal(), filter, |key, usage| {
        let exported = ExportedKey::new(key, usage, now, &bitting.catalog);
        Ok(each(if with_digests { exported.with_digest(key) } else { exported })?)
    })
}
