//! From what was written to what is meant: defaults, ranges, and values that must go together.
//!
//! One function per table, in the order of the file; each refuses at the first mistake.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::base::text::{count, counted};
use crate::base::{Seed, Span};
use crate::fleet::arrivals::{ArrivalsConfig, Pace, Process, Schedule};
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Host, ServerUri, Version};

use super::error::Fault;
use super::raw::{Raw, RawArrivals, RawCoap, RawEmbedded, RawFleet, RawLocal, RawRetry, RawRun};
use super::resolved::{
    Coap, Embedded, Fleet, Goal, Local, PortRange, Retry, Run, Scenario, ServerChoice, Servers,
};

/// More meters than this have no source address of their own out of 127.0.0.0/8.
const MAX_METERS: i64 = 16_000_000;

const DAY: Span = Span::from_secs(86_400);
const WEEK: Span = Span::from_secs(7 * 86_400);
const MONTH: Span = Span::from_secs(30 * 86_400);
const YEAR: Span = Span::from_secs(365 * 86_400);
const NONE: Span = Span(Duration::ZERO);

/// Added to what one lost registration costs: time for the next attempt to succeed.
const SETTLE_MARGIN: Duration = Duration::from_secs(30);

const ALLOW: &str = "allow_remote = true permits it; without it no datagram leaves this machine";

pub(super) fn resolve(raw: &Raw, file: &str, cores: u32) -> Result<Scenario, Fault> {
    let allow_remote = raw.allow_remote.unwrap_or(false);
    let fleet = fleet(&raw.fleet)?;
    let arrivals = arrivals(&raw.arrivals, fleet.meters)?;
    let coap = coap(&raw.coap)?;
    let run = run(&raw.run, &fleet, &coap, cores)?;
    let servers = servers(raw, allow_remote, run.shards)?;
    let retry = retry(&raw.retry)?;
    let local = local(&raw.local, &servers, fleet.meters)?;
    let stem = Path::new(file).file_stem().map_or(file.into(), |stem| stem.to_string_lossy());
    let name = raw.name.clone().unwrap_or_else(|| stem.into_owned());
    let description = raw.description.clone().unwrap_or_default();
    Ok(Scenario { name, description, allow_remote, fleet, arrivals, run, servers, coap, retry, local })
}

fn fleet(raw: &RawFleet) -> Result<Fleet, Fault> {
    let meters = whole("fleet.meters", raw.meters, 1, 1..=MAX_METERS)?;
    let key = "fleet.endpoint";
    let text = raw.endpoint.as_deref().unwrap_or("urn:dev:os:meter-{index:07}");
    let hint = "try \"urn:dev:os:meter-{index:07}\"";
    let endpoint: EndpointTemplate = parsed(key, text, hint)?;
    if meters > 1 && !endpoint.is_distinct() {
        return Err(Fault::new(
            key,
            quoted(text),
            "must hold {index}, or all meters would share one name",
            hint,
        ));
    }
    let lwm2m = match raw.lwm2m.as_deref() {
        Some("1.0") => Version::V1_0,
        Some("1.1") => Version::V1_1,
        Some("1.2") | None => Version::V1_2,
        Some(other) => {
            let problem = "must be a version that meters speak: \"1.0\", \"1.1\" or \"1.2\"";
            return Err(Fault::new("fleet.lwm2m", quoted(other), problem, "try \"1.2\""));
        }
    };
    let lifetime = seconds("fleet.lifetime", raw.lifetime, "300s", Span::from_secs(1)..=YEAR)?;
    let hold_off = seconds("fleet.hold_off", raw.hold_off, "0s", NONE..=DAY)?;
    Ok(Fleet { meters, endpoint, lwm2m, lifetime, hold_off })
}

