//! The blocks of the summary that are about management, and about the servers' own doing. Each shows only
//! what happened, and is not there if nothing did.

use super::{Page, millis};
use crate::base::text::{count, figure};
use crate::report::{
    CampaignFigures, CoarseFigures, Desk, FirmwareFigures, Keyed, Managed, Manner, RunReport, ServerCounts,
};

/// What a registration costs, if the EMS asked devices about themselves: else there is nothing about it that
/// the other blocks do not say.
pub(super) fn registration(page: &mut Page, report: &RunReport) {
    let cost = &report.registration_cost;
    if cost.interview.is_none() {
        return;
    }
    page.heading("A registration, on average");
    let header = ["count", "answers", "sent", "bytes", "received", "bytes"];
    let header = header.map(|title| format!("{title:>10}")).concat();
    page.line(&format!("  {:18}{header}", ""));
    let row = |name: &str, times: &str, means: [f64; 5]| {
        let cells = means.map(|mean| format!("{:>10}", figure(mean))).concat();
        format!("  {name:18}{times:>10}{cells}")
    };
    let mut sums = [0.0; 5];
    for (name, cost) in cost.legs() {
        page.line(&row(name, &count(cost.count), cost.means()));
        sums.iter_mut().zip(cost.means()).for_each(|(sum, mean)| *sum += mean);
    }
    page.line(&row("together", "", sums));
    if let Some(took) = cost.interview_duration.and_then(|took| spread(&took)) {
        page.paragraph("  ", "    ", &format!("the interview, from the 2.01 to the last answer: {took}"));
    }
    let note = "means over each leg's count, failed attempts included; the interview as the EMS measured it, \
                the rest as the meters did";
    page.paragraph("  ", "    ", note);
}

/// What meters answered, and what they told by themselves.
pub(super) fn management(page: &mut Page, report: &RunReport) {
    let served = report.management.entries().iter().filter(|(_, served)| served.ok + served.error > 0);
    let kinds: Vec<_> =
        served.clone().map(|(kind, served)| (served.ok + served.error, kind.as_str())).collect();
    let errors: u64 = served.map(|(_, served)| served.error).sum();
    let mut answered = happened(&kinds);
    if errors > 0 {
        answered += &format!("; {} of them with an error", count(errors));
    }
    let told = &report.notifications;
    let notified = happened(&[
        (told.sent_confirmable, "confirmable"),
        (told.sent_non_confirmable, "non-confirmable"),
        (told.stored, "stored"),
        (told.dropped, "dropped"),
    ]);
    let ends = happened(&[
        (told.acknowledged, "acknowledged"),
        (told.superseded, "superseded"),
        (told.reset + told.reset_non_confirmable, "reset"),
        (told.timed_out, "timed out"),
        (told.abandoned, "abandoned"),
        (told.in_flight, "in flight"),
    ]);
    let notified = joined("; ", [notified, ends]);
    let sends = report.requests.get("send").map_or_else(String::new, |sends| {
        happened(&[
            (sends.sent, "sent"),
            (sends.answered, "answered"),
            (sends.reset, "reset"),
            (sends.timed_out, "timed out"),
            (sends.abandoned, "abandoned"),
            (sends.in_flight, "in flight"),
        ])
    });
    rows(
        page,
        "Management, as the meters saw it",
        &[("answered".to_owned(), answered), ("notified".to_owned(), notified), ("Sends".to_owned(), sends)],
    );
}

/// What the embedded servers did beyond letting everybody bootstrap and register, and what they were told to
/// do wrong.
pub(super) fn servers(page: &mut Page, servers: &Keyed<ServerCounts>) {
    let mut all = Vec::new();
    for (name, server) in servers.entries() {
        let Some(seen) = &server.seen else { continue };
        let (row, whom) = match name.as_str() {
            "bootstrap" => ("bootstrap", "the Bootstrap-Server"),
            _ => ("EMS", "the EMS"),
        };
        let odd: Vec<_> = NOTABLE
            .into_iter()
            .filter_map(|key| Some((*seen.operations.get(key)?, key.replace('-', " "))))
            .collect();
        let odd: Vec<_> = odd.iter().map(|(number, what)| (*number, what.as_str())).collect();
        all.push((row.to_owned(), happened(&odd)));
        if let Some(managed) = &seen.management {
            all.extend(asked(managed));
        }
        all.push(("pace".to_owned(), overload(whom, &seen.desk)));
        all.push(("misbehaviour".to_owned(), misbehaviour(whom, &seen.desk)));
    }
    rows(page, "Servers", &all);
}

