//! `service` and `manners` of an embedded server.

use crate::base::Span;
use crate::protocol::coap::Code;
use crate::protocol::server::Pace;

use super::super::error::Fault;
use super::super::raw::{RawManners, RawService};
use super::super::resolved::{Manners, Service};
use super::values::{DAY, NONE, SECOND, parsed, quoted, seconds, share, span, whole};

pub(super) fn service(table: &str, raw: &RawService, manners: &RawManners) -> Result<Service, Fault> {
    Ok(Service {
        pace: pace(&format!("{table}.service"), raw)?,
        manners: self::manners(&format!("{table}.manners"), manners)?,
    })
}

/// None if nothing says how fast: then the server answers at once.
fn pace(table: &str, raw: &RawService) -> Result<Option<Pace>, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let Some(time) = raw.time.as_deref() else {
        let given =
            [("workers", raw.workers.map(|n| n.to_string())), ("queue", raw.queue.map(|n| n.to_string()))];
        let given = given.into_iter().chain([("max_age", raw.max_age.map(quoted))]);
        return match given.into_iter().find_map(|(name, value)| Some((name, value?))) {
            None => Ok(None),
            Some((name, value)) => {
                let problem = format!("means nothing without {table}.time");
                Err(Fault::new(&key(name), value, problem, "add time = \"5ms\", or leave it out"))
            }
        };
    };
    Ok(Some(Pace {
        workers: whole(&key("workers"), raw.workers, 1, 1..=10_000)?,
        time: parsed(&key("time"), time, "try \"5ms\"")?,
        queue: whole(&key("queue"), raw.queue, 1_000, 0..=10_000_000)?,
        max_age: seconds(&key("max_age"), raw.max_age, "60s", SECOND..=DAY)?.duration(),
    }))
}

fn manners(table: &str, raw: &RawManners) -> Result<Manners, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let code = raw.error_code.as_deref().map(|text| {
        error_code(text).ok_or_else(|| {
            let problem = "must be an error of CoAP, 4.00 to 5.31";
            Fault::new(&key("error_code"), quoted(text), problem, "try \"5.00\"")
        })
    });
    Ok(Manners {
        drop: share(raw.drop),
        reset: share(raw.reset),
        error: share(raw.error),
        error_code: code.transpose()?.unwrap_or(Code::INTERNAL_SERVER_ERROR),
        unavailable: share(raw.unavailable),
        max_age: seconds(&key("max_age"), raw.max_age, "60s", SECOND..=DAY)?,
        late: share(raw.late),
        late_by: span(&key("late_by"), raw.late_by, "3s", NONE..=Span::from_secs(3_600))?,
        duplicate: share(raw.duplicate),
        other_port: share(raw.other_port),
    })
}

/// `4.03`.
pub(super) fn error_code(text: &str) -> Option<Code> {
    let (class, detail) = text.split_once('.')?;
    let class: u8 = class.parse().ok().filter(|class| (4..=5).contains(class))?;
    let detail: u8 = detail.parse().ok().filter(|number| *number < 32 && detail.len() == 2)?;
    Some(Code(class << 5 | detail))
}