fn arrivals(raw: &RawArrivals, meters: u32) -> Result<ArrivalsConfig, Fault> {
    let process = match raw.process.as_deref() {
        Some("steady") | None => Process::Steady,
        Some("poisson") => Process::Poisson,
        Some(other) => {
            let problem = "must be \"steady\" or \"poisson\"";
            return Err(Fault::new("arrivals.process", quoted(other), problem, "try \"steady\""));
        }
    };
    let pace = match (raw.rate, raw.over) {
        (Some(_), Some(over)) => {
            let problem = "cannot be given together with arrivals.rate";
            return Err(Fault::new("arrivals.over", quoted(over), problem, "leave one of them out"));
        }
        (Some(rate), None) => Pace::Rate(rate),
        (None, Some(_)) => Pace::Over(span("arrivals.over", raw.over, "20s", NONE..=MONTH)?),
        (None, None) => Pace::Rate(built_in("500/s")),
    };
    let config = ArrivalsConfig { pace, process };
    let takes = Schedule::new(&config, meters, Seed(0)).nominal_span();
    if let Pace::Rate(rate) = pace
        && takes > MONTH.duration()
    {
        let problem = format!("is too slow: {} would take more than 30d to arrive", counted(meters, "meter"));
        return Err(Fault::new("arrivals.rate", quoted(rate), problem, "try \"500/s\""));
    }
    Ok(config)
}

fn coap(raw: &RawCoap) -> Result<Coap, Fault> {
    // Defaults: RFC 7252 §4.8, table 2.
    let shortest = Span(Duration::from_millis(10));
    let ack_timeout = span("coap.ack_timeout", raw.ack_timeout, "2s", shortest..=Span::from_secs(60))?;
    let ack_random_factor = raw.ack_random_factor.unwrap_or(1.5);
    if !(1.0..=10.0).contains(&ack_random_factor) {
        let problem = "must be between 1.0 and 10.0";
        return Err(Fault::new("coap.ack_random_factor", ack_random_factor, problem, "try 1.5"));
    }
    let max_retransmit = whole("coap.max_retransmit", raw.max_retransmit, 4, 0..=10)?;
    let nstart = whole("coap.nstart", raw.nstart, 1, 1..=16)?;
    let block_size = whole("coap.block_size", raw.block_size, 1024, 16..=1024)?;
    if !block_size.is_power_of_two() {
        // RFC 7959 §2.2: 2^(SZX + 4).
        return Err(Fault::new("coap.block_size", block_size, "must be a power of two", "try 1024"));
    }
    Ok(Coap { ack_timeout, ack_random_factor, max_retransmit, nstart, block_size: block_size as u16 })
}

fn run(raw: &RawRun, fleet: &Fleet, coap: &Coap, cores: u32) -> Result<Run, Fault> {
    let hold = span("run.hold", raw.hold, "10s", NONE..=MONTH)?;
    let patience = fleet.hold_off.duration() + coap.give_up_after() + SETTLE_MARGIN;
    let patience = Span::from_secs(patience.as_secs() + u64::from(patience.subsec_nanos() > 0));
    let settle =
        span("run.settle", raw.settle.or(Some(patience)), "2m", NONE..=Span::from_secs(60 * 86_400))?;
    let drain = span("run.drain", raw.drain, "10s", NONE..=Span::from_secs(3600))?;
    let goal = match raw.goal.as_deref() {
        Some("all") | None => Goal::All,
        Some(text) => {
            let share = text.parse().map_err(|_| {
                let problem = "must be \"all\" or a share of the fleet between \"0%\" and \"100%\"";
                Fault::new("run.goal", quoted(text), problem, "try \"99.9%\"")
            })?;
            Goal::Share(share)
        }
    };
    let seed = raw.seed.unwrap_or(1);
    let seed = u64::try_from(seed)
        .map_err(|_| Fault::new("run.seed", seed, format!("must be between 0 and {}", i64::MAX), "try 1"))?;
    let default_shards = i64::from(cores.min(fleet.meters).clamp(1, 64));
    let shards = whole("run.shards", raw.shards, default_shards, 1..=1024)?;
    Ok(Run { hold, settle, drain, goal, seed: Seed(seed), shards })
}

