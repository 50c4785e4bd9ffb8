//! The directory of results: opened before the run, filled while it runs, closed with the report.
//!
//! ```text
//! OutDir::create(path)      every file is opened; nothing is written, and nothing left if dropped
//!    .begin(toml, ..)       scenario.resolved.toml, heads of histograms.hlog and timeseries.csv
//! Results::seconds(..)      lines of histograms.hlog and timeseries.csv, as the seconds end
//!    .finish(report, ..)    report.json and one .hgrm per stage
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RunReport, hgrm, hlog, json, timeseries};
use crate::metrics::{Second, Series, Stage, Totals};

const SCENARIO: &str = "scenario.resolved.toml";
const HLOG: &str = "histograms.hlog";
const CSV: &str = "timeseries.csv";
const JSON: &str = "report.json";

/// Why results cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// The directory cannot be made.
    #[error("cannot create the folder {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it cannot be opened for writing.
    #[error("cannot write {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds results.
    #[error("{path} holds the results of an earlier run")]
    Occupied {
        /// The first file found that is not empty.
        path: PathBuf,
    },
    /// A file was opened and could not be written.
    #[error("cannot write {path}: {source}; the results are incomplete")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A directory whose files are all open, and all empty.
///
/// Dropped before [`OutDir::begin`], it takes away what it made, so that a run that never started
/// leaves nothing behind.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
    files: Option<Files>,
    /// What did not exist before: files, then the directory.
    made: Vec<PathBuf>,
}

#[derive(Debug)]
struct Files {
    scenario: Output,
    hlog: Output,
    csv: Output,
    json: Output,
    hgrm: Vec<(Stage, Output)>,
}

/// An open file, and its path for messages.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutDir {
    /// Makes the directory if need be, and opens every file of the results in it.
    ///
    /// Files of other names are left alone. Empty files of these names are used, as a run that was
    /// killed may have left them.
    ///
    /// # Errors
    /// If the directory cannot be made or written, or holds a result file that is not empty: the
    /// results of an earlier run are never overwritten.
    pub fn create(path: &Path) -> Result<OutDir, OutError> {
        let mut dir = OutDir { path: path.to_owned(), files: None, made: Vec::new() };
        let names =
            [SCENARIO, HLOG, CSV, JSON].map(str::to_owned).into_iter().chain(Stage::ALL.map(hgrm_name));
        // All are looked at before any is opened, so that nothing is made in a directory in use.
        let occupied = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
        if let Some(path) = names.map(|name| path.join(name)).find(occupied) {
            return Err(OutError::Occupied { path });
        }
        let existed = path.is_dir();
        fs::create_dir_all(path).map_err(|source| OutError::Directory { path: path.to_owned(), source })?;
        let opened = dir.open_all();
        if !existed {
            dir.made.push(path.to_owned());
        }
        dir.files = Some(opened?);
        Ok(dir)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run: keeps its scenario, and writes the heads of what grows while it runs.
    /// `started_at` is the origin of the run since 1970-01-01 UTC.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn begin(
        mut self,
        scenario_toml: &str,
        version: &str,
        started_at: Duration,
    ) -> Result<Results, OutError> {
        self.made.clear();
        let files = self.files.take().expect("a directory that was created has its files");
        let Files { mut scenario, mut hlog, mut csv, json, hgrm } = files;
        scenario.put(|file| file.write_all(scenario_toml.as_bytes()))?;
        scenario.close()?;
        hlog.put(|file| hlog::write_header(file, version, started_at))?;
        csv.put(|file| timeseries::write_header(file))?;
        Ok(Results { hlog, csv, json, hgrm })
    }

    fn open_all(&mut self) -> Result<Files, OutError> {
        let scenario = self.open(SCENARIO)?;
        let hlog = self.open(HLOG)?;
        let csv = self.open(CSV)?;
        let json = self.open(JSON)?;
        let mut hgrm = Vec::new();
        for stage in Stage::ALL {
            hgrm.push((stage, self.open(&hgrm_name(stage))?));
        }
        Ok(Files { scenario, hlog, csv, json, hgrm })
    }

    fn open(&mut self, name: &str) -> Result<Output, OutError> {
        let path = self.path.join(name);
        let existed = path.exists();
        let file = match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => BufWriter::new(file),
            Err(source) => return Err(OutError::Open { path, source }),
        };
        if !existed {
            self.made.push(path.clone());
        }
        Ok(Output { path, file })
    }
}