/// Operations worth a word if they happened, of either server.
const NOTABLE: [&str; 16] = [
    "initiated",
    "packs",
    "packs-refused",
    "reads",
    "command-errors",
    "failed",
    "timed-out",
    "unencodable",
    "restarted",
    "moved",
    "relisted",
    "expired",
    "refused",
    "unknown-profile",
    "unknown-location",
    "bad-updates",
];

/// What an EMS asked and told devices.
fn asked(managed: &Managed) -> Vec<(String, String)> {
    let Managed { interviews, observations, sends, queue, firmware_requests, campaigns, .. } = managed;
    let interviewed = happened(&[
        (interviews.begun, "begun"),
        (interviews.completed, "completed"),
        (interviews.failed, "failed"),
        (interviews.cut_short, "cut short"),
        (interviews.under_way, "under way"),
    ]);
    let questions = happened(&[
        (interviews.requests, "questions"),
        (interviews.ok, "answered well"),
        (interviews.errors, "with an error"),
    ]);
    let observed = happened(&[
        (observations.begun, "begun"),
        (observations.ended, "ended by devices"),
        (observations.dropped, "ended here"),
    ]);
    let notified = happened(&[
        (observations.fresh, "notifications"),
        (observations.values, "values"),
        (observations.stale, "overtaken"),
        (observations.lost, "lost"),
        (observations.undecodable, "undecodable"),
    ]);
    let sent = happened(&[
        (sends.accepted, "accepted"),
        (sends.values, "values"),
        (sends.unregistered, "refused with 4.04"),
        (sends.unknown_format, "refused with 4.15"),
        (sends.undecodable, "refused with 4.00"),
    ]);
    let held = happened(&[(queue.held, "held"), (queue.released, "released"), (queue.dropped, "given up")]);
    let mut all = vec![
        ("interviews".to_owned(), joined("; ", [interviewed, questions])),
        ("observations".to_owned(), joined("; ", [observed, notified])),
        ("Sends".to_owned(), sent),
        ("queue mode".to_owned(), held),
    ];
    for (number, campaign) in (1..).zip(campaigns) {
        all.push((format!("campaign {number}"), told(campaign)));
        all.push((String::new(), campaign.firmware.as_ref().map_or_else(String::new, updates)));
    }
    all.push(("firmware".to_owned(), happened(&[(*firmware_requests, "packages asked for by devices")])));
    all
}

/// What a campaign came to; also that it came to nobody, for that is seldom meant.
fn told(campaign: &CampaignFigures) -> String {
    let devices = happened(&[(campaign.devices, "devices"), (campaign.unregistered, "not registered")]);
    if devices.is_empty() {
        let why = if campaign.rounds == 0 { "it had not begun" } else { "there was none" };
        return format!("{}: no devices, {why}", campaign.action);
    }
    let errors = happened(&of(&campaign.errors));
    let ends = happened(&[
        (campaign.requests, "requests"),
        (campaign.ok, "answered well"),
        (campaign.timed_out, "timed out"),
        (campaign.broken, "broken off"),
        (campaign.cancelled, "cancelled"),
        (campaign.passed_over, "passed over"),
        (campaign.overflowed, "too many"),
    ]);
    let took = spread(&campaign.latency).unwrap_or_default();
    format!("{}: {}", campaign.action, joined("; ", [devices, joined(", ", [ends, errors]), took]))
}

/// What the results 2 to 9 of a firmware update mean (/5/0/5, OMA-TS-LightweightM2M_Core V1.2.2, E.6), in the
/// words of the scenario's `firmware.failures`.
const RESULTS: [&str; 8] = [
    "not enough flash",
    "out of memory",
    "connection lost",
    "integrity",
    "unsupported type",
    "invalid URI",
    "installation",
    "unsupported protocol",
];

