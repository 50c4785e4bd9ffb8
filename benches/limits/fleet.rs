//! Whole sessions (bootstrap and registration) per second with the embedded servers on this machine, and
//! the memory of an idle registered meter. What is told of a fleet beside its size are further keys of its scenario.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bootstorm::base::{Clock, Instant};
use bootstorm::credentials::files;
use bootstorm::fleet::{self, FleetConfig, Load};
use bootstorm::metrics::{MeterState, Stage};
use bootstorm::protocol::lwm2m::ServerUri;
use bootstorm::scenario::{self, Holders, Overrides, Part, Scenario, Source};
use bootstorm::servers::Embedded;
use bootstorm::transport::resources;
use tokio::sync::mpsc;

/// Keys of a scenario, and the strings they are set to.
pub type Keys<'a> = [(&'a str, &'a str)];

/// What a fleet in closed loop reached.
pub struct Sessions {
    /// Sessions per second, from the first tenth to the last.
    pub per_second: f64,
    /// Processor time per session of the meters' side.
    pub client_cpu: Duration,
    /// Processor time per session of the servers' side.
    pub server_cpu: Duration,
    /// Failed attempts and datagrams sent again, of which there should be none.
    pub trouble: u64,
}

/// Sessions per second of `meters` meters that take turns, `in_flight` at a time.
pub fn sessions(meters: u32, in_flight: u32, sessions: u64, keys: &Keys<'_>) -> Sessions {
    let clock = Clock::start();
    let scenario = scenario_with(meters, keys);
    let servers = Embedded::start(scenario.embedded_config(clock)).expect("loopback ports are free");
    let bootstrap = servers.bootstrap_uri().expect("it is embedded");
    let config = config_of(&scenario, &bootstrap, clock, Load::Closed { in_flight, sessions });
    let mut points: Vec<(Instant, u64)> = Vec::new();
    let (_keep, commands) = mpsc::unbounded_channel();
    let outcome = fleet::run(config, commands, |totals, _| {
        points.push((clock.now(), totals.snapshot().stage(Stage::Onboarding).count));
        totals.take_finished();
    });
    let outcome = outcome.expect("a fleet on loopback needs little");
    let snapshot = outcome.totals.snapshot();
    let done = snapshot.stage(Stage::Onboarding).count;
    let server_cpu = servers.stop().counts.cpu;
    Sessions {
        per_second: steady_rate(&points, done),
        client_cpu: outcome.health.cpu / done.max(1) as u32,
        server_cpu: server_cpu / done.max(1) as u32,
        trouble: snapshot.failures.iter().map(|failure| failure.count).sum::<u64>()
            + snapshot.traffic.retransmitted,
    }
}

/// The rate between the points where a tenth and nine tenths were done.
fn steady_rate(points: &[(Instant, u64)], done: u64) -> f64 {
    let reached = |share: u64| points.iter().find(|(_, count)| *count >= done * share / 10);
    match (reached(1), reached(9)) {
        (Some(from), Some(to)) if to.0 > from.0 => (to.1 - from.1) as f64 / to.0.since(from.0).as_secs_f64(),
        _ => f64::NAN,
    }
}

/// The word that makes this bench's own binary weigh one fleet instead of measuring everything.
pub const WEIGH: &str = "weigh-a-fleet-for-the-bench";

/// Resident bytes that an idle registered meter adds to the generator. Each fleet has a process of its own,
/// which has no memory of an earlier one to use again, and its servers another.
pub fn bytes_per_idle_meter(meters: u32, keys: &Keys<'_>) -> f64 {
    let own = std::env::current_exe().expect("a bench knows where it is");
    let output = Command::new(own).arg(WEIGH).args(told(meters, keys)).output();
    let output = output.expect("a second process");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Weighs the fleet that the words name, and prints its bytes per meter.
pub fn weigh(words: &[String]) {
    let (meters, keys) = heard(words, WEIGH);
    println!("{}", bytes_per_meter(meters, &keys));
}

/// How another process is told of a fleet.
fn told(meters: u32, keys: &Keys<'_>) -> Vec<String> {
    let keys = keys.iter().map(|(key, value)| format!("{key}={value}"));
    std::iter::once(meters.to_string()).chain(keys).collect()
}

/// The fleet that stands behind the word that says what to do.
fn heard<'a>(words: &'a [String], behind: &str) -> (u32, Vec<(&'a str, &'a str)>) {
    let at = words.iter().position(|word| word == behind).expect("it is there");
    let keys = words[at + 2..].iter().map(|word| word.split_once('=').expect("a key and its value"));
    (words[at + 1].parse().expect("a number"), keys.collect())
}

