//! How meters and servers prove who they are, in words.

use crate::base::text::{count, counted};
use crate::credentials::{Mode, Share};
use crate::protocol::lwm2m::Scheme;
use crate::scenario::{ListenAt, Scenario, ServerChoice, Source};
use crate::secure::Version;

/// Lines by name; those that go on have none. None where all is plain CoAP over UDP.
pub(super) fn lines(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let schemes = schemes(scenario);
    let modes: Vec<Mode> =
        schemes.iter().filter_map(|(scheme, _)| scenario.security.mode_over(*scheme)).collect();
    if !modes.is_empty() {
        lines.push(("security", credentials(scenario, &modes)));
        if modes.contains(&Mode::X509) {
            lines.push(("", known_by(scenario)));
            let words = "both ends send one certificate: those between it and the authority have to be given to the \
                         other end beforehand";
            lines.push(("", words.to_owned()));
        }
        lines.extend(bad(scenario).map(|words| ("", words)));
    }
    lines.extend(streams(scenario).map(|words| ("streams", words)));
    lines
}

/// What meters speak to, and whether it is embedded.
fn schemes(scenario: &Scenario) -> Vec<(Scheme, bool)> {
    let servers = &scenario.servers;
    let of = |server: &ServerChoice, at: ListenAt| Some((server.scheme(at)?, server.is_embedded()));
    let ems = servers.accounts.iter().filter_map(|account| of(&account.server, servers.embedded.ems_listen));
    of(&servers.bootstrap, servers.embedded.bootstrap_listen).into_iter().chain(ems).collect()
}

fn credentials(scenario: &Scenario, modes: &[Mode]) -> String {
    let security = &scenario.security;
    let mut words = Vec::new();
    if modes.contains(&Mode::Psk) {
        words.push("pre-shared keys (AES-128-CCM-8)");
    }
    if modes.contains(&Mode::X509) {
        words.push("certificates (P-256)");
    }
    let version = match security.version {
        Version::Only12 => "version 1.2",
        Version::Upto13 => "version 1.3 where certificates allow it",
    };
    let source = match &security.source {
        Source::RunLocal => "made for the run".to_owned(),
        Source::Folder(name) | Source::List(name) => format!("from {name}"),
    };
    format!("{}, {version}; {source}", words.join(" and "))
}

fn known_by(scenario: &Scenario) -> String {
    let security = &scenario.security;
    let by = match security.usage.unwrap_or(3) {
        0 => "a constraint on the authority",
        1 => "a constraint on its certificate",
        2 => "an authority",
        _ => "its own certificate, whatever the name in it",
    };
    let name = security.server_name.as_ref().map(|name| format!(", as {name}")).unwrap_or_default();
    format!("meters know a server by {by}{name}")
}

fn bad(scenario: &Scenario) -> Option<String> {
    let bad = &scenario.security.bad;
    let words = |Share { fault, at, share }: &Share| {
        format!("{share} {} for server {at}", fault.name().replace('_', " "))
    };
    let shares: Vec<_> = bad.iter().map(words).collect();
    (!shares.is_empty()).then(|| format!("bad credentials: {}", shares.join(", ")))
}

/// What streams cost, which other ways do not.
fn streams(scenario: &Scenario) -> Option<String> {
    let (all, own) = scenario.streams();
    (all > 0).then(|| {
        let each = counted(u64::from(all), "connection");
        let here = count(u64::from(scenario.fleet.meters) * u64::from(all + own));
        let both = if own > 0 { ", the embedded servers' ends included" } else { "" };
        format!("{each} at a time for each meter: a descriptor each, {here} in all{both}")
    })
}
