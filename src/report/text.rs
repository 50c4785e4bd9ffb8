//! The summary a person reads at the end of a run: the verdict first, then what it rests on.

mod managed;

use super::{Balance, Keyed, RunReport, ServerCounts, StageFigures, StreamFigures};
use crate::base::text::{count, counted, figure, memory, wrap};

/// Width of the summary in columns.
const WIDTH: usize = 80;

/// How many endpoints are named as examples; the report has more.
const FEW: usize = 3;

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
    managed::registration(&mut page, report);
    managed::management(&mut page, report);
    failures(&mut page, report);
    managed::servers(&mut page, &report.servers);
    handshakes(&mut page, report);
    traffic(&mut page, report);
    generator(&mut page, report);
    balances(&mut page, report);
    page.text
}

/// What embedded servers did, as the block of the [`summary`] that is about them: empty if there is nothing
/// to say but that everybody bootstrapped and registered.
pub fn servers(servers: &Keyed<ServerCounts>, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    managed::servers(&mut page, servers);
    page.text
}

fn verdict(page: &mut Page, report: &RunReport) {
    let (word, colour) =
        if report.verdict.passed { ("PASSED", Colour::Green) } else { ("FAILED", Colour::Red) };
    let sentence = format!(
        "{} of {} registered; the run took {}.",
        count(report.fleet.registered_peak),
        counted(report.fleet.meters, "meter"),
        seconds(report.run.duration_s)
    );
    page.marked(word, colour, &sentence);
    let goal =
        format!("goal: {}; scenario {}, seed {}", report.verdict.goal, report.run.scenario, report.run.seed);
    page.paragraph("  ", "    ", &goal);
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
    let mut started = format!("{} of {}", count(report.arrivals.started), counted(fleet.meters, "meter"));
    if report.arrivals.started != report.arrivals.due {
        started += &format!("; {} were due", count(report.arrivals.due));
    }
    page.row("started", &started);
    let registered = format!(
        "{} at the peak, {} when the drain began",
        count(fleet.registered_peak),
        count(fleet.registered_end)
    );
    page.row("registered", &registered);
    let throughput = &report.throughput;
    if throughput.onboarded_peak > 0 {
        let onboarded = format!(
            "{} in the best second, {}/s on average over {}",
            count(throughput.onboarded_peak),
            figure(throughput.onboarded_mean),
            counted(throughput.onboarding_seconds, "second"),
        );
        page.row("onboarded", &onboarded);
    }
    let states = fleet.states.entries().iter().filter(|(_, number)| *number != 0);
    let states: Vec<_> = states.map(|(state, number)| format!("{} {state}", signed(*number))).collect();
    page.row("finally", &states.join(", "));
}

fn latencies(page: &mut Page, report: &RunReport) {
    page.heading("Latency in ms");
    let measured = || report.stages.entries().iter().filter(|(_, figures)| figures.count > 0);
    if measured().next().is_none() {
        page.line("  nothing was measured");
        return;
    }
    let header = format!(
        "  {:18}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "count", "p50", "p90", "p99", "p99.9", "max"
    );
    page.line(&header);
    for (name, figures) in measured() {
        page.line(&latency_row(name, figures));
    }
    // Those below 1 us are shown as they are counted, as 1 us: no finer than the table anyway.
    for (name, figures) in measured().filter(|(_, figures)| figures.above_range > 0) {
        let above = counted(figures.above_range, "value");
        page.paragraph("  ", "    ", &format!("{name}: {above} above 1 h, counted as 1 h"));
    }
}

fn latency_row(name: &str, figures: &StageFigures) -> String {
    let columns = [figures.p50_us, figures.p90_us, figures.p99_us, figures.p999_us, figures.max_us];
    let cells: String = columns.map(|us| format!("{:>10}", us.map_or_else(String::new, millis))).concat();
    format!("  {name:18}{:>10}{cells}", count(figures.count))
}

fn failures(page: &mut Page, report: &RunReport) {
    if report.failures.entries().is_empty() {
        return;
    }
    page.heading("Failures");
    for (kind, number) in report.failures.entries() {
        page.line(&format!("  {:>10}  {kind}", count(*number)));
        let samples = report.failure_samples.get(kind).map_or(&[][..], Vec::as_slice);
        if !samples.is_empty() {
            let few: Vec<_> = samples.iter().take(FEW).map(String::as_str).collect();
            page.paragraph("              e.g. ", "                   ", &few.join(", "));
        }
    }
}

