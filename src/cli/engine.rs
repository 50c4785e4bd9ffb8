//! The main job: starts the servers, drives the fleet, shows it, writes what came of it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::exit::{DESCRIPTORS_HELP, PORT_HELP, RunError};
use super::progress::{Phase, Progress};
use super::screen::Screen;
use super::served::{Told, streams};
use super::{machine, print};
use crate::base::text::{count, counted, latency};
use crate::base::{Clock, Instant};
use crate::fleet::{self, FleetError, FleetHealth, FleetOutcome};
use crate::metrics::{
    self, Doubt, MeterState, NotificationFate, RequestFate, RequestKind, Snapshot, Stage, Totals,
};
use crate::protocol::lwm2m::{Host, ServerUri};
use crate::report::{
    ClientRegistrations, GeneratorHealth, Goal, Inputs, OutDir, OutError, Registrations, Results, RunInfo,
    RunReport, ServerCounts, SocketFigures, text,
};
use crate::scenario::Scenario;
use crate::servers::{Embedded, Final};
use crate::transport::{UdpCounters, resolve, resources};

/// What a run is told beside its scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Folder for the results; nothing is written without one.
    pub out: Option<PathBuf>,
    /// Lines instead of a live display, also on a terminal.
    pub no_tui: bool,
    /// A doubtful run fails.
    pub strict: bool,
}

/// Runs the fleet: starts the embedded servers, drives the meters, shows the progress on standard error,
/// drains, writes the results and prints the summary on standard output.
///
/// # Errors
/// Wrong input or a failing environment, with what happened and what to do about it. Whatever the fleet
/// itself went through is in the report.
pub fn execute(scenario: &Scenario, options: &RunOptions) -> Result<RunReport, RunError> {
    let clock = Clock::start();
    check_names(scenario)?;
    check_descriptors(scenario)?;
    let out = options.out.as_deref().map(open_out).transpose()?;
    let config = scenario.embedded_config(clock);
    let told = Told::by(&config);
    let servers = Embedded::start(config).map_err(environment(PORT_HELP))?;
    let toml = scenario.to_toml();
    let started_at = clock.origin_unix();
    let begun = out.map(|out| out.begin(&toml, env!("CARGO_PKG_VERSION"), started_at)).transpose();
    let mut results = begun.map_err(environment(OUT_HELP))?;

    let (outcome, written) = drive(scenario, options, &servers, clock, &mut results)?;
    let uris = server_uris(scenario, &servers);
    let servers = servers.stop();
    let counts = told.counts(&servers.counts, uris);
    let report = conclude(scenario, options, outcome, servers, counts, toml, started_at);
    let (report, totals) = report;
    let written = written.and_then(|()| results.map_or(Ok(()), |results| results.finish(&report, &totals)));
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let style = if colour { text::Style::Ansi } else { text::Style::Plain };
    // Figures that could not be kept are at least shown.
    print(&text::summary(&report, style))?;
    written.map_err(environment(OUT_HELP))?;
    Ok(report)
}

const OUT_HELP: &str =
    "name another folder with --out: one that can be written, has room and holds no results yet";
const FLEET_HELP: &str =
    "see `bootstorm check` for what the scenario needs, and raise the limit it runs into";

fn environment<E: std::fmt::Display>(help: &'static str) -> impl Fn(E) -> RunError {
    move |error| RunError::environment(error.to_string(), help)
}

fn open_out(path: &Path) -> Result<OutDir, RunError> {
    OutDir::create(path).map_err(environment(OUT_HELP))
}

/// Looks the configured names up, so that one that leads nowhere, or away from this machine without
/// leave, is found before anything starts.
fn check_names(scenario: &Scenario) -> Result<(), RunError> {
    let accounts = scenario.servers.accounts.iter().enumerate();
    let accounts =
        accounts.map(|(index, account)| (format!("servers.account[{index}].server"), &account.server));
    let configured = [
        ("servers.bootstrap".to_owned(), &scenario.servers.bootstrap),
        ("servers.ems".to_owned(), &scenario.servers.ems),
    ];
    for (key, choice) in configured.into_iter().chain(accounts) {
        let Some(ServerUri { scheme, host: Host::Name(name), port }) = choice.uri() else { continue };
        let found = resolve(name, *port).map_err(|error| {
            RunError::environment(
                format!("{key}: {error}"),
                "see that the name is right and resolves here, or give an address",
            )
        })?;
        let refused = found.iter().find_map(|address| scenario.gate().check(*address).err());
        if let Some(refused) = refused {
            let message = format!("{key} = \"{scheme}://{name}:{port}\": {refused}");
            return Err(RunError::input(message, "set allow_remote = true if that is what you want"));
        }
    }
    Ok(())
}

