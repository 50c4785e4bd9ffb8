//! `[arrivals]`, `[run]`, `[coap]`, `[retry]` and `[local]`.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::text::{count, counted};
use crate::base::{Seed, Span};
use crate::fleet::arrivals::{ArrivalsConfig, Pace, Process, Schedule};

use super::super::error::Fault;
use super::super::raw::{RawArrivals, RawCoap, RawLocal, RawRetry, RawRun};
use super::super::resolved::{Coap, Fleet, Goal, Local, PortRange, Retry, Run, ServerChoice, Servers};
use super::values::{MONTH, NONE, WEEK, YEAR, built_in, quoted, seconds, span, whole};

/// Added to what one lost registration costs: time for the next attempt to succeed.
const SETTLE_MARGIN: Duration = Duration::from_secs(30);

pub(super) fn arrivals(raw: &RawArrivals, meters: u32) -> Result<ArrivalsConfig, Fault> {
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

pub(super) fn coap(raw: &RawCoap) -> Result<Coap, Fault> {
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

pub(super) fn run(raw: &RawRun, fleet: &Fleet, coap: &Coap, cores: u32) -> Result<Run, Fault> {
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

pub(super) fn retry(raw: &RawRetry) -> Result<Retry, Fault> {
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

pub(super) fn local(raw: &RawLocal, servers: &Servers, meters: u32) -> Result<Local, Fault> {
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
