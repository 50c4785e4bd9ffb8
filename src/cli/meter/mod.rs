//! `bootstorm meter`: one meter in the foreground, to look at one device against one server.
//!
//! `words` and `payload` say what is printed, `pcap` what is kept for Wireshark; `shell` gives the meter its
//! sockets and its time. It is the meter that a fleet has, with the configuration a scenario gives it.

mod payload;
mod pcap;
mod shell;
mod words;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use self::pcap::Capture;
use self::shell::{Outcome, Parts};
use super::equip;
use super::exit::{Exit, RunError};
use super::load::ScenarioArgs;
use super::signals::unwatched;
use crate::base::{Clock, Span};
use crate::credentials::{Role, files};
use crate::fleet::endpoint::EndpointTemplate;
use crate::meter::Meter;
use crate::metrics::MeterState;
use crate::protocol::lwm2m::{Host, ServerUri};
use crate::scenario::{Mode, Part, Places, Scenario, ServerChoice};
use crate::secure::Psk;
use crate::transport::{Gate, MeterSocketsConfig, resolve};

const EXAMPLES: &str = "\
Examples:
  bootstorm meter --bootstrap-server coap://127.0.0.1:5783 --verbose
  bootstorm meter --endpoint urn:dev:os:4711 --bootstrap-server coap://127.0.0.1:5783 --for 1m
  bootstorm meter --server coap://127.0.0.1:5683 --lifetime 60s
  bootstorm meter --scenario scenarios/external.toml --pcap meter.pcap
  bootstorm meter --bootstrap-server coaps://127.0.0.1:5684 --credentials keys
  bootstorm meter --server coaps://127.0.0.1:5684 --psk-identity meter-1 --psk-key-file meter-1.key

Ctrl-C once lets the meter de-register; twice stops it at once. Exit code 0 means that it was
registered and left in good order, 1 that it did not.";

/// Arguments of `bootstorm meter`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct MeterArgs {
    /// Endpoint name [default: the first of the scenario, urn:dev:os:meter-0000000]
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,

    /// Bootstrap-Server, such as coap://127.0.0.1:5783 [default: servers.bootstrap of the scenario]
    #[arg(long, value_name = "URI")]
    bootstrap_server: Option<String>,

    /// EMS to register with straight away, by an account from the factory; without a Bootstrap-Server
    /// unless --bootstrap-server names one to fall back on
    #[arg(long, value_name = "URI")]
    server: Option<String>,

    /// Lifetime of that account [default: the scenario's, 5m]
    #[arg(long, value_name = "SPAN", requires = "server")]
    lifetime: Option<Span>,

    /// Version of LwM2M to speak [default: the scenario's]
    #[arg(long, value_name = "VERSION")]
    lwm2m: Option<Lwm2m>,

    /// Credentials: a folder that `bootstorm provision` made, or a list; the meter is the first in it, unless
    /// --endpoint names another
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "psk_key_file")]
    credentials: Option<PathBuf>,

    /// File with the pre-shared key for the server, in hex or base64; only you may be able to read it
    #[arg(long, value_name = "FILE")]
    psk_key_file: Option<PathBuf>,

    /// Identity of that key [default: the endpoint name]
    #[arg(long, value_name = "TEXT", requires = "psk_key_file")]
    psk_identity: Option<String>,

    /// Print every message and what is in it
    #[arg(long, short)]
    verbose: bool,

    /// Keep the datagrams in a new file, for Wireshark; only you can read it, for keys are in there. What goes
    /// over TCP is not kept
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// Leave after this long, such as 90s; without, on Ctrl-C
    #[arg(long = "for", value_name = "SPAN")]
    leave_after: Option<Span>,

    /// Let datagrams leave this machine
    #[arg(long)]
    allow_remote: bool,

    /// Scenario file (TOML) to take the settings from; left out: the built-in quickstart
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// Provisioning file (TOML or CSV); the meter is that of its first row
    #[arg(long, value_name = "FILE")]
    provision: Option<PathBuf>,

    /// Set one key of the scenario, over the file; may be repeated
    #[arg(long, value_name = "PATH.TO.KEY=VALUE")]
    set: Vec<String>,

    /// Seed of all the meter's randomness
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Versions of LwM2M that meters speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lwm2m {
    #[value(name = "1.0")]
    V1_0,
    #[value(name = "1.1")]
    V1_1,
    #[value(name = "1.2")]
    V1_2,
}

