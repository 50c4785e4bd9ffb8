//! `[report]`: what meters tell servers that observe them, and by themselves.

use std::time::Duration;

use crate::protocol::client::{Confirm, ReportPolicy, SendPlan};
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{Path, Version};

use super::super::error::Fault;
use super::super::raw::{RawReport, RawSend};
use super::values::{DAY, MONTH, NONE, SECOND, parsed, quoted, span, whole, word};

/// Which notifications are Confirmable, by the names scenarios give them.
pub(in crate::scenario) const CONFIRM: [(&str, Confirm); 3] =
    [("by-attribute", Confirm::ByAttribute), ("always", Confirm::Always), ("never", Confirm::Never)];

/// The formats of Send (LwM2M Transport §6.4.5), by the names scenarios give them.
pub(in crate::scenario) const SEND_FORMATS: [(&str, ContentFormat); 3] = [
    ("senml-cbor", ContentFormat::SENML_CBOR),
    ("senml-json", ContentFormat::SENML_JSON),
    ("lwm2m-cbor", ContentFormat::LWM2M_CBOR),
];

pub(super) fn report(raw: &RawReport, lwm2m: Version) -> Result<ReportPolicy, Fault> {
    let confirmable = raw.confirmable.as_deref().unwrap_or("by-attribute");
    let confirm_every = span("report.confirm_every", raw.confirm_every, "1d", NONE..=MONTH)?.duration();
    let number = |name: &str, value: Option<i64>, default: i64, least: i64| {
        whole(&format!("report.{name}"), value, default, least..=1_000).map(|number| number as usize)
    };
    let send_format = raw.send_format.as_deref().unwrap_or("senml-cbor");
    let send = raw.send.as_ref().map(send).transpose()?;
    if send.is_some() && lwm2m < Version::V1_1 {
        let problem = "came with LwM2M 1.1";
        return Err(Fault::new("report.send", "{ .. }", problem, "set fleet.lwm2m, or leave it out"));
    }
    Ok(ReportPolicy {
        confirmable: word("report.confirmable", confirmable, &CONFIRM)?,
        confirm_every: (confirm_every > Duration::ZERO).then_some(confirm_every),
        sampling: span("report.sampling", raw.sampling, "1m", SECOND..=DAY)?.duration(),
        observations: number("observations", raw.observations, 64, 0)?,
        composite_paths: number("composite_paths", raw.composite_paths, 64, 0)?,
        stored: number("stored", raw.stored, 4, 0)?,
        send,
        send_format: word("report.send_format", send_format, &SEND_FORMATS)?,
    })
}

fn send(raw: &RawSend) -> Result<SendPlan, Fault> {
    let key = |name: &str| format!("report.send.{name}");
    let paths = raw.paths.iter().flatten().enumerate().map(|(index, text)| {
        let key = format!("{}[{index}]", key("paths"));
        let path: Path = parsed(&key, text, "try \"/10243/0\"")?;
        match path.depth() {
            0 => Err(Fault::new(&key, quoted(text), "is everything there is", "try \"/10243/0\"")),
            _ => Ok(path),
        }
    });
    let paths = paths.collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() {
        return Err(Fault::new(&key("paths"), "[]", "must name what is sent", "try [\"/10243/0\"]"));
    }
    Ok(SendPlan {
        every: span(&key("every"), raw.every, "1m", SECOND..=MONTH)?.duration(),
        jitter: span(&key("jitter"), raw.jitter, "0s", NONE..=DAY)?.duration(),
        paths,
    })
}
