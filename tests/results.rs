//! What a run that goes well leaves behind: every file of `--out`, and that they tell the same story.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bootstorm::metrics::Stage;
use bootstorm::report::{SCHEMA, StageFigures, recompute};
use bootstorm::scenario::{self, Overrides};
use common::process::{Ended, bootstorm, small_run};
use common::results::Report;
use serde_json::Value;

const METERS: u64 = 200;

/// One small run with Updates in it, looked at by every test here.
struct Run {
    folder: PathBuf,
    ended: Ended,
}

impl Run {
    fn path(&self) -> &Path {
        &self.folder
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("results");
    // There only if the tests ran before.
    let _ = fs::remove_dir_all(&folder);
    // Updates come after one second, the fleet leaves after two.
    let run = small_run().set(&["fleet.lifetime=2s", "run.hold=2s"]).out(&folder);
    let ended = run.finish().expect_code(0);
    Run { folder, ended }
});

#[test]
fn everybody_registers_and_leaves() {
    let report = Report::read(RUN.path());
    assert!(report.is("/verdict/passed") && report.is("/run/complete"));
    for count in ["/fleet/meters", "/fleet/registered_peak", "/fleet/registered_end", "/arrivals/started"] {
        assert_eq!(report.figure(count), METERS, "{count}");
    }
    assert_eq!(report.figure("/fleet/states/deregistered"), METERS);
    for stage in ["onboarding", "bootstrap", "registration", "deregistration"] {
        assert_eq!(report.figure(&format!("/stages/{stage}/count")), METERS, "{stage}");
    }
    assert!(report.figure("/stages/update/count") >= METERS);
    assert_eq!(report.figure("/servers/ems/seen/operations/registrations"), METERS);
    report.expect_balanced();
    assert!(RUN.ended.stdout.starts_with("PASSED"), "{}", RUN.ended.stdout);
}

#[test]
fn a_run_without_a_terminal_shows_lines() {
    let progress = &RUN.ended.stderr;
    assert!(progress.contains("0.0s arriving: 0 of 200 started"), "{progress}");
    assert!(progress.contains("draining: 200 of 200 started"), "{progress}");
    assert!(!progress.contains('\x1b') && !RUN.ended.stdout.contains('\x1b'), "{progress}");
}

#[test]
fn no_file_is_missing_or_empty() {
    let mut expected: BTreeSet<String> =
        ["scenario.resolved.toml", "histograms.hlog", "timeseries.csv", "report.json"]
            .map(str::to_owned)
            .into();
    expected.extend(Stage::ALL.map(|stage| format!("{stage}.hgrm")));
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(RUN.path()).expect("a folder") {
        let entry = entry.expect("readable");
        assert!(entry.metadata().expect("readable").len() > 0, "{:?} is empty", entry.path());
        found.insert(entry.file_name().into_string().expect("a plain name"));
    }
    assert_eq!(found, expected);
}

#[test]
fn the_report_fits_the_schema_in_the_repository() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/schema.json");
    let schema = fs::read_to_string(schema).expect("a schema");
    assert_eq!(schema, SCHEMA);
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("the schema compiles");
    let report = Report::read(RUN.path());
    let mistakes: Vec<String> = validator
        .iter_errors(&report.json)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(mistakes, [""; 0]);
}

#[test]
fn the_keys_other_programs_rely_on_are_there() {
    let report = Report::read(RUN.path());
    let mut keys: Vec<String> = [
        "schema_version",
        "fleet/meters",
        "fleet/registered_peak",
        "fleet/registered_end",
        "fleet/failed",
        "traffic/sent",
        "traffic/received",
        "traffic/retransmitted",
        "traffic/duplicates",
        "traffic/kernel_drops",
        "generator/lag_p99_us",
        "generator/lag_max_us",
        "generator/cpu_seconds",
        "generator/max_rss_bytes",
        "verdict/passed",
    ]
    .map(str::to_owned)
    .into();
    for stage in ["onboarding", "bootstrap", "registration", "update", "bootstrap-write"] {
        for figure in ["count", "min_us", "mean_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"] {
            keys.push(format!("stages/{stage}/{figure}"));
        }
    }
    for balance in ["states", "census", "registrations", "requests-register"] {
        keys.push(format!("balances/{balance}/ok"));
    }
    for key in keys {
        assert!(!report.at(&format!("/{key}")).is_null(), "{key}");
    }
    assert!(report.at("/failures").is_object());
}

#[test]
fn every_latency_can_be_computed_again_from_the_log() {
    let log = fs::read(RUN.path().join("histograms.hlog")).expect("a log");
    let series = recompute(&log).expect("our own log");
    let again = |name: &str| {
        let summary = series.get(name).map(|histogram| histogram.summary()).unwrap_or_default();
        serde_json::to_value(StageFigures::from(summary)).expect("plain figures")
    };
    let report = Report::read(RUN.path());
    let stages = report.at("/stages").as_object().expect("an object");
    assert_eq!(stages.len(), Stage::ALL.len());
    for (stage, figures) in stages {
        assert_eq!(*figures, again(stage), "{stage}");
    }
    for (lag, name) in [("lag_start", "generator-lag-start"), ("lag_receipt", "generator-lag-receipt")] {
        assert_eq!(*report.at(&format!("/generator/{lag}")), again(name), "{name}");
    }
}