/// Compares what the run needs with the limit, before it runs into it.
fn check_descriptors(scenario: &Scenario) -> Result<(), RunError> {
    let (needed, limit) = (scenario.plan().descriptors(), resources::raise_descriptor_limit());
    if needed > limit {
        let (needed, limit) = (count(needed), count(limit));
        let message = format!("the run needs about {needed} file descriptors and may have {limit}");
        return Err(RunError::environment(message, DESCRIPTORS_HELP));
    }
    Ok(())
}

/// Runs the fleet to its end; what came of it, and whether every second of it could be written.
fn drive(
    scenario: &Scenario,
    options: &RunOptions,
    servers: &Embedded,
    clock: Clock,
    results: &mut Option<Results>,
) -> Result<(FleetOutcome, Result<(), OutError>), RunError> {
    let places = scenario.places(servers.bootstrap_address(), &servers.ems_addresses());
    let external = scenario.servers.accounts.iter().filter_map(|account| account.server.uri());
    let known = places.bootstrap.iter().chain(&places.ems).chain(external);
    let datagrams = known.filter(|uri| !uri.scheme.is_stream());
    let targets: Vec<SocketAddr> = datagrams.filter_map(ServerUri::address).collect();
    let config = scenario.fleet_config(places, targets, clock);
    let mut screen = Screen::stderr(options.no_tui);
    let mut next_show = Instant::ZERO;
    // The first file that cannot be written any more is told at the end, when the figures are shown.
    let mut written = Ok(());
    let (_keep, commands) = mpsc::unbounded_channel();
    let last_arrival = config.plan.schedule().nominal_span();
    let observe = |totals: &mut Totals, health: &FleetHealth| {
        totals.set_kernel_drops(health.kernel_drops + servers.counts().kernel_drops);
        let finished = totals.take_finished();
        if let (Ok(()), Some(results)) = (&written, results.as_mut()) {
            written = results.seconds(&finished);
        }
        let now = clock.now();
        if now >= next_show {
            next_show = now + screen.interval();
            screen.show(&progress(&totals.snapshot(), last_arrival, scenario));
        }
    };
    let outcome = fleet::run(config, commands, observe);
    drop(screen);
    let outcome =
        outcome.map_err(|FleetError::Environment(message)| RunError::environment(message, FLEET_HELP))?;
    Ok((outcome, written))
}

/// What the display shows of a snapshot.
fn progress(snapshot: &Snapshot, last_arrival: Duration, scenario: &Scenario) -> Progress {
    let held = snapshot.elapsed >= last_arrival + scenario.run.hold.duration();
    let onboarding = snapshot.stage(Stage::Onboarding);
    let quantiles = (Duration::from_micros(onboarding.p50_us), Duration::from_micros(onboarding.p99_us));
    Progress {
        phase: match snapshot.phase {
            metrics::Phase::Starting => Phase::Starting,
            metrics::Phase::Arriving => Phase::Arriving,
            metrics::Phase::Holding if held => Phase::Settling,
            metrics::Phase::Holding => Phase::Holding,
            metrics::Phase::Draining | metrics::Phase::Finished => Phase::Draining,
        },
        elapsed: snapshot.elapsed,
        due: snapshot.due as u32,
        started: snapshot.started as u32,
        meters: snapshot.meters as u32,
        states: MeterState::ALL
            .iter()
            .map(|state| (state.name(), snapshot.states[*state].max(0) as u64))
            .collect(),
        registrations_per_second: snapshot.rates.onboarded,
        sent_per_second: snapshot.rates.sent,
        received_per_second: snapshot.rates.received,
        onboarding: (onboarding.count > 0).then_some(quantiles),
        management: management(snapshot),
        failures: snapshot.failures.iter().map(|failure| (failure.kind.name(), failure.count)).collect(),
        doubtful: snapshot.doubts.first().copied().map(in_short),
    }
}

/// Requests of servers that were answered, and what was told without having been asked for.
fn management(snapshot: &Snapshot) -> Vec<(&'static str, u64)> {
    let told = |fate| snapshot.notifications.of(fate);
    vec![
        ("answered", snapshot.management.iter().map(|served| served.ok + served.error).sum()),
        ("notified", told(NotificationFate::SentConfirmable) + told(NotificationFate::SentNonConfirmable)),
        ("Sends", snapshot.requests[RequestKind::Send.index()].of(RequestFate::Sent)),
    ]
}