fn handshakes(page: &mut Page, report: &RunReport) {
    let handshakes = &report.handshakes;
    if handshakes.begun == 0 {
        return;
    }
    page.heading("Handshakes");
    let ends = [
        (handshakes.completed, "completed"),
        (handshakes.failed, "failed"),
        (handshakes.abandoned, "given up"),
        (handshakes.in_flight, "under way"),
    ];
    let ends: Vec<_> = ends.into_iter().filter(|(number, _)| *number > 0).collect();
    let ends: Vec<_> = ends.iter().map(|(number, what)| format!("{} {what}", count(*number))).collect();
    page.row("meters", &format!("{} begun: {}", count(handshakes.begun), ends.join(", ")));
    if handshakes.completed > 0 {
        let mean = |sum: u64| figure(sum as f64 / handshakes.completed as f64);
        let (flights, bytes) = (mean(handshakes.flights), mean(handshakes.bytes));
        page.row("each", &format!("{flights} flights of the meter's, {bytes} bytes both ways, on average"));
    }
    let again = handshakes.flights_again;
    if again > 0 {
        page.row("again", &format!("{} flights sent again", count(again)));
    }
    for (name, server) in report.servers.entries() {
        let Some(sessions) = server.seen.as_ref().and_then(|seen| seen.sessions.as_ref()) else { continue };
        let certificates: Vec<_> = sessions.certificates_refused.iter().collect();
        let refused = certificates.iter().map(|(why, number)| (**number, format!("certificates {why}")));
        let rest = [
            (sessions.completed, "completed"),
            (sessions.unknown_identities, "unknown identities"),
            (sessions.timed_out, "fell silent"),
            (sessions.failed, "failed"),
            (sessions.closed, "sessions closed by meters"),
            (sessions.broken, "sessions broken"),
            (sessions.replaced, "sessions replaced"),
            (sessions.evicted, "sessions that made room"),
        ];
        let rest = rest.into_iter().map(|(number, what)| (number, what.to_owned()));
        let all: Vec<_> = rest.chain(refused).filter(|(number, _)| *number > 0).collect();
        let all: Vec<_> = all.iter().map(|(number, what)| format!("{} {what}", count(*number))).collect();
        if !all.is_empty() {
            page.row(name, &all.join(", "));
        }
    }
}

fn traffic(page: &mut Page, report: &RunReport) {
    let traffic = &report.traffic;
    let noise: u64 = report.noise.entries().iter().map(|(_, number)| number).sum();
    page.heading("Datagrams");
    let again = counted(traffic.retransmitted, "retransmission");
    page.row("sent", &format!("{}, of which {again}", count(traffic.sent)));
    let again = counted(traffic.duplicates, "duplicate");
    page.row(
        "received",
        &format!("{}, of which {again} and {} noise", count(traffic.received), count(noise)),
    );
    page.row("dropped", &format!("{} by the kernel", count(traffic.kernel_drops)));
    if let Some(streams) = &report.streams {
        page.row("streams", &streams_of(streams));
    }
    for (name, server) in report.servers.entries() {
        if let Some(streams) = server.seen.as_ref().and_then(|seen| seen.streams.as_ref()) {
            page.row("", &format!("{name}: {}", streams_of(streams)));
        }
    }
    let sockets = &report.sockets;
    let odd = [
        (sockets.refused, "not sent: the destination is not allowed"),
        (sockets.queue_dropped, "not sent: too many were waiting"),
        (sockets.send_errors, "not sent: the kernel would not"),
        (sockets.receive_errors, "errors of receiving"),
        (sockets.truncated, "too long"),
        (sockets.unknown_source, "of unknown source"),
        (sockets.unknown_slot, "for no meter"),
    ];
    let odd: Vec<_> = odd.into_iter().filter(|(number, _)| *number > 0).collect();
    if !odd.is_empty() {
        let odd: Vec<_> = odd.iter().map(|(number, what)| format!("{} {what}", count(*number))).collect();
        page.row("sockets", &odd.join("; "));
    }
}