impl fmt::Display for Lwm2m {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lwm2m::V1_0 => "1.0",
            Lwm2m::V1_1 => "1.1",
            Lwm2m::V1_2 => "1.2",
        })
    }
}

const SERVER_HELP: &str = "name one with --bootstrap-server coap://host:port, or an EMS to register with: --server coap://host:port";
const REMOTE_HELP: &str = "add --allow-remote if that is what you want";
const PCAP_HELP: &str = "name a file with --pcap that can be written and holds nothing yet";

/// Runs one meter in the foreground until Ctrl-C, until its time is over, or until it gives up.
pub(super) fn meter(args: MeterArgs) -> Result<(), RunError> {
    let scenario = load(&args)?;
    let places = places(&args, &scenario)?;
    let endpoint = scenario.fleet.endpoint.name(0);
    let own = scenario.servers.accounts.iter().filter_map(|account| account.server.uri());
    for server in places.bootstrap.iter().chain(own.filter(|_| args.server.is_some())) {
        check_reach(server, scenario.gate())?;
    }
    let capture = args.pcap.as_deref().map(begin_capture).transpose()?;
    let clock = Clock::start();
    // As the fleet's first meter would be.
    let fleet = scenario.fleet_config(places, Vec::new(), clock);
    let seed = fleet.seed.child("meter", 0).child("life", 0);
    let meter = Meter::new(fleet.client, endpoint.into(), 0, seed);
    let parts = Parts {
        meter: meter.with_options(fleet.sessions),
        sockets: MeterSocketsConfig {
            gate: fleet.gate,
            local: fleet.local,
            receive_buffer: RECEIVE_BUFFER,
            ..MeterSocketsConfig::new(clock)
        },
        clock,
        verbose: args.verbose,
        capture,
        leave_after: args.leave_after.map(Span::duration),
        drain: fleet.drain,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unwatched)?;
    let outcome = runtime.block_on(shell::run(parts));
    // A look-up whose name server is away would hold it up for seconds.
    runtime.shutdown_background();
    judge(&outcome?)
}

/// Bytes; room for more than a server ever has in flight to one meter.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The scenario, with what the options say over it.
fn load(args: &MeterArgs) -> Result<Scenario, RunError> {
    // One meter needs no more than the first row of a provisioning file, and the first card.
    let mut set = vec!["fleet.meters=1".to_owned()];
    set.extend_from_slice(&args.set);
    if let Some(uri) = &args.server {
        // What is wrong with it is said of the option, not of a key.
        let _: ServerUri = parsed("--server", uri)?;
        set.push("bootstrap.mode=factory".to_owned());
        set.push(format!("servers.ems={uri}"));
        set.extend(args.bootstrap_server.is_none().then(|| "servers.bootstrap=none".to_owned()));
    }
    set.extend(args.lifetime.map(|span| format!("fleet.lifetime={span}")));
    set.extend(args.lwm2m.map(|version| format!("fleet.lwm2m=\"{version}\"")));
    set.extend(args.allow_remote.then(|| "allow_remote=true".to_owned()));
    let named = ScenarioArgs {
        scenario: args.scenario.clone(),
        provision: args.provision.clone(),
        credentials: None,
        set,
        seed: args.seed,
    };
    let folder = named.folder();
    let mut scenario = named.load_bare()?;
    if let Some(uri) = &args.bootstrap_server {
        scenario.servers.bootstrap = ServerChoice::External(parsed("--bootstrap-server", uri)?);
    }
    if args.endpoint.is_some() {
        let names = Arc::from([endpoint(args, &scenario)?.into()]);
        scenario.fleet.endpoint = scenario.fleet.endpoint.with_listed(names);
    }
    if let Some(path) = &args.credentials {
        scenario = scenario.with_source(equip::source(path))?;
    }
    match &args.psk_key_file {
        Some(file) => with_key(args, file, scenario),
        None => equip::equip(scenario, &folder, Part::Meters, true),
    }
}

