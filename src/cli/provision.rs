//! `bootstorm provision`: credentials for a fleet, and what its servers need to know it.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::equip::bar;
use super::exit::RunError;
use super::load::ScenarioArgs;
use super::print;
use crate::base::Clock;
use crate::base::text::{count, counted};
use crate::credentials::files::{self, Order};
use crate::credentials::{Mode, Names, Role, Wanted, WantedServer};
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Host, Scheme, ServerUri};
use crate::scenario::Scenario;

const EXAMPLES: &str = "\
Examples:
  bootstorm provision --meters 1000 --mode psk --out keys
  bootstorm provision --meters 10000 --mode x509 --out pki --bootstrap-server coaps://10.0.0.1
  bootstorm provision scenarios/x509.toml --mode x509 --out pki
  bootstorm provision --meters 2000 --mode psk --out keys2 --master-secret keys/master.secret
  bootstorm run --credentials keys --set servers.bootstrap=coaps://127.0.0.1:5684

What the folder holds: manifest.toml; for each server a list (meters.csv, ems-101.csv) and the
accounts in full (meters.jsonl, ems-101.jsonl); master.secret, or ca.pem with the certificates of
meters and servers. Only you can read it: there are keys in it.";

/// Arguments of `bootstorm provision`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ProvisionArgs {
    /// Scenario file (TOML) to take the meters, their names and their EMSs from
    scenario: Option<PathBuf>,

    /// Number of meters, up to 16,000,000 [default: the scenario's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_000_000))]
    meters: Option<u32>,

    /// How meters and servers prove who they are
    #[arg(long, value_name = "MODE")]
    mode: ModeArg,

    /// Folder to write; made if it is missing, refused if there is something in it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Endpoint names; {index} is the meter's number, {index:07} padded with zeros [default: the scenario's]
    #[arg(long, value_name = "TEMPLATE")]
    endpoint: Option<String>,

    /// Bootstrap-Server, for the accounts and its certificate [default: the scenario's, or coaps://127.0.0.1]
    #[arg(long, value_name = "URI")]
    bootstrap_server: Option<String>,

    /// EMS, likewise; with several, one for each account of the scenario, in their order
    #[arg(long, value_name = "URI")]
    server: Vec<String>,

    /// Further name or address for the servers' certificates; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<String>,

    /// Derive the keys from this secret, as another folder has it, and not from a new one
    #[arg(long, value_name = "FILE")]
    master_secret: Option<PathBuf>,

    /// Set one key of the scenario, over the file; may be repeated
    #[arg(long, value_name = "PATH.TO.KEY=VALUE")]
    set: Vec<String>,
}

/// The modes there are credentials for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// Pre-shared keys
    Psk,
    /// Certificates
    X509,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Psk => Mode::Psk,
            ModeArg::X509 => Mode::X509,
        }
    }
}

pub(super) fn provision(args: &ProvisionArgs) -> Result<(), RunError> {
    let clock = Clock::start();
    let order = order(args, clock.origin_unix().as_secs())?;
    let bar = bar(order.certificates());
    let written = files::provision(&args.out, &order, &|more| bar.inc(more));
    bar.finish_and_clear();
    written?;
    print(&summary(args, &order, clock.now().since_origin()))
}

/// What is to be made.
fn order(args: &ProvisionArgs, now: u64) -> Result<Order, RunError> {
    let mode = Mode::from(args.mode);
    let scenario = scenario(args)?;
    let endpoint = scenario.fleet.endpoint.clone();
    if let Some((one, other)) = endpoint.first_shared(scenario.fleet.meters) {
        let message = format!("meters {one} and {other} have the same endpoint name, {}", endpoint.name(one));
        return Err(RunError::input(message, "put {index} into --endpoint"));
    }
    let master = match (&args.master_secret, mode) {
        (None, _) => None,
        (Some(file), Mode::Psk) => Some(files::read_master(file)?),
        (Some(_), Mode::X509) => {
            let message = "--master-secret is for --mode psk: private keys are not derived";
            return Err(RunError::input(message, "leave it out"));
        }
    };
    let mut servers = Vec::new();
    let mut uris = Vec::new();
    for (role, uri) in places(args, &scenario)? {
        if mode == Mode::Psk && uri.scheme == Scheme::CoapsTcp {
            let message = format!("{uri}: pre-shared keys over TLS are not supported");
            return Err(RunError::input(message, "use --mode x509, or a server by coaps://"));
        }
        servers.push(WantedServer {
            role,
            mode,
            embedded: true,
            names: names(&uri, &args.names),
            usage: scenario.security.usage.or(Some(2)),
            matching_type: scenario.security.matching_type,
            server_name: scenario.security.server_name.clone(),
        });
        uris.push(uri.to_string());
    }
    let listed = endpoint.listed(0).is_some();
    let template = (!listed).then(|| endpoint.to_string());
    let names = Names::new(scenario.fleet.meters, move |number| endpoint.name(number));
    Ok(Order { wanted: Wanted { names, servers, faults: None, now }, mode, endpoint: template, uris, master })
}

