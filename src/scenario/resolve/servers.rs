//! `[servers]`: what the meters talk to.

use std::net::{IpAddr, SocketAddr};

use crate::protocol::lwm2m::{Host, Scheme, ServerUri};

use super::super::error::Fault;
use super::super::raw::{RawEmbedded, RawServers};
use super::super::resolved::{Account, Bootstrap, Embedded, Fleet, ListenAt, Mode, ServerChoice, Servers};
use super::accounts::accounts;
use super::bootstrap_server::bootstrap_server;
use super::ems_server::ems_server;
use super::values::{parsed, quoted, whole};

const ALLOW: &str = "allow_remote = true permits it; without it no datagram leaves this machine";

pub(super) fn servers(
    raw: &RawServers,
    allow_remote: bool,
    fleet: &Fleet,
    way: &Bootstrap,
    shards: u32,
) -> Result<Servers, Fault> {
    let bootstrap = match raw.bootstrap.as_deref() {
        Some("none") => nobody(way)?,
        text => server("servers.bootstrap", text, allow_remote)?,
    };
    let ems = server("servers.ems", raw.ems.as_deref(), allow_remote)?;
    let short_server_id = short_server_id("servers.embedded", raw.embedded.short_server_id, 101)?;
    let accounts = accounts(&raw.account, &ems, short_server_id, fleet, allow_remote)?;
    let bootstrap_server = bootstrap_server(&raw.bootstrap_server, &accounts)?;
    let ems_server = ems_server(&raw.ems_server, &accounts)?;
    // A pace is that of one desk: with several threads, each would have it.
    let paced = bootstrap_server.service.pace.is_some() || ems_server.service.pace.is_some();
    let embedded = embedded(&raw.embedded, short_server_id, &accounts, allow_remote, paced, shards)?;
    Ok(Servers { bootstrap, ems, accounts, embedded, bootstrap_server, ems_server })
}

/// A run without a Bootstrap-Server, for meters that need none.
fn nobody(way: &Bootstrap) -> Result<ServerChoice, Fault> {
    match way.mode {
        Mode::Factory | Mode::Smartcard => Ok(ServerChoice::Nobody),
        Mode::ClientInitiated | Mode::ServerInitiated => Err(Fault::new(
            "servers.bootstrap",
            quoted("none"),
            "leaves meters without accounts that have to ask for them",
            "set bootstrap.mode = \"factory\" or \"smartcard\", or leave it out",
        )),
    }
}

pub(super) fn server(key: &str, text: Option<&str>, allow_remote: bool) -> Result<ServerChoice, Fault> {
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

/// LwM2M Core, "Short Server ID": 0 and 65535 are reserved.
pub(super) fn short_server_id(table: &str, value: Option<i64>, default: i64) -> Result<u16, Fault> {
    whole(&format!("{table}.short_server_id"), value, default, 1..=65_534).map(|id| id as u16)
}

/// An address, or a URI with one; a URI without a port has that of its scheme.
fn listen_at(text: &str) -> Option<ListenAt> {
    let Some((scheme, place)) = text.split_once("://") else {
        return Some(ListenAt { scheme: Scheme::Coap, address: text.parse().ok()? });
    };
    let scheme = Scheme::ALL.into_iter().find(|known| known.name() == scheme)?;
    let alone = || {
        let ip: IpAddr = place.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(SocketAddr::new(ip, scheme.default_port()))
    };
    Some(ListenAt { scheme, address: place.parse().ok().or_else(alone)? })
}

fn embedded(
    raw: &RawEmbedded,
    short_server_id: u16,
    accounts: &[Account],
    allow_remote: bool,
    paced: bool,
    shards: u32,
) -> Result<Embedded, Fault> {
    let listen = |name: &str, text: &Option<String>| {
        let key = format!("servers.embedded.{name}");
        let text = text.as_deref().unwrap_or("127.0.0.1:0");
        let at = listen_at(text).ok_or_else(|| {
            let problem = "must be an address and a port, such as \"127.0.0.1:5683\" or \"[::1]:5683\", or behind \
                           a scheme, such as \"coaps://127.0.0.1:5684\"";
            Fault::new(&key, quoted(text), problem, "port 0 takes a free one")
        })?;
        if !at.address.ip().to_canonical().is_loopback() && !allow_remote {
            return Err(Fault::new(&key, quoted(text), "would listen to other machines", ALLOW));
        }
        Ok(at)
    };
    let bootstrap_listen = listen("bootstrap_listen", &raw.bootstrap_listen)?;
    let ems_listen = listen("ems_listen", &raw.ems_listen)?;
    let key = "servers.embedded.ems_listen";
    let (bootstrap, ems) = (bootstrap_listen.address, ems_listen.address);
    let several = accounts.iter().filter(|account| account.server.is_embedded()).count();
    if ems.ip().is_unspecified() && several > 0 {
        let problem = "does not tell meters where to register";
        let hint = "give servers.ems the URI to hand out, or listen on a definite address";
        return Err(Fault::new(key, quoted(ems_listen), problem, hint));
    }
    // The first EMS listens there, each further one at the next port.
    let last = usize::from(ems.port()) + several.saturating_sub(1);
    if ems.port() != 0 && last > usize::from(u16::MAX) {
        let problem = "leaves no ports for the other embedded EMSs, which take the next ones";
        return Err(Fault::new(key, quoted(ems_listen), problem, "choose a lower port"));
    }
    let taken = usize::from(ems.port())..=last;
    // UDP and TCP have ports of their own.
    if ems_listen.scheme.is_stream() == bootstrap_listen.scheme.is_stream()
        && ems.ip() == bootstrap.ip()
        && bootstrap.port() != 0
        && taken.contains(&usize::from(bootstrap.port()))
    {
        let problem = "is where the Bootstrap-Server listens already";
        return Err(Fault::new(key, quoted(ems_listen), problem, "choose another port"));
    }
    let default = if paced { 1 } else { shards.clamp(1, 64).into() };
    let workers = whole("servers.embedded.workers", raw.workers, default, 1..=64)?;
    if paced && workers > 1 {
        let problem = "is too many: a server with a pace is one desk, on one thread";
        return Err(Fault::new("servers.embedded.workers", workers, problem, "leave it out"));
    }
    Ok(Embedded { bootstrap_listen, ems_listen, short_server_id, workers })
}
