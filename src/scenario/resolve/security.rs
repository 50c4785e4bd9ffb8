//! `[security]`: what goes together, and what the engines cannot do.

use crate::base::Percent;
use crate::credentials::{Fault as Wrong, Mode, Role, Share};
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Host, Scheme, Version as Lwm2m};
use crate::secure::Version;

use super::super::error::Fault;
use super::super::raw::{RawBad, RawSecurity};
use super::super::resolved::{Bootstrap, Fleet, Mode as Way, Security, ServerChoice, Servers, Source};
use super::values::{quoted, whole, word};

/// Which versions are offered, by the names scenarios give them.
pub(in crate::scenario) const VERSIONS: [(&str, Version); 2] =
    [("1.2", Version::Only12), ("1.3", Version::Upto13)];

/// The longest identity of a pre-shared key, in bytes (LwM2M Transport §5.2.9.1).
const LONGEST_IDENTITY: usize = 128;

/// A server and how it is spoken to.
struct Spoken<'a> {
    role: Role,
    server: &'a ServerChoice,
    /// The key that says where it is.
    key: String,
    scheme: Scheme,
}

pub(super) fn security(
    raw: &RawSecurity,
    fleet: &Fleet,
    way: &Bootstrap,
    servers: &Servers,
) -> Result<Security, Fault> {
    let spoken = spoken(servers);
    cannot(raw)?;
    streams(&spoken, fleet, servers)?;
    let mode = mode(raw, &spoken)?;
    let usual = Security {
        mode,
        source: Source::RunLocal,
        trust: None,
        version: Version::Only12,
        usage: None,
        matching_type: 0,
        server_name: None,
        bad: Vec::new(),
    };
    let modes: Vec<(Role, Mode)> =
        spoken.iter().filter_map(|server| Some((server.role, usual.mode_over(server.scheme)?))).collect();
    if modes.is_empty() {
        return nothing_secure(raw).map_or(Ok(usual), Err);
    }
    let has = |mode: Mode| modes.iter().any(|(_, one)| *one == mode);
    if has(Mode::Psk) {
        identities(&fleet.endpoint)?;
    }
    let version = word("security.dtls", raw.dtls.as_deref().unwrap_or("1.2"), &VERSIONS)?;
    if version == Version::Upto13 && !has(Mode::X509) {
        let problem = "is for certificates: pre-shared keys are spoken by DTLS 1.2 alone";
        return Err(Fault::new("security.dtls", quoted("1.3"), problem, "set security.mode = \"x509\""));
    }
    let known = known_by(raw, fleet, has(Mode::X509))?;
    let (source, trust) = source(raw)?;
    let bad = bad(&raw.bad, &spoken, &modes, way, &known)?;
    Ok(Security { source, trust, version, bad, mode: usual.mode, ..known })
}

/// The servers there are: those that meters speak to, and those that listen for a fleet elsewhere.
fn spoken(servers: &Servers) -> Vec<Spoken<'_>> {
    let Servers { bootstrap, accounts, embedded, .. } = servers;
    let place = |server: &ServerChoice, listen: &str, key: String| {
        if server.is_embedded() { format!("servers.embedded.{listen}") } else { key }
    };
    let own = bootstrap.scheme(embedded.bootstrap_listen).map(|scheme| Spoken {
        role: Role::Bootstrap,
        server: bootstrap,
        key: place(bootstrap, "bootstrap_listen", "servers.bootstrap".to_owned()),
        scheme,
    });
    let ems = accounts.iter().enumerate().filter_map(|(index, account)| {
        let named = account.server != servers.ems;
        let key = if named { format!("servers.account[{index}].server") } else { "servers.ems".to_owned() };
        let scheme = account.server.scheme(embedded.ems_listen)?;
        let role = Role::Server(account.short_server_id);
        Some(Spoken { role, server: &account.server, key: place(&account.server, "ems_listen", key), scheme })
    });
    let mut all: Vec<_> = own.into_iter().chain(ems).collect();
    // `bootstorm serve` listens whoever else serves the meters of a run.
    let listening = [("bootstrap_listen", embedded.bootstrap_listen), ("ems_listen", embedded.ems_listen)];
    for (name, at) in listening.into_iter().filter(|(_, at)| at.scheme != Scheme::Coap) {
        let key = format!("servers.embedded.{name}");
        if all.iter().all(|known| known.key != key) {
            let first =
                accounts.first().map_or(Role::Bootstrap, |account| Role::Server(account.short_server_id));
            let role = if name == "ems_listen" { first } else { Role::Bootstrap };
            all.push(Spoken { role, server: &ServerChoice::Embedded, key, scheme: at.scheme });
        }
    }
    all
}