/// A doubt on one line of a display; the summary has the whole of it.
fn in_short(doubt: Doubt) -> String {
    match doubt {
        Doubt::LateStarts { p99, limit } => {
            format!("meters start late: p99 {}, above {}", latency(p99), latency(limit))
        }
        Doubt::LateReceipts { p99, limit } => {
            format!("datagrams are handled late: p99 {}, above {}", latency(p99), latency(limit))
        }
        Doubt::KernelDrops { datagrams } => format!("the kernel dropped {}", counted(datagrams, "datagram")),
    }
}

/// The servers by name: where each is, as the report says it.
fn server_uris(scenario: &Scenario, servers: &Embedded) -> [(&'static str, String); 2] {
    let places = scenario.places(servers.bootstrap_address(), &servers.ems_addresses());
    let mut embedded = places.ems.iter();
    let ems = scenario.servers.accounts.iter().filter_map(|account| {
        let external = account.server.uri();
        if external.is_some() { external } else { embedded.next() }
    });
    let ems: Vec<String> = ems.map(ServerUri::to_string).collect();
    let bootstrap = places.bootstrap.map(|uri| uri.to_string()).unwrap_or_default();
    [("bootstrap", bootstrap), ("ems", ems.join(" "))]
}

fn conclude(
    scenario: &Scenario,
    options: &RunOptions,
    outcome: FleetOutcome,
    servers: Final,
    counts: Vec<ServerCounts>,
    scenario_toml: String,
    started_at: Duration,
) -> (RunReport, Totals) {
    let mut outcome = outcome;
    outcome.totals.set_kernel_drops(outcome.health.kernel_drops + servers.counts.kernel_drops);
    let plan = scenario.plan();
    let endpoint = |meter: u32| plan.endpoint(meter);
    let embedded = servers.counts.bootstrap.is_some() || servers.counts.ems.is_some();
    let report = RunReport::new(Inputs {
        run: RunInfo {
            scenario: scenario.name.clone(),
            scenario_toml,
            seed: scenario.run.seed.0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            complete: outcome.complete,
            machine: machine::describe(),
        },
        goal: Goal { registered: scenario.run.goal.needed(scenario.fleet.meters).into() },
        strict: options.strict,
        totals: &outcome.totals,
        endpoint: &endpoint,
        census: Some(outcome.census),
        in_flight: outcome.in_flight,
        notifications_in_flight: outcome.notifications_in_flight,
        handshakes_in_flight: outcome.handshakes_in_flight,
        servers: counts,
        sockets: sockets(&outcome.health.udp),
        streams: (outcome.health.tcp.attempted > 0).then(|| streams(&outcome.health.tcp)),
        registrations: registrations(scenario, &outcome, servers.accepted, &endpoint),
        generator: GeneratorHealth {
            cpu_seconds: outcome.health.cpu.as_secs_f64(),
            server_cpu_seconds: embedded.then_some(servers.counts.cpu.as_secs_f64()),
            max_rss_bytes: resources::memory().map(|memory| memory.peak).unwrap_or_default(),
        },
    });
    (report, outcome.totals)
}

fn registrations(
    scenario: &Scenario,
    outcome: &FleetOutcome,
    accepted: Option<BTreeMap<String, u32>>,
    endpoint: &dyn Fn(u32) -> String,
) -> Registrations {
    let unknown = |reason: &str| Registrations::Unknown { reason: reason.to_owned() };
    let Some(accepted) = accepted else {
        return unknown("the EMS is not embedded, so only its answers are known");
    };
    if scenario.servers.accounts.iter().any(|account| account.server.uri().is_some()) {
        return unknown("some EMSs are not embedded, so only their answers are known");
    }
    if scenario.servers.bootstrap.uri().is_some() {
        return unknown("the Bootstrap-Server is not embedded, and may send meters to another EMS");
    }
    let client = |(meter, (created, unanswered)): (&u32, &(u32, u32))| ClientRegistrations {
        endpoint: endpoint(*meter),
        created: (*created).into(),
        unanswered: (*unanswered).into(),
    };
    Registrations::Known {
        server: accepted.into_iter().map(|(endpoint, times)| (endpoint, times.into())).collect(),
        clients: outcome.registrations.iter().map(client).collect(),
    }
}

/// What the meters' sockets counted, as the report says it.
fn sockets(udp: &UdpCounters) -> SocketFigures {
    SocketFigures {
        truncated: udp.truncated,
        unknown_source: udp.unknown_source,
        unknown_slot: udp.unknown_slot,
        receive_errors: udp.receive_errors,
        refused: udp.refused,
        queue_dropped: udp.queue_dropped,
        send_errors: udp.all_send_errors(),
    }
}