impl Drop for OutDir {
    fn drop(&mut self) {
        for path in &self.made {
            // Best effort: what cannot be removed is empty, and a later run may use it.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// The results of a run that is under way.
#[derive(Debug)]
pub struct Results {
    hlog: Output,
    csv: Output,
    json: Output,
    hgrm: Vec<(Stage, Output)>,
}

impl Results {
    /// Writes seconds that are over, and hands them to the kernel, so that a crash loses little.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn seconds(&mut self, seconds: &[Second]) -> Result<(), OutError> {
        for second in seconds {
            self.hlog.put(|file| hlog::write_second(file, second))?;
            self.csv.put(|file| timeseries::write_row(file, &second.row))?;
        }
        self.hlog.put(BufWriter::flush)?;
        self.csv.put(BufWriter::flush)
    }

    /// Writes the report and the percentiles of every stage. The seconds of the run were all
    /// [written](Results::seconds) before.
    ///
    /// # Errors
    /// If a file cannot be written. `report.json` comes last: where it is whole, everything is.
    pub fn finish(self, report: &RunReport, totals: &Totals) -> Result<(), OutError> {
        let Results { hlog, csv, mut json, hgrm } = self;
        hlog.close()?;
        csv.close()?;
        for (stage, mut output) in hgrm {
            output.put(|file| hgrm::write(file, totals.histogram(Series::Stage(stage))))?;
            output.close()?;
        }
        json.put(|file| json::write(file, report))?;
        json.close()
    }
}

impl Output {
    fn put(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), OutError> {
        write(&mut self.file).map_err(|source| OutError::Write { path: self.path.clone(), source })
    }

    /// Flushes and closes. A writer that is merely dropped would hide that the last bytes were lost.
    fn close(mut self) -> Result<(), OutError> {
        self.put(BufWriter::flush)
    }
}

fn hgrm_name(stage: Stage) -> String {
    format!("{stage}.hgrm")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RunReport, StageFigures, fixture, recompute};
    use std::collections::BTreeSet;

    fn run_into(path: &Path) -> RunReport {
        let mut totals = fixture::totals();
        let mut results = OutDir::create(path)
            .and_then(|dir| dir.begin(fixture::SCENARIO, "0.1.0", Duration::from_secs(1)))
            .expect("a new directory");
        results.seconds(&totals.take_finished()).expect("room on the disk");
        let report = RunReport::new(fixture::inputs(&totals));
        results.finish(&report, &totals).expect("room on the disk");
        report
    }

    fn names(path: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(path).expect("a directory");
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("plain")).collect()
    }

    #[test]
    fn a_run_leaves_every_file() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let path = temp.path().join("deep/results");
        run_into(&path);
        let mut expected: BTreeSet<_> = [SCENARIO, HLOG, CSV, JSON].map(str::to_owned).into();
        expected.extend(Stage::ALL.map(hgrm_name));
        assert_eq!(names(&path), expected);
        for name in names(&path) {
            assert!(fs::metadata(path.join(&name)).expect("there").len() > 0, "{name} is empty");
        }
        assert_eq!(fs::read_to_string(path.join(SCENARIO)).expect("text"), fixture::SCENARIO);
    }

    #[test]
    fn the_log_on_disk_gives_the_stages_of_the_report_on_disk() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let report = run_into(temp.path());
        let series = recompute(&fs::read(temp.path().join(HLOG)).expect("a log")).expect("our own log");
        let json = fs::read(temp.path().join(JSON)).expect("a report");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        for (name, figures) in report.stages.entries() {
            let again: StageFigures = series.get(name).map(|h| h.summary()).unwrap_or_default().into();
            assert_eq!(again, *figures, "{name}");
            assert_eq!(json["stages"][name], serde_json::to_value(again).expect("plain figures"), "{name}");
        }
    }

    #[test]
    fn earlier_results_are_never_overwritten() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        run_into(temp.path());
        let before = fs::read(temp.path().join(JSON)).expect("a report");
        let error = OutDir::create(temp.path()).expect_err("occupied");
        assert!(matches!(error, OutError::Occupied { .. }));
        assert_eq!(fs::read(temp.path().join(JSON)).expect("a report"), before);
    }

    #[test]
    fn a_run_that_never_began_leaves_nothing_it_made() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let path = temp.path().join("new");
        drop(OutDir::create(&path).expect("a new directory"));
        assert!(!path.exists());
        fs::write(temp.path().join("notes.txt"), "mine").expect("writable");
        drop(OutDir::create(temp.path()).expect("other files do not matter"));
        assert_eq!(names(temp.path()), BTreeSet::from(["notes.txt".to_owned()]));
    }

    #[test]
    fn what_a_killed_run_left_empty_is_used() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        fs::write(temp.path().join(JSON), "").expect("writable");
        run_into(temp.path());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let file = temp.path().join("file");
        fs::write(&file, "").expect("writable");
        let error = OutDir::create(&file.join("out")).expect_err("a file is in the way");
        assert!(error.to_string().contains("file/out"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_takes_back_the_others() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(temp.path().join(JSON)).expect("writable");
        let error = OutDir::create(temp.path()).expect_err("a directory is in the way");
        assert!(matches!(&error, OutError::Open { path, .. } if path.ends_with(JSON)), "{error}");
        assert_eq!(names(temp.path()), BTreeSet::from([JSON.to_owned()]));
    }
}