/// Gives the meter the key of a file, for the server it meets first.
fn with_key(args: &MeterArgs, file: &Path, scenario: Scenario) -> Result<Scenario, RunError> {
    let identity = args.psk_identity.clone().unwrap_or_else(|| scenario.fleet.endpoint.name(0));
    let psk = Psk { identity: identity.into_bytes().into(), key: files::read_key(file)? };
    let first = scenario.servers.accounts.first().filter(|_| args.server.is_some());
    let role = first.map_or(Role::Bootstrap, |account| Role::Server(account.short_server_id));
    equip::equip_one(scenario, role, psk)
}

/// Where the meter's servers are: its Bootstrap-Server, and no embedded EMS.
fn places(args: &MeterArgs, scenario: &Scenario) -> Result<Places, RunError> {
    let bootstrap = match (&args.bootstrap_server, &scenario.servers.bootstrap) {
        (Some(uri), _) => Some(parsed("--bootstrap-server", uri)?),
        (None, ServerChoice::External(uri)) => Some(uri.clone()),
        (None, ServerChoice::Nobody) => None,
        (None, ServerChoice::Embedded) => {
            return Err(RunError::input("there is no Bootstrap-Server to start from", SERVER_HELP));
        }
    };
    let own = matches!(scenario.bootstrap.mode, Mode::Factory | Mode::Smartcard);
    if own && scenario.servers.embedded_accounts().next().is_some() {
        let message = "the meter's account leads to an embedded EMS, which is not started here";
        return Err(RunError::input(message, SERVER_HELP));
    }
    Ok(Places { bootstrap, ems: Vec::new() })
}

fn parsed(option: &str, uri: &str) -> Result<ServerUri, RunError> {
    uri.parse().map_err(|error| {
        RunError::input(format!("{option} {uri}: {error}"), "try one such as coap://127.0.0.1:5783")
    })
}

fn endpoint(args: &MeterArgs, scenario: &Scenario) -> Result<String, RunError> {
    let Some(name) = &args.endpoint else { return Ok(scenario.fleet.endpoint.name(0)) };
    let template: EndpointTemplate = name.parse().map_err(|error| {
        RunError::input(format!("--endpoint {name}: {error}"), "try one such as urn:dev:os:meter-0000000")
    })?;
    Ok(template.name(0))
}

/// Looks at where a server is, so that a name that leads nowhere, or a place away from this
/// machine without leave, is found before anything starts.
fn check_reach(server: &ServerUri, gate: Gate) -> Result<(), RunError> {
    let addresses: Vec<SocketAddr> = match &server.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, server.port)],
        Host::Name(name) => resolve(name, server.port).map_err(|error| {
            RunError::environment(
                error.to_string(),
                "see that the name is right and resolves here, or give an address",
            )
        })?,
    };
    let refused = addresses.iter().find_map(|address| gate.check(*address).err());
    refused.map_or(Ok(()), |refused| Err(RunError::input(format!("{server}: {refused}"), REMOTE_HELP)))
}

fn begin_capture(path: &Path) -> Result<Capture<std::fs::File>, RunError> {
    pcap::create(path).and_then(Capture::begin).map_err(|error| {
        RunError::environment(format!("cannot keep datagrams in {}: {error}", path.display()), PCAP_HELP)
    })
}

/// The exit code of a session.
fn judge(outcome: &Outcome) -> Result<(), RunError> {
    let (message, help) = match outcome {
        Outcome { registered: true, state: MeterState::Deregistered } => return Ok(()),
        Outcome { registered: true, .. } => (
            "the meter was registered and did not leave in good order",
            "give it time to de-register (run.drain), or see what the EMS answers with --verbose",
        ),
        Outcome { registered: false, .. } => {
            ("the meter never registered", "see the failures above, and the messages with --verbose")
        }
    };
    Err(RunError { exit: Exit::GoalMissed, message: message.to_owned(), help: help.to_owned() })
}
