//! `[bootstrap]`: which way meters take, and what they ask for on it.

use crate::base::Span;
use crate::protocol::client::NoFinish;
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::Version;

use super::super::error::Fault;
use super::super::raw::{RawBootstrap, RawCard, RawNoFinish};
use super::super::resolved::{Bootstrap, CardTerms, Fleet, Mode};
use super::values::{DAY, MONTH, NONE, SECOND, built_in, parsed, quoted, seconds, share, span, whole, word};

/// The formats of bootstrap writes, by the names scenarios give them.
pub(in crate::scenario) const FORMATS: [(&str, ContentFormat); 5] = [
    ("tlv", ContentFormat::TLV),
    ("senml-cbor", ContentFormat::SENML_CBOR),
    ("senml-json", ContentFormat::SENML_JSON),
    ("lwm2m-cbor", ContentFormat::LWM2M_CBOR),
    ("oma-json", ContentFormat::OMA_JSON),
];

/// The four ways, by the names scenarios give them.
pub(in crate::scenario) const MODES: [(&str, Mode); 4] = [
    ("client-initiated", Mode::ClientInitiated),
    ("factory", Mode::Factory),
    ("smartcard", Mode::Smartcard),
    ("server-initiated", Mode::ServerInitiated),
];

pub(super) fn bootstrap(raw: &RawBootstrap, fleet: &Fleet) -> Result<Bootstrap, Fault> {
    let mode = word("bootstrap.mode", raw.mode.as_deref().unwrap_or("client-initiated"), &MODES)?;
    let pack = raw.pack.unwrap_or(false);
    if pack && fleet.lwm2m < Version::V1_2 {
        let problem = "came with LwM2M 1.2";
        return Err(Fault::new("bootstrap.pack", pack, problem, "set fleet.lwm2m = \"1.2\""));
    }
    let send_endpoint = raw.send_endpoint.unwrap_or(true);
    if !send_endpoint && fleet.lwm2m < Version::V1_1 {
        let problem = "must be true for LwM2M 1.0";
        return Err(Fault::new("bootstrap.send_endpoint", send_endpoint, problem, "leave it out"));
    }
    let timeout = raw.account_timeout;
    let timeout =
        timeout.map(|_| seconds("bootstrap.account_timeout", timeout, "60s", SECOND..=MONTH)).transpose()?;
    Ok(Bootstrap {
        mode,
        formats: formats(raw, fleet.lwm2m)?,
        send_endpoint,
        pack,
        pack_retries: whole("bootstrap.pack_retries", raw.pack_retries, 0, 0..=100)? as u8,
        no_finish: raw.no_finish.as_ref().map(no_finish).transpose()?,
        account_timeout: timeout,
        card: card(&raw.card, mode)?,
    })
}

fn formats(raw: &RawBootstrap, lwm2m: Version) -> Result<Vec<ContentFormat>, Fault> {
    // `pct` came with 1.1; without it, Bootstrap-Servers write TLV.
    let Some(names) = &raw.formats else {
        let named = lwm2m >= Version::V1_1;
        return Ok(named.then_some(ContentFormat::SENML_CBOR).into_iter().collect());
    };
    if lwm2m < Version::V1_1 && !names.is_empty() {
        let list = names.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let problem = "cannot be named by meters of LwM2M 1.0";
        return Err(Fault::new("bootstrap.formats", format!("[{list}]"), problem, "leave it out"));
    }
    let names = names.iter().enumerate();
    names.map(|(index, name)| word(&format!("bootstrap.formats[{index}]"), name, &FORMATS)).collect()
}

fn no_finish(raw: &RawNoFinish) -> Result<NoFinish, Fault> {
    let wait = |key: &str, value: Span| {
        span(&format!("bootstrap.no_finish.{key}"), Some(value), "60s", SECOND..=DAY).map(Span::duration)
    };
    match (raw.per_command, raw.total) {
        (Some(_), Some(total)) => Err(Fault::new(
            "bootstrap.no_finish.total",
            quoted(total),
            "cannot be given together with per_command",
            "leave one of them out",
        )),
        (Some(each), None) => wait("per_command", each).map(NoFinish::PerCommand),
        (None, Some(total)) => wait("total", total).map(NoFinish::Total),
        (None, None) => Err(Fault::new(
            "bootstrap.no_finish",
            "{}",
            "must say how long",
            "try { per_command = \"60s\" } or { total = \"4m\" }",
        )),
    }
}

fn card(raw: &RawCard, mode: Mode) -> Result<CardTerms, Fault> {
    let RawCard { file, missing, unreadable, inconsistent, exchanged_at } = raw;
    let shares = [("missing", missing), ("unreadable", unreadable), ("inconsistent", inconsistent)];
    let pointless = |key: &str, value: String| {
        let hint = "set bootstrap.mode = \"smartcard\", or leave it out";
        Fault::new(&format!("bootstrap.card.{key}"), value, "is for meters with a card", hint)
    };
    if mode != Mode::Smartcard {
        if let Some(file) = file {
            return Err(pointless("file", quoted(file)));
        }
        let given = shares.iter().find_map(|(key, share)| share.map(|share| (key, share)));
        if let Some((key, share)) = given.filter(|(_, share)| *share > built_in("0%")) {
            return Err(pointless(key, quoted(share)));
        }
        if let Some(at) = exchanged_at {
            return Err(pointless("exchanged_at", quoted(at)));
        }
    }
    let sum: f64 = shares.iter().filter_map(|(_, share)| share.map(|share| share.percent())).sum();
    if sum > 100.0 {
        let problem = "makes more than all cards, with those that are missing or unreadable";
        let share = quoted(share(*inconsistent));
        return Err(Fault::new("bootstrap.card.inconsistent", share, problem, "try \"1%\""));
    }
    let hint = "try \"cards/{index}.bin\"";
    let at = *exchanged_at;
    let exchanged_at =
        at.map(|_| span("bootstrap.card.exchanged_at", at, "10s", NONE..=MONTH)).transpose()?;
    Ok(CardTerms {
        file: file.as_deref().map(|text| parsed("bootstrap.card.file", text, hint)).transpose()?,
        missing: share(*missing),
        unreadable: share(*unreadable),
        inconsistent: share(*inconsistent),
        exchanged_at,
    })
}
