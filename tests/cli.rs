//! The command line from outside: what people type, what they read, and the exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn bootstorm(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bootstorm")).args(args).output().expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

/// Runs `args` and requires exit code 2, nothing on standard output, and both lines of an error.
fn refused(args: &[&str]) -> String {
    let output = bootstorm(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert_eq!(stdout(&output), "", "{args:?}");
    assert!(said.starts_with("error: ") && said.contains("\nhelp: "), "{args:?}: {said}");
    said
}

#[test]
fn check_prints_a_plan_for_each_shipped_scenario() {
    for path in shipped() {
        let output = bootstorm(&["check", path.to_str().expect("a plain path")]);
        let plan = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{}: {}", path.display(), stderr(&output));
        for name in ["scenario", "fleet", "arrivals", "packets", "memory", "descriptors"] {
            assert!(
                plan.lines().any(|line| line.starts_with(name)),
                "{}: no {name} in\n{plan}",
                path.display()
            );
        }
        assert!(plan.contains(&*path.file_stem().expect("a name").to_string_lossy()), "{plan}");
    }
}

#[test]
fn a_provisioning_file_fits_single_meters_and_its_keys_are_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("meters.csv");
    let path = file.to_str().expect("a plain path");
    fs::write(&file, "endpoint,bootstrap_identity,bootstrap_key\nthe-one,secret,5ec3e75ec3e7\n,,\n")
        .expect("a file");
    let plan = stdout(&bootstorm(&["check", "--provision", path, "--set", "fleet.meters=2"]));
    for part in ["the-one to urn:dev:os:meter-0000001", "2 rows", "1 meter with keys of it"] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    let said = refused(&["run", "--provision", path, "--set", "fleet.meters=3"]);
    assert_eq!(
        said,
        format!("error: {path}: has 2 rows for 3 meters\nhelp: set fleet.meters = 2, or add rows\n")
    );
    fs::write(&file, "endpoint,bootstrap_identity,bootstrap_key\nthe-one,secret,5ec3e75ec3e\n")
        .expect("a file");
    let wrong = refused(&["check", "--provision", path, "--set", "fleet.meters=1"]);
    assert!(wrong.contains(":2:16: bootstrap_key: must be an even number of hex digits"), "{wrong}");
    let missing = refused(&["check", "--provision", "/nowhere/meters.csv"]);
    assert!(missing.contains("/nowhere/meters.csv: cannot be read"), "{missing}");
    for text in [plan, said, wrong] {
        assert!(!text.contains("5ec3") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn credentials_are_made_once_used_and_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let path = keys.to_str().expect("a plain path");
    let output = bootstorm(&["provision", "--meters", "20", "--mode", "psk", "--out", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made = stdout(&output);
    assert!(made.contains("20 meters, 2 servers, psk"), "{made}");
    let secure = [
        "--set=servers.embedded.bootstrap_listen=coaps://127.0.0.1:0",
        "--set=servers.embedded.ems_listen=coaps://127.0.0.1:0",
        "--set=fleet.meters=20",
        "--set=run.hold=0s",
    ];
    let run = [&["run", "--no-tui", "--credentials", path], &secure[..]].concat();
    let output = bootstorm(&run);
    let summary = stdout(&output) + &stderr(&output);
    assert!(summary.contains("20 of 20 meters registered"), "{summary}");
    let list = fs::read_to_string(keys.join("meters.csv")).expect("a list");
    let secret = list.lines().nth(1).and_then(|row| row.rsplit(',').next()).expect("a key");
    assert!(secret.len() == 32 && !summary.contains(secret) && !made.contains(secret));
    // The same folder again, more meters than it has, and servers that need none of it.
    let again = refused(&["provision", "--mode", "psk", "--out", path]);
    assert!(again.contains("is there already and not empty"), "{again}");
    let more = refused(&[&["check", "--credentials", path], &secure[..2]].concat());
    assert!(more.contains("is for 20 meters, and the scenario has 2,000"), "{more}");
    let plain = refused(&["check", "--credentials", path]);
    assert!(plain.contains("no server of the scenario is spoken to by coaps://"), "{plain}");
}

/// A run of a shipped scenario in small; what it printed.
fn small_run_of(name: &str, set: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let mut args = vec!["run", path.to_str().expect("a plain path"), "--no-tui"];
    for set in ["fleet.meters=50", "arrivals.over=0s", "run.hold=0s"].iter().chain(set) {
        args.extend(["--set", set]);
    }
    let output = bootstorm(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn meters_register_with_two_embedded_servers_and_no_bootstrap_server() {
    let summary = small_run_of("factory.toml", &[]);
    // A Register and a De-register with each of two servers.
    assert!(summary.contains("sent         200,"), "{summary}");
    assert!(summary.contains("PASSED: 50 of 50 meters registered"), "{summary}");
    let summary = small_run_of("factory.toml", &["bootstrap.mode=smartcard"]);
    assert!(summary.contains("sent         200,"), "{summary}");
}

#[test]
fn check_warns_of_several_servers_without_access_control() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("storm.toml");
    let path = file.to_str().expect("a plain path");
    fs::write(&file, "[[servers.account]]\n[[servers.account]]\nserver = \"embedded\"\n")
        .expect("a scenario");
    let plan = |set: &[&str]| {
        let set = set.iter().flat_map(|set| ["--set", *set]);
        stdout(&bootstorm(&["check", path].into_iter().chain(set).collect::<Vec<_>>()))
    };
    assert!(plan(&[]).contains("answer 4.01 to what no /2 allows"));
    assert!(!plan(&["servers.ems_server.interview=off"]).contains("4.01"));
    assert!(!plan(&["servers.bootstrap_server.extra./2/0/0=3"]).contains("4.01"));
}

#[test]
fn check_without_a_file_checks_the_quickstart() {
    let plan = stdout(&bootstorm(&["check", "--set", "fleet.meters=1234", "--seed", "99"]));
    assert!(
        plan.contains("quickstart") && plan.contains("1,234 meters") && plan.contains("seed 99"),
        "{plan}"
    );
}

#[test]
fn a_mistake_names_file_line_key_value_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("storm.toml");
    let path = file.to_str().expect("a plain path");
    fs::write(&file, "[fleet]\nmeters = 5\nlifetime = \"0s\"\n").expect("a scenario");
    for command in ["check", "run", "serve"] {
        let said = refused(&[command, path]);
        let expected = format!(
            "error: {path}:3: fleet.lifetime = \"0s\": must be between 1s and 365d\nhelp: try \"300s\"\n"
        );
        assert_eq!(said, expected);
    }
    fs::write(&file, "[fleet]\nmetres = 5\n").expect("a scenario");
    assert!(
        refused(&["run", path])
            .contains("storm.toml:2: fleet.metres = 5: is not a known key\nhelp: did you mean `meters`?")
    );
    fs::write(&file, "fleet = [").expect("a scenario");
    assert!(refused(&["run", path]).contains("storm.toml:1: is not TOML"));
    fs::write(&file, [0xff, 0xfe]).expect("a file");
    assert!(refused(&["run", path]).contains("storm.toml: cannot be read"));
}

#[test]
fn mistakes_on_the_command_line_are_wrong_input_too() {
    assert!(
        refused(&["run", "--set", "run.hold=10"]).contains("--set: run.hold = 10: must be a span of time")
    );
    assert!(refused(&["run", "no-such-file.toml"]).contains("no-such-file.toml: cannot be read"));
    assert!(refused(&["run", "--seed", "18446744073709551615"]).contains("--seed: run.seed"));
    // What clap itself refuses.
    for args in
        [&["rnu"][..], &["run", "--seed", "x"], &["run", "--no-such-option"], &["completions", "cmd.exe"]]
    {
        let output = bootstorm(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}");
    }
}

#[test]
fn no_datagram_leaves_this_machine_without_permission() {
    for set in ["servers.bootstrap=coap://192.0.2.1", "servers.ems=coap://[2001:db8::1]:5684"] {
        let said = refused(&["run", "--set", set]);
        assert!(said.contains("is not on this machine\nhelp: allow_remote = true"), "{said}");
        let allowed = bootstorm(&["check", "--set", set, "--set", "allow_remote=true"]);
        assert_eq!(allowed.status.code(), Some(0), "{}", stderr(&allowed));
    }
    let said = refused(&["serve", "--set", "servers.embedded.bootstrap_listen=0.0.0.0:5683"]);
    assert!(said.contains("would listen to other machines\nhelp: allow_remote = true"), "{said}");
}

#[test]
fn help_has_examples_and_exit_codes() {
    for flag in ["--help", "-h"] {
        let output = bootstorm(&[flag]);
        let help = stdout(&output);
        assert_eq!(output.status.code(), Some(0));
        assert!(help.contains("Examples:") && help.contains("Exit codes, the first that applies:"), "{help}");
        for subcommand in ["run", "check", "serve", "meter", "completions"] {
            assert!(help.contains(&format!("  {subcommand} ")), "{help}");
        }
    }
    let run = stdout(&bootstorm(&["run", "--help"]));
    for option in ["--set", "--seed", "--out", "--no-tui", "--strict"] {
        assert!(run.contains(option), "{run}");
    }
    for subcommand in ["run", "check", "serve", "meter"] {
        assert!(stdout(&bootstorm(&[subcommand, "--help"])).contains("Examples:"), "{subcommand}");
    }
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = bootstorm(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = stdout(&output);
        assert!(script.contains("bootstorm") && script.contains("no-tui"), "{shell}: {script}");
    }
}
