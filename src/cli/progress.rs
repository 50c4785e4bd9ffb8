//! What a run looks like while it runs, as text: a block of a few lines, or one line.
//!
//! Rendering is pure; [`super::screen`] puts the text on a terminal.

use std::time::Duration;

use crate::base::text::{count, elapsed, figure, latency};

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Arrivals planned up to now.
    pub due: u32,
    /// Meters started up to now.
    pub started: u32,
    /// Meters in the fleet.
    pub meters: u32,
    /// Meters by state, in the order to show them; states with no meter are left out of the picture.
    pub states: Vec<(&'static str, u64)>,
    /// Registrations a second of late.
    pub registrations_per_second: f64,
    /// Datagrams sent a second of late.
    pub sent_per_second: f64,
    /// Datagrams received a second of late.
    pub received_per_second: f64,
    /// Median and 99th percentile of planned power-on to first registration, once there is one.
    pub onboarding: Option<(Duration, Duration)>,
    /// What came of management since the start, by what it is; what counts nothing is left out of the picture.
    pub management: Vec<(&'static str, u64)>,
    /// Failures by kind since the start.
    pub failures: Vec<(String, u64)>,
    /// Why the measurement is doubtful, if it is.
    pub doubtful: Option<String>,
}

/// What is going on in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Sockets are opened and servers started.
    #[default]
    Starting,
    /// Meters arrive.
    Arriving,
    /// All have arrived and the fleet stays on.
    Holding,
    /// The run waits for meters that are still under way.
    Settling,
    /// Meters de-register.
    Draining,
}

impl Phase {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Arriving => "arriving",
            Phase::Holding => "holding",
            Phase::Settling => "settling",
            Phase::Draining => "draining",
        }
    }
}

/// The block for a terminal `width` columns wide: complete lines, none wider than that.
pub fn render(progress: &Progress, width: usize, colour: bool) -> String {
    let mut block = Block { text: String::new(), width, colour };
    let phase = progress.phase.name();
    let bar = bar(progress.started, progress.meters, width.saturating_sub(64).min(30));
    let arrivals = format!(
        "{:>8}  {bar}{} of {} started, {} due",
        elapsed(progress.elapsed),
        count(progress.started),
        count(progress.meters),
        count(progress.due),
    );
    block.line(phase, Style::Bold, &arrivals, Style::Plain);
    block.line("meters", Style::Dim, &list(&progress.states, "none yet"), Style::Plain);
    let rates = format!(
        "{} registrations/s, {} sent/s, {} received/s",
        figure(progress.registrations_per_second),
        figure(progress.sent_per_second),
        figure(progress.received_per_second),
    );
    block.line("rates", Style::Dim, &rates, Style::Plain);
    let onboarding = progress
        .onboarding
        .map_or("none yet".to_owned(), |(p50, p99)| format!("p50 {}, p99 {}", latency(p50), latency(p99)));
    block.line("onboarding", Style::Dim, &onboarding, Style::Plain);
    let management = numbers(&progress.management);
    if !management.is_empty() {
        block.line("management", Style::Dim, &management, Style::Plain);
    }
    let failed = progress.failures.iter().any(|(_, count)| *count > 0);
    block.line(
        "failures",
        Style::Dim,
        &list(&progress.failures, "none"),
        if failed { Style::Red } else { Style::Plain },
    );
    if let Some(why) = &progress.doubtful {
        block.line("DOUBTFUL", Style::Red, why, Style::Red);
    }
    let next = match progress.phase {
        // The first may have begun the drain, or come to nothing in it.
        Phase::Draining => "a second time stops at once; the results are marked incomplete",
        _ => "lets the meters de-register and ends the run",
    };
    block.line("Ctrl-C", Style::Dim, next, Style::Dim);
    block.text
}

/// The whole on one line, without its end: for logs, so nothing is cut off, and what is not there yet is
/// left out.
pub fn render_line(progress: &Progress) -> String {
    let mut line = format!(
        "{:>8} {}: {} of {} started",
        elapsed(progress.elapsed),
        progress.phase.name(),
        count(progress.started),
        count(progress.meters),
    );
    // A shard that is behind is a finding; one that is not is no news.
    if progress.due > progress.started {
        line += &format!(", {} due", count(progress.due));
    }
    let states = list(&progress.states, "");
    if !states.is_empty() {
        line += &format!("; {states}");
    }
    for (rate, what) in
        [(progress.registrations_per_second, "registrations"), (progress.sent_per_second, "sent")]
    {
        if rate > 0.0 {
            line += &format!("; {} {what}/s", figure(rate));
        }
    }
    if let Some((p50, p99)) = progress.onboarding {
        line += &format!("; onboarding p50 {}, p99 {}", latency(p50), latency(p99));
    }
    let management = numbers(&progress.management);
    if !management.is_empty() {
        line += &format!("; {management}");
    }
    line += &format!("; {}", list(&progress.failures, "no failures"));
    if let Some(why) = &progress.doubtful {
        line += &format!("; DOUBTFUL: {why}");
    }
    line
}

/// `registered 5,900, bootstrapping 240`; what counts nothing is left out.
fn list<N: AsRef<str>>(counts: &[(N, u64)], nothing: &str) -> String {
    let some = counts.iter().filter(|(_, number)| *number > 0);
    let parts: Vec<_> = some.map(|(name, number)| format!("{} {}", name.as_ref(), count(*number))).collect();
    if parts.is_empty() { nothing.to_owned() } else { parts.join(", ") }
}