fn servers(raw: &Raw, allow_remote: bool, shards: u32) -> Result<Servers, Fault> {
    let bootstrap = server("servers.bootstrap", raw.servers.bootstrap.as_deref(), allow_remote)?;
    let ems = server("servers.ems", raw.servers.ems.as_deref(), allow_remote)?;
    let embedded = embedded(&raw.servers.embedded, &ems, allow_remote, shards)?;
    Ok(Servers { bootstrap, ems, embedded })
}

fn server(key: &str, text: Option<&str>, allow_remote: bool) -> Result<ServerChoice, Fault> {
    let text = match text {
        None | Some("embedded") => return Ok(ServerChoice::Embedded),
        Some(text) => text,
    };
    let uri: ServerUri =
        parsed(key, text, "try \"coap://127.0.0.1:5683\", or leave it out for an embedded server")?;
    // What a name stands for is not known before it is resolved; the gate in `transport` asks then.
    let literal = matches!(uri.host, Host::Ip(_));
    if literal && !uri.is_loopback() && !allow_remote {
        return Err(Fault::new(key, quoted(text), "is not on this machine", ALLOW));
    }
    Ok(ServerChoice::External(uri))
}

fn embedded(
    raw: &RawEmbedded,
    ems: &ServerChoice,
    allow_remote: bool,
    shards: u32,
) -> Result<Embedded, Fault> {
    let listen = |name: &str, text: &Option<String>| {
        let key = format!("servers.embedded.{name}");
        let text = text.as_deref().unwrap_or("127.0.0.1:0");
        let address: SocketAddr = text.parse().map_err(|_| {
            let problem = "must be an address and a port, such as \"127.0.0.1:5683\" or \"[::1]:5683\"";
            Fault::new(&key, quoted(text), problem, "port 0 takes a free one")
        })?;
        if !address.ip().to_canonical().is_loopback() && !allow_remote {
            return Err(Fault::new(&key, quoted(text), "would listen to other machines", ALLOW));
        }
        Ok(address)
    };
    let bootstrap_listen = listen("bootstrap_listen", &raw.bootstrap_listen)?;
    let ems_listen = listen("ems_listen", &raw.ems_listen)?;
    if ems_listen.ip().is_unspecified() && ems.is_embedded() {
        let problem = "does not tell meters where to register";
        let hint = "give servers.ems the URI to hand out, or listen on a definite address";
        return Err(Fault::new("servers.embedded.ems_listen", quoted(ems_listen), problem, hint));
    }
    if ems_listen == bootstrap_listen && ems_listen.port() != 0 {
        let problem = "is where the Bootstrap-Server listens already";
        return Err(Fault::new(
            "servers.embedded.ems_listen",
            quoted(ems_listen),
            problem,
            "choose another port",
        ));
    }
    // LwM2M Core, "Short Server ID": 0 and 65535 are reserved.
    let short_server_id =
        whole("servers.embedded.short_server_id", raw.short_server_id, 101, 1..=65_534)? as u16;
    let workers = whole("servers.embedded.workers", raw.workers, shards.clamp(1, 64).into(), 1..=64)?;
    Ok(Embedded { bootstrap_listen, ems_listen, short_server_id, workers })
}

fn retry(raw: &RawRetry) -> Result<Retry, Fault> {
    // Defaults: LwM2M Core, Server object (/1), resources 17 to 20.
    let retry_count = whole("retry.retry_count", raw.retry_count, 5, 1..=1000)?;
    let retry_timer = seconds("retry.retry_timer", raw.retry_timer, "60s", Span::from_secs(1)..=WEEK)?;
    let sequence_delay =
        seconds("retry.sequence_delay", raw.sequence_delay, "1d", Span::from_secs(1)..=YEAR)?;
    let sequence_count = whole("retry.sequence_count", raw.sequence_count, 1, 1..=1000)?;
    let shortest = Span(Duration::from_millis(10));
    let bootstrap_initial = span("retry.bootstrap_initial", raw.bootstrap_initial, "10s", shortest..=WEEK)?;
    let longest = raw.bootstrap_max.unwrap_or(bootstrap_initial.max(Span::from_secs(600)));
    let bootstrap_max = span("retry.bootstrap_max", Some(longest), "10m", bootstrap_initial..=WEEK)?;
    Ok(Retry { retry_count, retry_timer, sequence_delay, sequence_count, bootstrap_initial, bootstrap_max })
}

