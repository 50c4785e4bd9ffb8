//! `bootstorm serve`: only the embedded servers.

use std::time::Duration;

use clap::Args;

use super::exit::{PORT_HELP, RunError};
use super::load::ScenarioArgs;
use super::print;
use super::served::Told;
use super::signals::{Signals, unwatched};
use crate::base::text::{count, elapsed};
use crate::base::{Clock, Instant};
use crate::protocol::lwm2m::ServerUri;
use crate::protocol::server::Traffic;
use crate::report::{Keyed, text};
use crate::scenario::{Part, Scenario};
use crate::secure::ListenerCounters;
use crate::servers::{BootstrapCounts, Embedded, EmsCounts, ServerCounts};
use crate::transport::{TcpCounters, UdpCounters, resources};

const EXAMPLES: &str = "\
Examples:
  bootstorm serve
  bootstorm serve scenarios/external.toml
  bootstorm serve --set servers.embedded.bootstrap_listen=127.0.0.1:5783
  bootstorm serve --credentials keys --set servers.embedded.bootstrap_listen=coaps://127.0.0.1:5684

The Bootstrap-Server hands out servers.ems if the scenario gives it, else where the EMS listens.";

/// Arguments of `bootstorm serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
}

/// How often the counts are printed.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs both embedded servers at `servers.embedded.*_listen`, whatever `servers.bootstrap` and
/// `servers.ems` say, until SIGINT or SIGTERM: prints their URIs, then a line of counts every few
/// seconds. The Bootstrap-Server hands out the URI of `servers.ems` if that is given, else where the EMS
/// listens.
pub(super) fn serve(args: ServeArgs) -> Result<(), RunError> {
    let scenario = args.scenario.load(Part::Servers)?;
    // Each stream is a descriptor; how many come is the fleet's doing.
    resources::raise_descriptor_limit();
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unwatched)?;
    runtime.block_on(async {
        // First of all: whoever reads the URIs may stop the servers at once.
        let mut signals = Signals::watch().map_err(unwatched)?;
        let mut config = scenario.both_servers(clock);
        // Other tokens and locations than at the last start, or devices that stayed on would take this
        // server's first messages for that one's, and their locations for good.
        config.seed = config.seed.child("start", clock.origin_unix().as_nanos() as u64);
        let told = Told::by(&config);
        let servers =
            Embedded::start(config).map_err(|error| RunError::environment(error.to_string(), PORT_HELP))?;
        print(&uris(&scenario, &servers))?;
        let mut lines = tokio::time::interval(LINE_EVERY);
        lines.tick().await;
        loop {
            tokio::select! {
                () = signals.recv() => {
                    let uris = addresses(&servers);
                    return print(&last_words(clock.now(), &servers.stop().counts, &told, uris));
                }
                _ = lines.tick() => print(&line(clock.now(), &servers.counts()))?,
            }
        }
    })
}

/// Where the servers are.
fn addresses(servers: &Embedded) -> [(&'static str, String); 2] {
    let ems: Vec<String> = servers.ems_uris().iter().map(ServerUri::to_string).collect();
    [("bootstrap", bootstrap_uri(servers)), ("ems", ems.join(" "))]
}

fn uris(scenario: &Scenario, servers: &Embedded) -> String {
    let mut text = format!("bootstrap {}\n", bootstrap_uri(servers));
    for uri in servers.ems_uris() {
        text.push_str(&format!("ems       {uri}\n"));
    }
    for uri in scenario.servers.accounts.iter().filter_map(|account| account.server.uri()) {
        text.push_str(&format!("the Bootstrap-Server hands out {uri}\n"));
    }
    text
}

fn bootstrap_uri(servers: &Embedded) -> String {
    servers.bootstrap_uri().map(|uri| uri.to_string()).unwrap_or_default()
}

/// The last line of counts, and whatever else happened: what was asked of devices and told them, and what the
/// servers were told to do wrong.
fn last_words(now: Instant, counts: &ServerCounts, told: &Told, uris: [(&'static str, String); 2]) -> String {
    let servers: Keyed<_> =
        told.counts(counts, uris).into_iter().map(|server| (server.name.clone(), server)).collect();
    line(now, counts) + &text::servers(&servers, text::Style::Plain)
}

/// Counts on one line; those that should be zero are there only if they are not.
fn line(now: Instant, counts: &ServerCounts) -> String {
    let mut text = format!("{:>8}", elapsed(now.since_origin()));
    if let Some(BootstrapCounts { counters, traffic, udp, tcp, sessions }) = &counts.bootstrap {
        let usual = [(counters.requests, "requests"), (counters.finished, "finished")];
        let odd = [(counters.failed, "failed"), (counters.refused, "refused")];
        text += &format!("  bootstrap: {}", list(&usual, &odd, traffic, udp, &ways(tcp, sessions.as_ref())));
    }
    if let Some(EmsCounts { counters, traffic, udp, tcp, sessions, .. }) = &counts.ems {
        let usual = [
            (counters.registered, "registered"),
            (counters.registrations, "registrations"),
            (counters.updates, "updates"),
            (counters.deregistrations, "left"),
        ];
        let odd = [(counters.expired, "expired"), (counters.refused, "refused")];
        text += &format!("  ems: {}", list(&usual, &odd, traffic, udp, &ways(tcp, sessions.as_ref())));
    }
    if counts.kernel_drops > 0 {
        text += &format!("  DROPPED by the kernel: {}", count(counts.kernel_drops));
    }
    text + "\n"
}

/// What sessions and streams came to that they should not.
fn ways(tcp: &TcpCounters, sessions: Option<&ListenerCounters>) -> [(u64, &'static str); 3] {
    let (handshakes, broken) = sessions.map_or((0, 0), |sessions| {
        let faults: u64 = sessions.certificate_faults.iter().sum();
        (faults + sessions.unknown_identities + sessions.timed_out + sessions.failed, sessions.broken)
    });
    [
        (handshakes, "failed handshakes"),
        (broken, "broken sessions"),
        (tcp.turned_away, "turned away for want of descriptors"),
    ]
}

fn list(
    usual: &[(u64, &str)],
    odd: &[(u64, &str)],
    traffic: &Traffic,
    udp: &UdpCounters,
    ways: &[(u64, &str)],
) -> String {
    let datagrams = [(traffic.received, "in"), (traffic.sent, "out")];
    let noise = [
        (traffic.retransmitted, "sent again"),
        (traffic.noise, "noise"),
        (udp.truncated, "too long"),
        (udp.unknown_source, "of unknown source"),
        (udp.receive_errors, "receive errors"),
        (udp.unsent(), "unsent"),
    ];
    let odd = odd.iter().chain(ways).chain(&noise).filter(|(number, _)| *number > 0);
    let all = usual.iter().chain(&datagrams).chain(odd);
    all.map(|(number, what)| format!("{} {what}", count(*number))).collect::<Vec<_>>().join(", ")
}
