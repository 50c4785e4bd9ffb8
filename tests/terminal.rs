//! On a terminal: a block redrawn in place, which leaves the terminal as it was.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// Wide enough for every line of a small run.
const COLUMNS: u16 = 100;

/// Runs a small fleet on a terminal; what it wrote there.
fn run(columns: u16, args: &[&str], environment: &[(&str, &str)]) -> String {
    let screen: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&screen).and_then(|()| unlockpt(&screen)).expect("it is ours");
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).expect("a terminal has a size");
    let name = ptsname(&screen, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("a plain path");
    let end = OpenOptions::new().read(true).write(true).open(name).expect("the program's end of it");
    let settings = |end: &dyn AsFd| format!("{:?}", tcgetattr(end).expect("a terminal has settings"));
    let before = settings(&end);

    let stdio = || Stdio::from(end.try_clone().expect("a descriptor"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootstorm"));
    command.args(["run", "--set", "fleet.meters=200", "--set", "arrivals.rate=400/s"]);
    command.args(["--set", "run.hold=600ms", "--set", "run.drain=2s"]).args(args);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(environment.iter().copied());
    let mut child =
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().expect("the binary starts");
    // Once nobody holds the program's end, reading from the terminal fails.
    drop((command, end));
    let mut screen = File::from(screen);
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = screen.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    let shown = String::from_utf8(shown).expect("text");
    assert_eq!(child.wait().expect("it was started").code(), Some(0), "{shown}");
    assert_eq!(settings(&screen), before);
    shown
}

/// What a person sees on the terminal in the end: a terminal of the few sequences that are used.
fn what_stays(shown: &str) -> String {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = shown.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "{shown:?}");
                let mut sequence = String::new();
                while !sequence.ends_with(|last: char| last.is_ascii_alphabetic()) {
                    sequence.push(rest.next().expect("a letter ends a sequence"));
                }
                match sequence.as_str() {
                    // ECMA-48 §8.3: previous line, erase in page, erase in line, graphic rendition.
                    previous if previous.ends_with('F') => {
                        row -= previous.trim_end_matches('F').parse::<usize>().expect("a count");
                        column = 0;
                    }
                    "J" => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    "K" => lines[row].truncate(column),
                    "2K" => lines[row].clear(),
                    rendition if rendition.ends_with('m') => {}
                    other => panic!("the sequence {other:?} in {shown:?}"),
                }
            }
            plain => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = plain;
                column += 1;
                assert!(column <= COLUMNS.into(), "a line too long in {shown:?}");
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.iter().map(|line| line.iter().collect::<String>() + "\n").collect()
}

#[test]
fn a_block_shows_the_run_and_leaves_only_the_summary() {
    let shown = run(COLUMNS, &[], &[]);
    for part in ["arriving", "of 200 started", "registrations/s", "onboarding", "\x1b["] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    let stays = what_stays(&shown);
    assert!(stays.starts_with("PASSED: 200 of 200 meters registered"), "{stays}");
    assert!(!stays.contains("arriving") && !stays.contains("registrations/s"), "{stays}");
}

#[test]
fn a_terminal_that_does_not_know_its_size_shows_the_block_too() {
    let shown = run(0, &[], &[]);
    assert!(shown.contains("of 200 started"), "{shown:?}");
    assert!(what_stays(&shown).starts_with("PASSED"), "{shown:?}");
}

#[test]
fn no_color_is_honoured() {
    let coloured = |shown: &str| shown.contains("\x1b[1m") || shown.contains("\x1b[32m");
    assert!(coloured(&run(COLUMNS, &[], &[])));
    let plain = run(COLUMNS, &[], &[("NO_COLOR", "1")]);
    assert!(!coloured(&plain) && plain.contains("of 200 started"), "{plain:?}");
}

#[test]
fn lines_instead_of_a_block_where_that_is_wanted() {
    for (args, environment) in [(&["--no-tui"][..], &[][..]), (&[], &[("TERM", "dumb")])] {
        let shown = run(COLUMNS, args, environment);
        assert!(shown.contains("0.0s arriving: 0 of 200 started"), "{shown:?}");
        // The summary has colours; nothing is ever taken back.
        assert!(!shown.contains("\x1b[J") && !shown.contains("\x1b[1F"), "{shown:?}");
    }
}