/// What may be asked for by name, and is not to be had.
fn cannot(raw: &RawSecurity) -> Result<(), Fault> {
    let wishes = [
        (raw.connection_id, "connection_id", "is not supported: the engine has no connection IDs (RFC 9146)"),
        (raw.resumption, "resumption", "is not supported: the engine makes a full handshake every time"),
        (
            raw.send_chain,
            "send_chain",
            "is not supported: the engine sends one certificate; those between it and the authority are given to \
             both ends with security.trust",
        ),
    ];
    match wishes.into_iter().find(|(wish, ..)| *wish == Some(true)) {
        Some((_, key, problem)) => Err(Fault::new(&format!("security.{key}"), true, problem, "leave it out")),
        None => Ok(()),
    }
}

/// What does not go with streams and sessions.
fn streams(spoken: &[Spoken<'_>], fleet: &Fleet, servers: &Servers) -> Result<(), Fault> {
    let stream = spoken.iter().find(|server| server.scheme.is_stream());
    if let Some(server) = stream.filter(|_| fleet.lwm2m < Lwm2m::V1_1) {
        let problem = "is over TCP, which came with LwM2M 1.1";
        return Err(Fault::new(&server.key, quoted(server.scheme), problem, "set fleet.lwm2m = \"1.1\""));
    }
    let services = [
        (Role::Bootstrap, "bootstrap_server", &servers.bootstrap_server.service.manners),
        (Role::Server(0), "ems_server", &servers.ems_server.service.manners),
    ];
    for (role, table, manners) in services {
        let same = |server: &&Spoken<'_>| (server.role == Role::Bootstrap) == (role == Role::Bootstrap);
        let plain = |server: &&Spoken<'_>| server.server.is_embedded() && server.scheme != Scheme::Coap;
        let found = spoken.iter().filter(same).find(plain);
        if let Some(server) = found.filter(|_| manners.other_port.percent() > 0.0) {
            let problem =
                format!("is for coap://: over {}:// no other port belongs to the session", server.scheme);
            let key = format!("servers.{table}.manners.other_port");
            return Err(Fault::new(&key, quoted(manners.other_port), problem, "leave it out"));
        }
    }
    Ok(())
}

fn mode(raw: &RawSecurity, spoken: &[Spoken<'_>]) -> Result<Option<Mode>, Fault> {
    let Some(text) = raw.mode.as_deref() else { return Ok(None) };
    let refuse = |problem: String, hint: &str| Err(Fault::new("security.mode", quoted(text), problem, hint));
    match text {
        "none" => match spoken.iter().find(|server| server.scheme.is_secure()) {
            Some(server) => {
                let problem = format!("does not go with {}:// of {}", server.scheme, server.key);
                refuse(problem, "leave it out, or use coap:// or coap+tcp://")
            }
            None => Ok(None),
        },
        "psk" => match spoken.iter().find(|server| server.scheme == Scheme::CoapsTcp) {
            Some(server) => {
                let problem = format!(
                    "is not supported over TLS, which {} asks for: the engine has certificates there alone",
                    server.key
                );
                refuse(problem, "leave it out: coaps:// then has keys, and coaps+tcp:// certificates")
            }
            None => Ok(Some(Mode::Psk)),
        },
        "x509" => Ok(Some(Mode::X509)),
        "rpk" | "raw-public-key" => refuse(
            "is Security Mode 1, raw public keys: the engines have none".to_owned(),
            "use \"psk\" or \"x509\"",
        ),
        "est" => refuse(
            "is Security Mode 4, certificates enrolled for by EST: it is not supported".to_owned(),
            "use \"x509\" with credentials made beforehand",
        ),
        _ => refuse("must be \"none\", \"psk\" or \"x509\"".to_owned(), "try \"psk\""),
    }
}

/// The first key that means nothing where every server is spoken to without security.
fn nothing_secure(raw: &RawSecurity) -> Option<Fault> {
    let bad = shares(&raw.bad).into_iter().find(|(_, share)| share.percent() > 0.0);
    let given = [
        ("mode", raw.mode.as_deref().filter(|mode| *mode != "none").map(quoted)),
        ("credentials", raw.credentials.as_ref().map(quoted)),
        ("import", raw.import.as_ref().map(quoted)),
        ("trust", raw.trust.as_ref().map(quoted)),
        ("dtls", raw.dtls.as_deref().filter(|dtls| *dtls != "1.2").map(quoted)),
        ("usage", raw.usage.map(|usage| usage.to_string())),
        ("matching_type", raw.matching_type.filter(|kind| *kind != 0).map(|kind| kind.to_string())),
        ("server_name", raw.server_name.as_ref().map(quoted)),
    ];
    let given = given.into_iter().find_map(|(key, value)| Some((key.to_owned(), value?)));
    let bad = bad.map(|(fault, share)| (format!("bad.{}", fault.name()), quoted(share)));
    let (key, value) = given.or(bad)?;
    let problem = "means nothing where no server is spoken to by coaps:// or coaps+tcp://";
    let hint = "set servers.embedded.bootstrap_listen = \"coaps://127.0.0.1:0\", and ems_listen likewise";
    Some(Fault::new(&format!("security.{key}"), value, problem, hint))
}

/// Endpoint names are identities as well.
fn identities(endpoint: &EndpointTemplate) -> Result<(), Fault> {
    // The longest name a run can have: 16,000,000 meters have numbers of eight digits.
    if endpoint.name(16_000_000).len() <= LONGEST_IDENTITY {
        return Ok(());
    }
    let problem = format!(
        "makes names of more than {LONGEST_IDENTITY} bytes, which no identity of a pre-shared key may have"
    );
    Err(Fault::new("fleet.endpoint", quoted(endpoint), problem, "make it shorter"))
}

/// By what meters know servers with a certificate; the rest of what comes back is as usual.
fn known_by(raw: &RawSecurity, fleet: &Fleet, certificates: bool) -> Result<Security, Fault> {
    const TRUST_ANCHOR: i64 = 2;
    let given = [
        ("usage", raw.usage.map(|usage| usage.to_string())),
        ("matching_type", raw.matching_type.map(|kind| kind.to_string())),
        ("server_name", raw.server_name.as_ref().map(quoted)),
    ];
    let given = given.into_iter().find_map(|(key, value)| Some((format!("security.{key}"), value?)));
    let old = fleet.lwm2m < Lwm2m::V1_1;
    if let Some((key, value)) = given.filter(|_| old || !certificates) {
        let (problem, hint) = match old {
            true => ("came with LwM2M 1.1", "set fleet.lwm2m = \"1.1\""),
            false => ("is for certificates", "set security.mode = \"x509\", or leave it out"),
        };
        return Err(Fault::new(&key, value, problem, hint));
    }
    let usage = whole("security.usage", raw.usage, TRUST_ANCHOR, 0..=3)? as u8;
    let matching_type = whole("security.matching_type", raw.matching_type, 0, 0..=3)? as u8;
    if matching_type != 0 && matches!(usage, 0 | 2) {
        let problem = format!(
            "is a hash of an authority with usage {usage}, and the engine sees the server's own certificate alone"
        );
        return Err(Fault::new(
            "security.matching_type",
            matching_type,
            problem,
            "set security.usage = 3, or 1",
        ));
    }
    if let Some(name) = raw.server_name.as_deref()
        && !matches!(format!("coaps://{name}").parse(), Ok(uri) if is_name(&uri))
    {
        let problem = "must be the name of a host";
        return Err(Fault::new("security.server_name", quoted(name), problem, "try \"ems.example.org\""));
    }
    Ok(Security {
        mode: None,
        source: Source::RunLocal,
        trust: None,
        version: Version::Only12,
        usage: (certificates && !old).then_some(usage),
        matching_type,
        server_name: raw.server_name.as_deref().map(Into::into),
        bad: Vec::new(),
    })
}

fn is_name(uri: &crate::protocol::lwm2m::ServerUri) -> bool {
    matches!(uri.host, Host::Name(_))
}

fn source(raw: &RawSecurity) -> Result<(Source, Option<String>), Fault> {
    let source = match (&raw.credentials, &raw.import) {
        (Some(_), Some(list)) => {
            let problem = "cannot be given together with security.credentials";
            return Err(Fault::new("security.import", quoted(list), problem, "leave one of them out"));
        }
        (Some(folder), None) => Source::Folder(folder.clone()),
        (None, Some(list)) => Source::List(list.clone()),
        (None, None) => Source::RunLocal,
    };
    match &raw.trust {
        // A list may yet be named on the command line.
        Some(trust) if matches!(source, Source::Folder(_)) => {
            let problem = "is for a list: a folder has its own authority";
            Err(Fault::new("security.trust", quoted(trust), problem, "leave it out"))
        }
        trust => Ok((source, trust.clone())),
    }
}

/// What may be wrong, in the order of `Fault::ALL`.
fn shares(raw: &RawBad) -> Vec<(Wrong, Percent)> {
    let RawBad {
        at: _,
        wrong_key,
        unknown_identity,
        wrong_ca,
        expired,
        not_yet_valid,
        self_signed,
        wrong_name,
    } = raw;
    let shares = [wrong_key, unknown_identity, wrong_ca, expired, not_yet_valid, self_signed, wrong_name];
    Wrong::ALL.into_iter().zip(shares).filter_map(|(fault, share)| Some((fault, (*share)?))).collect()
}

fn bad(
    raw: &RawBad,
    spoken: &[Spoken<'_>],
    modes: &[(Role, Mode)],
    way: &Bootstrap,
    known: &Security,
) -> Result<Vec<Share>, Fault> {
    let mut shares = shares(raw);
    shares.retain(|(_, share)| share.percent() > 0.0);
    // Those that meters meet first come first.
    let own = matches!(way.mode, Way::Factory | Way::Smartcard);
    let mut met = modes.to_vec();
    met.sort_by_key(|(role, _)| own && *role == Role::Bootstrap);
    if let Some(text) = &raw.at {
        let at = Role::parse(text);
        let Some(found) = met.iter().find(|(role, _)| Some(*role) == at).copied() else {
            let hint = format!("try \"{}\"", met[0].0);
            let problem = "is no server that is spoken to in security";
            return Err(Fault::new("security.bad.at", quoted(text), problem, hint));
        };
        met = vec![found];
    }
    let sum: f64 = shares.iter().map(|(_, share)| share.percent()).sum();
    let key = |fault: Wrong| format!("security.bad.{}", fault.name());
    if let Some((last, share)) = shares.last().filter(|_| sum > 100.0 + 1e-9) {
        let problem = format!("makes {sum:.1}% of the meters, with the others");
        return Err(Fault::new(&key(*last), quoted(share), problem, "try \"1%\""));
    }
    let place = |(fault, share): (Wrong, Percent)| {
        let mode = if fault.is_of_keys() { Mode::Psk } else { Mode::X509 };
        let Some((at, _)) = met.iter().find(|(_, one)| *one == mode).copied() else {
            let kind = if mode == Mode::Psk { "pre-shared keys" } else { "certificates" };
            let (at, other) = met[0];
            let problem = format!("is for {kind}, and server {at} has mode \"{}\"", other.name());
            let hint = "leave it out, or set security.bad.at";
            return Err(Fault::new(&key(fault), quoted(share), problem, hint));
        };
        if fault == Wrong::WrongName {
            wrong_name(&key(fault), share, at, spoken, known)?;
        }
        Ok(Share { fault, at, share })
    };
    shares.into_iter().map(place).collect()
}

/// Meters are made to expect another name by /0/x/14, which counts where the URI holds an address.
fn wrong_name(
    key: &str,
    share: Percent,
    at: Role,
    spoken: &[Spoken<'_>],
    known: &Security,
) -> Result<(), Fault> {
    let refuse = |problem: &str, hint: &str| Err(Fault::new(key, quoted(share), problem, hint));
    let named = spoken.iter().any(|server| server.role == at && server.server.uri().is_some_and(is_name));
    match known.usage {
        None => refuse("takes /0/x/14, which came with LwM2M 1.1", "set fleet.lwm2m = \"1.1\""),
        Some(3) => refuse("is never looked at with usage 3, whatever the name", "set security.usage = 2"),
        Some(_) if named => {
            refuse("is for servers whose URI holds an address", "give the server by its address")
        }
        Some(_) => Ok(()),
    }
}
