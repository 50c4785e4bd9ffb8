//! The summary a person reads at the end of a run: the verdict first, then what it rests on.

use std::fmt::Display;

use super::{Balance, RunReport, StageFigures};

/// Width of the summary in columns.
const WIDTH: usize = 80;

/// Whether to colour. Colours are for terminals, and only the caller knows whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Letters only.
    Plain,
    /// ANSI colours.
    Ansi,
}

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Green,
    Yellow,
    Bold,
}

/// The summary, in lines of at most 80 columns unless a name alone is longer.
pub fn summary(report: &RunReport, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    verdict(&mut page, report);
    fleet(&mut page, report);
    latencies(&mut page, report);
    failures(&mut page, report);
    traffic(&mut page, report);
    generator(&mut page, report);
    balances(&mut page, report);
    page.text
}

fn verdict(page: &mut Page, report: &RunReport) {
    let (word, colour) =
        if report.verdict.passed { ("PASSED", Colour::Green) } else { ("FAILED", Colour::Red) };
    let sentence = format!(
        "{} of {} meters registered; the run took {}.",
        thousands(report.fleet.registered_peak),
        thousands(report.fleet.meters),
        seconds(report.run.duration_s)
    );
    page.marked(word, colour, &sentence);
    page.paragraph("  goal: ", "    ", &report.verdict.goal);
    for reason in &report.verdict.reasons {
        page.paragraph("  - ", "    ", reason);
    }
    if !report.run.complete {
        let sentence = "The run was cut short: its figures are not those of the whole scenario.";
        page.marked("INCOMPLETE", Colour::Yellow, sentence);
    }
    if report.verdict.doubtful {
        page.marked("DOUBTFUL", Colour::Red, "These figures may be the generator's own, not the servers'.");
        for doubt in &report.verdict.doubts {
            page.paragraph("  - ", "    ", &format!("{} {}", doubt.message, doubt.advice));
        }
    }
}

fn fleet(page: &mut Page, report: &RunReport) {
    let fleet = &report.fleet;
    page.heading("Fleet");
    page.list([
        (thousands(fleet.meters), "meters"),
        (thousands(report.arrivals.due), "due"),
        (thousands(report.arrivals.started), "started"),
        (thousands(fleet.registered_peak), "registered at the peak"),
        (thousands(fleet.registered_end), "at the end"),
        (fleet.failed.to_string(), "failed"),
    ]);
    let states = fleet.states.entries().iter().filter(|(_, count)| *count != 0);
    let states: Vec<_> = states.map(|(state, count)| format!("{count} {state}")).collect();
    page.paragraph("  ", "    ", &format!("after the run: {}", states.join(", ")));
    let throughput = &report.throughput;
    page.paragraph(
        "  ",
        "    ",
        &format!(
            "onboarded per second: {:.0} on average, {} in the best second",
            throughput.onboarded_mean, throughput.onboarded_peak
        ),
    );
}

fn latencies(page: &mut Page, report: &RunReport) {
    page.heading("Latency in ms");
    let header = format!(
        "  {:18}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "count", "p50", "p90", "p99", "p99.9", "max"
    );
    page.line(&header);
    let mut outside = 0;
    for (name, figures) in report.stages.entries() {
        outside += figures.below_range + figures.above_range;
        if figures.count > 0 {
            page.line(&latency_row(name, figures));
        }
    }
    if outside > 0 {
        let note = format!("{outside} values lie outside 1 us to 1 h and are counted at that bound");
        page.paragraph("  ", "    ", &note);
    }
}

fn latency_row(name: &str, figures: &StageFigures) -> String {
    let columns = [figures.p50_us, figures.p90_us, figures.p99_us, figures.p999_us, figures.max_us];
    let cells: String = columns.map(|us| format!("{:>10}", us.map_or_else(String::new, millis))).concat();
    format!("  {name:18}{:>10}{cells}", thousands(figures.count))
}

fn failures(page: &mut Page, report: &RunReport) {
    if report.failures.entries().is_empty() {
        return;
    }
    page.heading("Failures");
    for (kind, count) in report.failures.entries() {
        page.line(&format!("  {:>10}  {kind}", thousands(*count)));
        let samples = report.failure_samples.get(kind).map_or(&[][..], Vec::as_slice);
        if !samples.is_empty() {
            page.paragraph("              e.g. ", "                   ", &samples.join(", "));
        }
    }
}