/// What streams came to, without what did not happen.
fn streams_of(streams: &StreamFigures) -> String {
    let all = [
        (streams.opened, "opened"),
        (streams.closed, "closed"),
        (streams.ended, "ended by the other end"),
        (streams.reset, "reset"),
        (streams.broken, "broken"),
        (streams.refused, "refused"),
        (streams.unanswered, "unanswered"),
        (streams.unconnected, "not connected"),
        (streams.turned_away, "turned away"),
        (streams.peak, "at a time"),
    ];
    let all = all.into_iter().filter(|(number, _)| *number > 0);
    let all: Vec<_> = all.map(|(number, what)| format!("{} {what}", count(number))).collect();
    all.join(", ")
}

fn generator(page: &mut Page, report: &RunReport) {
    let generator = &report.generator;
    page.heading("Generator");
    let lag = |figures: &StageFigures, what: &str| match (figures.p99_us, figures.max_us) {
        (Some(p99), Some(max)) => format!("p99 {} ms, max {} ms ({what})", millis(p99), millis(max)),
        _ => format!("not measured ({what})"),
    };
    page.row("start lag", &lag(&generator.lag_start, "planned instant to first datagram"));
    page.row("receipt lag", &lag(&generator.lag_receipt, "kernel's timestamp to handling"));
    let servers = generator
        .server_cpu_seconds
        .map_or_else(String::new, |cpu| format!(", and {cpu:.1} s for the embedded servers"));
    page.row("CPU", &format!("{:.1} s{servers}", generator.cpu_seconds));
    page.row("memory", &memory(generator.max_rss_bytes));
}

fn balances(page: &mut Page, report: &RunReport) {
    page.heading("Balances");
    let balances = || report.balances.entries().iter().map(|(_, balance)| balance);
    let drawn = balances().filter(|balance| balance.skipped.is_none()).count();
    let open: Vec<_> = balances().filter(|balance| !balance.ok).collect();
    let close = if open.is_empty() { "all".to_owned() } else { format!("{} of", drawn - open.len()) };
    page.line(&format!("  {close} {drawn} close"));
    for balance in open {
        let colour = if balance.binding { Colour::Red } else { Colour::Yellow };
        let Balance { name, left, right, explanation, .. } = balance;
        let (left, right) = (signed(*left), signed(*right));
        page.marked("  OPEN", colour, &format!("{name}: {left} against {right}; {explanation}"));
        endpoints(page, balance);
    }
    for balance in balances().filter(|balance| balance.ok && balance.listed.total > 0) {
        let sentence = format!("{}: {}", balance.name, balance.explanation);
        page.paragraph("  ", "    ", &sentence);
        endpoints(page, balance);
    }
    let mut skipped: Vec<(&str, Vec<&str>)> = Vec::new();
    for balance in balances() {
        let Some(reason) = balance.skipped.as_deref() else { continue };
        match skipped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&balance.name),
            None => skipped.push((reason, vec![&balance.name])),
        }
    }
    for (reason, names) in skipped {
        page.paragraph("  ", "    ", &format!("not drawn up: {} ({reason})", names.join(", ")));
    }
}

/// The first few endpoints of a balance.
fn endpoints(page: &mut Page, balance: &Balance) {
    let few: Vec<_> = balance.listed.shown.iter().take(FEW).map(String::as_str).collect();
    let more = balance.listed.total.saturating_sub(few.len() as u64);
    let tail = if more > 0 { format!(" and {} more", count(more)) } else { String::new() };
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
        let plain = wrap(&format!("{word}: "), "    ", sentence, WIDTH);
        let painted = self.paint(word, colour);
        self.text.push_str(&plain.replacen(word, &painted, 1));
    }

    fn paragraph(&mut self, first: &str, rest: &str, sentence: &str) {
        if !sentence.is_empty() {
            self.text.push_str(&wrap(first, rest, sentence, WIDTH));
        }
    }

    /// A name and what there is to say of it, in two columns.
    fn row(&mut self, name: &str, sentence: &str) {
        self.paragraph(&format!("  {name:<13}"), "               ", sentence);
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

/// Milliseconds with about four digits: `0.123`, `12.34`, `1,234`.
fn millis(us: u64) -> String {
    let ms = us as f64 / 1000.0;
    match us {
        0..10_000 => format!("{ms:.3}"),
        10_000..100_000 => format!("{ms:.2}"),
        100_000..1_000_000 => format!("{ms:.1}"),
        _ => count(us.saturating_add(500) / 1000),
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// A count that is negative where something was counted twice.
fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, count(number.unsigned_abs()))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