fn updates(firmware: &FirmwareFigures) -> String {
    let failed = firmware.failed.iter().map(|(result, times)| {
        let named = result.parse().ok().and_then(|result: usize| RESULTS.get(result.checked_sub(2)?));
        (*times, named.map_or_else(|| format!("with result {result}"), |name| format!("{name} ({result})")))
    });
    let failed: Vec<_> = failed.collect();
    let failed: Vec<_> = failed.iter().map(|(times, what)| (*times, what.as_str())).collect();
    let ends = happened(&[
        (firmware.begun, "updates begun"),
        (firmware.downloaded, "downloaded"),
        (firmware.succeeded, "succeeded"),
        (firmware.refused, "refused"),
        (firmware.gave_up, "not in time"),
    ]);
    let took = spread(&firmware.duration).map_or_else(String::new, |took| format!("success took {took}"));
    joined("; ", [joined(", ", [ends, happened(&failed)]), took])
}

/// How far a server kept up, as its pace makes it.
fn overload(whom: &str, desk: &Desk) -> String {
    let Desk { pace, overloaded, longest_queue, orphaned, .. } = desk;
    let figures = happened(&[
        (*overloaded, "answered with 5.03"),
        (*longest_queue, "waiting at the most"),
        (*orphaned, "forgotten while they waited"),
    ]);
    match (figures.is_empty(), pace) {
        (true, _) | (_, None) => figures,
        (false, Some(pace)) => format!("{whom} serves {pace}: {figures}"),
    }
}

/// What a server was told to do wrong and did, so that nobody looks for the fault elsewhere.
fn misbehaviour(whom: &str, desk: &Desk) -> String {
    let share = |manner: &Manner| format!("{}%", (manner.share * 1e6).round() / 1e4);
    let told = [
        (&desk.drop, "drop", "", "dropped"),
        (&desk.reset, "reset", "", "reset"),
        (&desk.error, "answer", " with an error", "so answered"),
        (&desk.unavailable, "answer", " with 5.03", "so answered"),
        (&desk.late, "answer", " late", "late"),
        (&desk.duplicate, "answer", " twice", "answered twice"),
        (&desk.other_port, "answer", " from another port", "so answered"),
    ];
    let told = told.into_iter().filter(|(manner, ..)| manner.times > 0);
    let told: Vec<_> = told
        .map(|(manner, verb, how, done)| {
            format!("to {verb} {} of requests{how}: {} {done}", share(manner), count(manner.times))
        })
        .collect();
    if told.is_empty() { String::new() } else { format!("{whom} was told {}", told.join("; ")) }
}

/// Rows under a heading, those without anything to say left out; nothing if that leaves none.
fn rows(page: &mut Page, heading: &str, rows: &[(String, String)]) {
    let mut rows = rows.iter().filter(|(_, what)| !what.is_empty()).peekable();
    if rows.peek().is_some() {
        page.heading(heading);
        rows.for_each(|(name, what)| page.row(name, what));
    }
}

/// `20 begun, 18 completed`: what happened at least once.
fn happened(counts: &[(u64, &str)]) -> String {
    let some = counts.iter().filter(|(number, _)| *number > 0);
    some.map(|(number, what)| format!("{} {what}", count(*number))).collect::<Vec<_>>().join(", ")
}

fn of(counts: &std::collections::BTreeMap<String, u64>) -> Vec<(u64, &str)> {
    counts.iter().map(|(name, number)| (*number, name.as_str())).collect()
}

/// What there is of these, joined.
fn joined<const N: usize>(by: &str, parts: [String; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(by)
}

fn spread(figures: &CoarseFigures) -> Option<String> {
    let CoarseFigures { mean_us, p50_us, p99_us, max_us, .. } = figures;
    let (mean, p50, p99, max) = ((*mean_us)?.round() as u64, (*p50_us)?, (*p99_us)?, (*max_us)?);
    let [mean, p50, p99, max] = [mean, p50, p99, max].map(millis);
    Some(format!("mean {mean} ms, p50 <= {p50}, p99 <= {p99}, max {max}"))
}