#[test]
fn the_resolved_scenario_loads_again_and_means_the_same() {
    let path = RUN.path().join("scenario.resolved.toml");
    let plan = bootstorm("check").arg(&path).finish().expect_code(0).stdout;
    assert!(plan.contains("200 meters") && plan.contains("lifetime 2s"), "{plan}");
    let text = RUN.text("scenario.resolved.toml");
    // Nothing is left to a default, the number of cores included.
    let again = scenario::load("again.toml", &text, &Overrides::default(), 64);
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")).to_toml(), text);
    assert_eq!(*Report::read(RUN.path()).at("/run/scenario_toml"), text);
}

#[test]
fn the_time_series_has_a_row_for_each_second_and_adds_up() {
    let text = RUN.text("timeseries.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().expect("every row has the header's columns");
    let report = Report::read(RUN.path());
    let sum = |column: &str| -> u64 {
        rows.iter().map(|row| row[column].parse::<u64>().expect("a whole number")).sum()
    };
    for stage in ["onboarding", "update", "deregistration"] {
        let counted = report.figure(&format!("/stages/{stage}/count"));
        assert_eq!(sum(&format!("stages.{stage}.count")), counted, "{stage}");
    }
    for figure in ["sent", "received", "retransmitted", "duplicates"] {
        assert_eq!(sum(figure), report.figure(&format!("/traffic/{figure}")), "{figure}");
    }
    let (last, whole) = rows.split_last().expect("rows");
    for (second, row) in whole.iter().enumerate() {
        assert_eq!(row["elapsed_s"], format!("{}.000", second + 1));
    }
    let end: f64 = last["elapsed_s"].parse().expect("seconds");
    assert!((whole.len() as f64..=whole.len() as f64 + 1.0).contains(&end), "{end}");
    assert_eq!(last["states.deregistered"], METERS.to_string());
}

#[test]
fn what_a_registration_costs_is_told_leg_by_leg() {
    let report = Report::read(RUN.path());
    let cost = |key: &str| report.at(&format!("/registration_cost/{key}")).as_f64().expect("a figure");
    assert_eq!((cost("bootstrap/count"), cost("register/count")), (METERS as f64, METERS as f64));
    assert_eq!(cost("register/answers"), 1.0);
    // The Bootstrap-Request and the commands, each of which a datagram answers.
    let commands = ["discover", "read", "write", "delete", "finish"];
    let commands: u64 =
        commands.iter().map(|stage| report.figure(&format!("/stages/bootstrap-{stage}/count"))).sum();
    assert_eq!(cost("bootstrap/answers"), 1.0 + commands as f64 / METERS as f64);
    for leg in ["bootstrap", "register"] {
        assert!(cost(&format!("{leg}/sent")) >= cost(&format!("{leg}/answers")), "{leg}");
        assert!(cost(&format!("{leg}/received")) >= cost(&format!("{leg}/answers")), "{leg}");
    }
    // Updates and De-registers come after it.
    let both = (cost("bootstrap/sent") + cost("register/sent")) * METERS as f64;
    assert!(both < report.figure("/traffic/sent") as f64, "{both}");
    assert!(report.at("/registration_cost/interview").is_null());
}

#[test]
fn percentile_files_have_the_frame_that_plotters_expect() {
    let report = Report::read(RUN.path());
    for stage in Stage::ALL {
        let text = RUN.text(&format!("{stage}.hgrm"));
        let lines: Vec<&str> = text.lines().collect();
        let [header, "", body @ .., mean, max, buckets] = lines.as_slice() else {
            panic!("{stage}:\n{text}");
        };
        assert_eq!(
            header.split_whitespace().collect::<Vec<_>>(),
            ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
        );
        for (line, names) in [
            (mean, ["#[Mean    =", "StdDeviation   ="]),
            (max, ["#[Max     =", "Total count    ="]),
            (buckets, ["#[Buckets =", "SubBuckets     ="]),
        ] {
            assert!(names.iter().all(|name| line.contains(name)) && line.ends_with(']'), "{stage}: {line}");
        }
        let count = report.figure(&format!("/stages/{stage}/count"));
        assert!(max.ends_with(&format!("{count}]")), "{stage}: {max}");
        let columns = |line: &&str| -> Vec<f64> {
            line.split_whitespace().map(|cell| cell.parse().expect("a number")).collect()
        };
        let rows: Vec<Vec<f64>> = body.iter().map(columns).collect();
        assert_eq!(rows.is_empty(), count == 0, "{stage}");
        for pair in rows.windows(2) {
            assert!((0..3).all(|column| pair[0][column] <= pair[1][column]), "{stage}: {pair:?}");
        }
        if let Some(last) = rows.last() {
            assert_eq!((last.len(), last[1], last[2]), (3, 1.0, count as f64), "{stage}");
        }
    }
}