fn traffic(page: &mut Page, report: &RunReport) {
    let traffic = &report.traffic;
    page.heading("Datagrams");
    page.list([
        (thousands(traffic.sent), "sent"),
        (thousands(traffic.received), "received"),
        (thousands(traffic.retransmitted), "retransmitted"),
        (thousands(traffic.duplicates), "duplicates"),
        (thousands(traffic.kernel_drops), "dropped by the kernel"),
        (thousands(report.noise.entries().iter().map(|(_, count)| count).sum()), "noise"),
    ]);
}

fn generator(page: &mut Page, report: &RunReport) {
    let generator = &report.generator;
    page.heading("Generator");
    let lag = |figures: &StageFigures| {
        let [p99, max] = [figures.p99_us, figures.max_us].map(|us| us.map_or_else(|| "-".to_owned(), millis));
        format!("p99 {p99}, max {max} ms")
    };
    page.paragraph("  ", "    ", &format!("late at start: {}", lag(&generator.lag_start)));
    page.paragraph("  ", "    ", &format!("late at receipt: {}", lag(&generator.lag_receipt)));
    let servers =
        generator.server_cpu_seconds.map_or_else(String::new, |cpu| format!(" (servers {cpu:.1} s)"));
    let memory = generator.max_rss_bytes as f64 / (1024.0 * 1024.0);
    page.paragraph(
        "  ",
        "    ",
        &format!("CPU {:.1} s{servers}, memory {memory:.0} MiB", generator.cpu_seconds),
    );
}

fn balances(page: &mut Page, report: &RunReport) {
    page.heading("Balances");
    let balances = || report.balances.entries().iter().map(|(_, balance)| balance);
    let drawn = balances().filter(|balance| balance.skipped.is_none()).count();
    let open: Vec<_> = balances().filter(|balance| !balance.ok).collect();
    page.paragraph("  ", "    ", &format!("{} of {drawn} close", drawn - open.len()));
    for balance in open {
        let colour = if balance.binding { Colour::Red } else { Colour::Yellow };
        let Balance { name, left, right, explanation, .. } = balance;
        page.marked("  OPEN", colour, &format!("{name}: {left} against {right}; {explanation}"));
        endpoints(page, balance);
    }
    for balance in balances().filter(|balance| balance.ok && balance.listed.total > 0) {
        let sentence = format!("{}: {}", balance.name, balance.explanation);
        page.paragraph("  ", "    ", &sentence);
        endpoints(page, balance);
    }
    for balance in balances() {
        if let Some(reason) = &balance.skipped {
            page.paragraph("  ", "    ", &format!("not drawn up: {} ({reason})", balance.name));
        }
    }
}

/// The first few endpoints of a balance.
fn endpoints(page: &mut Page, balance: &Balance) {
    const FEW: usize = 3;
    let few: Vec<_> = balance.listed.shown.iter().take(FEW).map(String::as_str).collect();
    let more = balance.listed.total.saturating_sub(few.len() as u64);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    page.paragraph("    ", "    ", &format!("{}{tail}", few.join(", ")));
}

/// Text that grows by whole lines.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.text.push('\n');
        let title = self.paint(title, Colour::Bold);
        self.line(&title);
    }

    /// A coloured word, a colon, and a sentence. Wrapped first and coloured then: colours have no width.
    fn marked(&mut self, word: &str, colour: Colour, sentence: &str) {
        let plain = wrap(&format!("{word}: "), "    ", sentence);
        let painted = self.paint(word, colour);
        self.text.push_str(&plain.replacen(word, &painted, 1));
    }

    fn paragraph(&mut self, first: &str, rest: &str, sentence: &str) {
        if !sentence.is_empty() {
            self.text.push_str(&wrap(first, rest, sentence));
        }
    }

    fn list<const N: usize>(&mut self, entries: [(impl Display, &str); N]) {
        let entries = entries.map(|(count, what)| format!("{count} {what}"));
        self.paragraph("  ", "    ", &entries.join(", "));
    }

    fn paint(&self, text: &str, colour: Colour) -> String {
        let code = match colour {
            Colour::Red => "1;31",
            Colour::Green => "1;32",
            Colour::Yellow => "1;33",
            Colour::Bold => "1",
        };
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Breaks a sentence between words, with an indent for the first line and one for the others.
fn wrap(first: &str, rest: &str, sentence: &str) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    let mut fresh = true;
    for word in sentence.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = rest.to_owned();
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    text + &line + "\n"
}

/// Milliseconds with about four digits: `0.123`, `12.34`, `1,234`.
fn millis(us: u64) -> String {
    let ms = us as f64 / 1000.0;
    match us {
        0..10_000 => format!("{ms:.3}"),
        10_000..100_000 => format!("{ms:.2}"),
        100_000..1_000_000 => format!("{ms:.1}"),
        _ => thousands(us.saturating_add(500) / 1000),
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// `1234567` as `1,234,567`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
