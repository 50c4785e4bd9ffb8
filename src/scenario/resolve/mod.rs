//! From what was written to what is meant: defaults, ranges, and values that must go together.
//!
//! One function per table, in the order of the file; each refuses at the first mistake.

mod accounts;
mod bootstrap;
mod bootstrap_server;
mod ems_server;
mod firmware;
mod fleet;
mod report;
mod run;
mod security;
mod servers;
mod service;
mod values;

use std::path::Path;

use super::error::Fault;
use super::fitted::Fitted;
use super::raw::Raw;
use super::resolved::Scenario;

pub(super) use bootstrap::{FORMATS, MODES};
pub(super) use bootstrap_server::{LEVELS, step_name};
pub(super) use ems_server::{DELIVERIES, action_name, question_name};
pub(super) use report::{CONFIRM, SEND_FORMATS};
pub(super) use security::VERSIONS;

pub(super) fn resolve(raw: &Raw, file: &str, cores: u32) -> Result<Scenario, Fault> {
    let allow_remote = raw.allow_remote.unwrap_or(false);
    let fleet = fleet::fleet(&raw.fleet)?;
    let bootstrap = bootstrap::bootstrap(&raw.bootstrap, &fleet)?;
    let report = report::report(&raw.report, fleet.lwm2m)?;
    let firmware = firmware::firmware(&raw.firmware)?;
    let arrivals = run::arrivals(&raw.arrivals, fleet.meters)?;
    let coap = run::coap(&raw.coap)?;
    let run = run::run(&raw.run, &fleet, &coap, cores)?;
    let servers = servers::servers(&raw.servers, allow_remote, &fleet, &bootstrap, run.shards)?;
    let security = security::security(&raw.security, &fleet, &bootstrap, &servers)?;
    let retry = run::retry(&raw.retry)?;
    let local = run::local(&raw.local, &servers, fleet.meters)?;
    let stem = Path::new(file).file_stem().map_or(file.into(), |stem| stem.to_string_lossy());
    Ok(Scenario {
        name: raw.name.clone().unwrap_or_else(|| stem.into_owned()),
        description: raw.description.clone().unwrap_or_default(),
        allow_remote,
        provision: raw.provision.clone(),
        fleet,
        bootstrap,
        report,
        firmware,
        arrivals,
        run,
        servers,
        security,
        coap,
        retry,
        local,
        fitted: Fitted::default(),
    })
}