fn bytes_per_meter(meters: u32, keys: &Keys<'_>) -> f64 {
    let mut servers = ServersElsewhere::start(meters, keys);
    let clock = Clock::start();
    let scenario = scenario_with(meters, keys);
    // As fast as it goes, unless the keys say how fast.
    let load = match keys.iter().any(|(key, _)| *key == "arrivals.rate") {
        true => Load::Open,
        false => Load::Closed { in_flight: 256, sessions: meters.into() },
    };
    let config = config_of(&scenario, &servers.bootstrap, clock, load);
    let before = resident();
    let (mut idle, mut registered) = (0, 0);
    let (_keep, commands) = mpsc::unbounded_channel();
    let outcome = fleet::run(config, commands, |totals, _| {
        totals.take_finished();
        let now = totals.snapshot().states[MeterState::Registered];
        if now >= registered {
            (idle, registered) = (resident(), now);
        }
    });
    outcome.expect("a fleet on loopback needs little");
    servers.end();
    assert_eq!(registered, i64::from(meters), "every meter registers");
    (idle as f64 - before as f64) / f64::from(meters)
}

fn resident() -> u64 {
    resources::memory().expect("/proc is there").resident
}

/// A fleet that stays, with its credentials if it needs any; `keys` come last.
fn scenario_with(meters: u32, keys: &Keys<'_>) -> Scenario {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let set = [
        format!("fleet.meters={meters}"),
        "fleet.lifetime=\"1d\"".to_owned(),
        format!("servers.embedded.workers={cores}"),
        "run.hold=\"1s\"".to_owned(),
        "run.settle=\"60s\"".to_owned(),
        "run.drain=\"0s\"".to_owned(),
    ];
    let keys = keys.iter().map(|(key, value)| format!("{key}=\"{value}\""));
    let overrides = Overrides { set: set.into_iter().chain(keys).collect(), seed: Some(1) };
    let scenario = scenario::load(scenario::QUICKSTART_NAME, scenario::QUICKSTART, &overrides, cores);
    let scenario = scenario.expect("a valid scenario");
    let now = Clock::start().origin_unix().as_secs();
    match scenario.security.source.clone() {
        Source::Folder(folder) => from_folder(scenario, Path::new(&folder), now),
        _ => scenario.with_credentials_of_its_own(Part::Run, now).expect("credentials can be made"),
    }
}

/// What two processes share: credentials that one of them has made are of no use to the other.
fn from_folder(scenario: Scenario, folder: &Path, now: u64) -> Scenario {
    let manifest = files::manifest(folder).expect("a folder of credentials");
    let holders = Holders {
        file: folder.display().to_string(),
        meters: manifest.meters,
        template: manifest.endpoint.clone(),
        names: manifest.names.clone(),
        modes: manifest.servers.iter().map(|(role, _)| (*role, manifest.mode)).collect(),
    };
    let scenario = scenario.held_by(holders, Part::Run).expect("credentials of this fleet");
    let wanted = scenario.wanted_credentials(Part::Run, now).expect("all servers are embedded");
    let wanted = wanted.expect("it has credentials to be of use");
    let store = files::read(folder, &manifest, &wanted).expect("a whole folder");
    scenario.with_credentials(store)
}

fn config_of(scenario: &Scenario, bootstrap: &ServerUri, clock: Clock, load: Load) -> FleetConfig {
    let targets = bootstrap.address().into_iter().collect();
    let config = scenario.fleet_config(bootstrap, targets, clock);
    FleetConfig { client: Arc::clone(&config.client), load, ..config }
}

/// The word that makes this bench's own binary serve instead of measure.
pub const SERVE: &str = "serve-for-the-bench";

/// Serves until standard input ends: the other process of the memory figure.
pub fn serve(words: &[String]) {
    let clock = Clock::start();
    let (meters, keys) = heard(words, SERVE);
    let scenario = scenario_with(meters, &keys);
    let servers = Embedded::start(scenario.both_servers(clock)).expect("loopback ports are free");
    println!("{}", servers.bootstrap_uri().expect("it is embedded"));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct ServersElsewhere {
    child: Child,
    input: Option<ChildStdin>,
    bootstrap: ServerUri,
}

impl ServersElsewhere {
    fn start(meters: u32, keys: &Keys<'_>) -> Self {
        let own = std::env::current_exe().expect("a bench knows where it is");
        let mut command = Command::new(own);
        command.arg(SERVE).args(told(meters, keys)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a second process");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let bootstrap = line.trim().parse().expect("a URI");
        ServersElsewhere { input: child.stdin.take(), child, bootstrap }
    }

    fn end(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