fn local(raw: &RawLocal, servers: &Servers, meters: u32) -> Result<Local, Fault> {
    let mut addresses = Vec::new();
    for (index, text) in raw.addresses.iter().flatten().enumerate() {
        let fault = |problem| {
            Fault::new(&format!("local.addresses[{index}]"), quoted(text), problem, "try \"192.0.2.10\"")
        };
        let address: IpAddr = text.parse().map_err(|_| fault("must be an IP address of this machine"))?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(fault("must be the address of one interface"));
        }
        if addresses.contains(&address) {
            return Err(fault("is there twice"));
        }
        addresses.push(address);
    }
    let ports = ports(raw.ports.as_deref().unwrap_or("20000-60000"))?;
    let remote = |server: &ServerChoice| server.uri().is_some_and(|uri| !uri.is_loopback());
    let pairs = addresses.len() as u64 * u64::from(ports.count());
    if (remote(&servers.bootstrap) || remote(&servers.ems)) && (1..u64::from(meters)).contains(&pairs) {
        let list = raw.addresses.iter().flatten().map(quoted).collect::<Vec<_>>().join(", ");
        let problem = format!(
            "times {} ports make {} source addresses for {} meters",
            count(ports.count()),
            count(pairs),
            count(meters)
        );
        let hint = "add addresses, widen local.ports or lower fleet.meters";
        return Err(Fault::new("local.addresses", format!("[{list}]"), problem, hint));
    }
    Ok(Local { addresses, ports })
}

fn ports(text: &str) -> Result<PortRange, Fault> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (1 <= first && first <= last).then_some(PortRange { first, last })
    });
    let problem = "must be a range of ports between 1 and 65535, the lower one first";
    range.ok_or_else(|| Fault::new("local.ports", quoted(text), problem, "try \"20000-60000\""))
}

/// A whole number in its range; all ranges here fit 32 bits and have no negative end.
fn whole(key: &str, value: Option<i64>, default: i64, range: RangeInclusive<i64>) -> Result<u32, Fault> {
    let value = value.unwrap_or(default);
    let fitting = range.contains(&value).then(|| u32::try_from(value).ok()).flatten();
    fitting.ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|end| count(end.unsigned_abs()));
        Fault::new(key, value, format!("must be between {least} and {most}"), format!("try {default}"))
    })
}

/// A span in its range.
fn span(key: &str, value: Option<Span>, default: &str, range: RangeInclusive<Span>) -> Result<Span, Fault> {
    let value = value.unwrap_or_else(|| built_in(default));
    if range.contains(&value) {
        return Ok(value);
    }
    let problem = format!("must be between {} and {}", range.start(), range.end());
    let advice: Span = built_in(default);
    let advice = if range.contains(&advice) { quoted(default) } else { quoted(range.end()) };
    Err(Fault::new(key, quoted(value), problem, format!("try {advice}")))
}

/// A span that travels as an integer of seconds.
fn seconds(
    key: &str,
    value: Option<Span>,
    default: &str,
    range: RangeInclusive<Span>,
) -> Result<Span, Fault> {
    let value = span(key, value, default, range)?;
    if value.duration().subsec_nanos() > 0 {
        let hint = format!("try {}", quoted(default));
        return Err(Fault::new(
            key,
            quoted(value),
            "must be whole seconds: LwM2M sends it as an integer",
            hint,
        ));
    }
    Ok(value)
}

fn parsed<T: FromStr<Err: Display>>(key: &str, text: &str, hint: &str) -> Result<T, Fault> {
    text.parse().map_err(|why: T::Err| Fault::new(key, quoted(text), why.to_string(), hint))
}

/// A quantity written in this file.
fn built_in<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("defaults are written correctly")
}

fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}