/// `1,234 answered, 56 notified`; what counts nothing is left out.
fn numbers(counts: &[(&str, u64)]) -> String {
    let some = counts.iter().filter(|(_, number)| *number > 0);
    some.map(|(what, number)| format!("{} {what}", count(*number))).collect::<Vec<_>>().join(", ")
}

/// A bar and the space after it; nothing where there is no room for one.
fn bar(done: u32, of: u32, width: usize) -> String {
    if width < 5 {
        return String::new();
    }
    let filled = (done as usize * width).checked_div(of as usize).unwrap_or(0).min(width);
    format!("{}{}  ", "█".repeat(filled), "░".repeat(width - filled))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    Dim,
    Red,
}

struct Block {
    text: String,
    width: usize,
    colour: bool,
}

impl Block {
    /// Adds a line of a name and what it is, cut to the width.
    fn line(&mut self, name: &str, name_style: Style, what: &str, what_style: Style) {
        const NAMES: usize = 12;
        self.piece(&format!("{name:<NAMES$}"), self.width, name_style);
        self.piece(what, self.width.saturating_sub(NAMES), what_style);
        self.text.push('\n');
    }

    /// Adds at most `room` columns; all text here is of characters one column wide.
    fn piece(&mut self, text: &str, room: usize, style: Style) {
        // ECMA-48 §8.3.117: select graphic rendition.
        let code = match style {
            Style::Plain => None,
            Style::Bold => Some("1"),
            Style::Dim => Some("2"),
            Style::Red => Some("1;31"),
        }
        .filter(|_| self.colour);
        if let Some(code) = code {
            self.text += &format!("\x1b[{code}m");
        }
        if text.chars().count() > room {
            self.text.extend(text.chars().take(room.saturating_sub(1)));
            self.text.extend((room > 0).then_some('…'));
        } else {
            self.text.push_str(text);
        }
        if code.is_some() {
            self.text.push_str("\x1b[0m");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Progress {
        Progress {
            phase: Phase::Arriving,
            elapsed: Duration::from_millis(12_340),
            due: 61_700,
            started: 61_650,
            meters: 100_000,
            states: vec![("planned", 38_350), ("bootstrapping", 240), ("registered", 61_410), ("failed", 0)],
            registrations_per_second: 4_998.7,
            sent_per_second: 35_012.0,
            received_per_second: 34_998.0,
            onboarding: Some((Duration::from_micros(1_240), Duration::from_micros(48_100))),
            management: vec![("answered", 0), ("notified", 0)],
            failures: Vec::new(),
            doubtful: None,
        }
    }

    #[test]
    fn the_block_shows_what_matters() {
        let expected = "\
arriving       12.3s  ██████████████████░░░░░░░░░░░░  61,650 of 100,000 started, 61,700 due
meters      planned 38,350, bootstrapping 240, registered 61,410
rates       4,999 registrations/s, 35,012 sent/s, 34,998 received/s
onboarding  p50 1.2 ms, p99 48.1 ms
failures    none
Ctrl-C      lets the meters de-register and ends the run
";
        assert_eq!(render(&sample(), 100, false), expected);
    }

    #[test]
    fn management_is_one_line_once_there_is_some() {
        let mut progress = sample();
        progress.management = vec![("answered", 61_410), ("notified", 0), ("Sends", 12)];
        let block = render(&progress, 100, false);
        assert!(block.contains("\nmanagement  61,410 answered, 12 Sends\nfailures    none\n"), "{block}");
        assert!(render_line(&progress).ends_with("; 61,410 answered, 12 Sends; no failures"));
    }

    #[test]
    fn a_run_that_has_just_begun_has_no_figures() {
        let block = render(&Progress::default(), 80, false);
        assert!(block.starts_with("starting") && block.contains("meters      none yet"), "{block}");
        assert!(block.contains("onboarding  none yet"), "{block}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut progress = sample();
        progress.failures = vec![("registration_timeout".to_owned(), 3), ("ünïcode".to_owned(), 10)];
        progress.doubtful = Some("the kernel dropped 12 datagrams; raise net.core.rmem_max".to_owned());
        for width in 0..120 {
            let block = render(&progress, width, false);
            assert_eq!(block.lines().count(), 7);
            assert!(block.lines().all(|line| line.chars().count() <= width), "{width}:\n{block}");
        }
    }

    #[test]
    fn doubts_and_failures_are_red_and_colour_can_be_off() {
        let mut progress = sample();
        progress.doubtful = Some("late".to_owned());
        progress.failures = vec![("update_timeout".to_owned(), 3)];
        let coloured = render(&progress, 100, true);
        assert!(
            coloured.contains("\x1b[1;31mlate\x1b[0m")
                && coloured.contains("\x1b[1;31mupdate_timeout 3\x1b[0m")
        );
        let plain = render(&progress, 100, false);
        assert!(!plain.contains('\x1b') && plain.contains("DOUBTFUL    late\n"));
        // Colour changes nothing else.
        let mut stripped = coloured;
        for code in ["\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn the_line_says_the_same() {
        let mut progress = sample();
        let line = "   12.3s arriving: 61,650 of 100,000 started, 61,700 due; planned 38,350, bootstrapping 240, \
                    registered 61,410; 4,999 registrations/s; 35,012 sent/s; onboarding p50 1.2 ms, p99 48.1 ms; \
                    no failures";
        assert_eq!(render_line(&progress), line);
        progress.doubtful = Some("late".to_owned());
        progress.failures = vec![("update-timeout".to_owned(), 3)];
        assert!(render_line(&progress).ends_with("; update-timeout 3; DOUBTFUL: late"));
        let begun = Progress { meters: 2_000, ..Progress::default() };
        assert_eq!(render_line(&begun), "    0.0s starting: 0 of 2,000 started; no failures");
    }
}