/// The scenario with what the options say over it.
fn scenario(args: &ProvisionArgs) -> Result<Scenario, RunError> {
    let mut set = args.set.clone();
    set.extend(args.meters.map(|meters| format!("fleet.meters={meters}")));
    let args_of = ScenarioArgs { scenario: args.scenario.clone(), set, ..ScenarioArgs::default() };
    let mut scenario = args_of.load_bare()?;
    if let Some(template) = &args.endpoint {
        let template: EndpointTemplate = template.parse().map_err(|error| {
            RunError::input(format!("--endpoint {template}: {error}"), "try urn:dev:os:meter-{index:07}")
        })?;
        scenario.fleet.endpoint = template;
    }
    Ok(scenario)
}

/// The servers, and where they are.
fn places(args: &ProvisionArgs, scenario: &Scenario) -> Result<Vec<(Role, ServerUri)>, RunError> {
    let given =
        |option: &str, uri: Option<&String>, own: Option<&ServerUri>| -> Result<ServerUri, RunError> {
            let parsed = match (uri, own.filter(|uri| uri.scheme.is_secure())) {
                (Some(uri), _) => uri.parse(),
                (None, Some(uri)) => Ok(uri.clone()),
                (None, None) => "coaps://127.0.0.1".parse(),
            };
            let uri: ServerUri = parsed.map_err(|error| {
                let given = uri.map_or_else(String::new, |uri| format!(" {uri}"));
                RunError::input(format!("{option}{given}: {error}"), "try one such as coaps://127.0.0.1:5684")
            })?;
            match uri.scheme.is_secure() {
                true => Ok(uri),
                false => {
                    let message = format!("{option} {uri}: needs no credentials");
                    Err(RunError::input(message, "name it by coaps:// or coaps+tcp://"))
                }
            }
        };
    let accounts = &scenario.servers.accounts;
    if args.server.len() > accounts.len() {
        let (named, there) = (args.server.len(), counted(accounts.len() as u64, "account"));
        let message = format!("--server: is given {named} times, and the scenario has {there}");
        return Err(RunError::input(message, "add a [[servers.account]] to the scenario for each EMS"));
    }
    let bootstrap =
        given("--bootstrap-server", args.bootstrap_server.as_ref(), scenario.servers.bootstrap.uri())?;
    let mut places = vec![(Role::Bootstrap, bootstrap)];
    for (index, account) in accounts.iter().enumerate() {
        let uri = given("--server", args.server.get(index), account.server.uri())?;
        places.push((Role::Server(account.short_server_id), uri));
    }
    Ok(places)
}

/// The names in a server's certificate: where it is, what else it is called, and this machine.
fn names(uri: &ServerUri, further: &[String]) -> Vec<String> {
    let host = match &uri.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    let mut names = vec![host];
    let here = ["127.0.0.1", "::1", "localhost"].map(str::to_owned);
    for name in further.iter().cloned().chain(here) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn summary(args: &ProvisionArgs, order: &Order, took: Duration) -> String {
    let meters = counted(order.wanted.names.meters(), "meter");
    let servers = counted(order.wanted.servers.len() as u64, "server");
    let certificates = match order.certificates() {
        0 => String::new(),
        made => format!(", {} certificates in {:.1} s", count(made), took.as_secs_f64()),
    };
    let out = args.out.display();
    let mut text = format!("{out}: {meters}, {servers}, {}{certificates}\n", order.mode.name());
    if io::stdout().is_terminal() {
        text += &format!("Run them with: bootstorm run --credentials {out}\n");
    }
    text
}
