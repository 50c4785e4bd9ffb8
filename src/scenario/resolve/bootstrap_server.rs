//! `[servers.bootstrap_server]`: what the embedded Bootstrap-Server gives to whom, and how.

use crate::protocol::coap::{Code, ContentFormat};
use crate::protocol::lwm2m::{Entry, Path};
use crate::protocol::server::{EndpointPattern, Initiative, PackAnswer, Patience, Step, WriteLevel};

use super::super::error::Fault;
use super::super::raw::{RawBootstrapServer, RawInitiative, RawPlan, Resources};
use super::super::resolved::{Account, BootstrapServer, BootstrapTerms, PlanFor};
use super::super::resource::{self, Written};
use super::bootstrap::FORMATS;
use super::service::{error_code, service};
use super::values::{DAY, MONTH, NONE, SECOND, built_in, quoted, span, word};

const TABLE: &str = "servers.bootstrap_server";

/// What a write addresses, by the names scenarios give it.
pub(in crate::scenario) const LEVELS: [(&str, WriteLevel); 2] =
    [("instance", WriteLevel::Instance), ("object", WriteLevel::Object)];

pub(super) fn bootstrap_server(
    raw: &RawBootstrapServer,
    accounts: &[Account],
) -> Result<BootstrapServer, Fault> {
    let defaults = BootstrapTerms::new(accounts.iter().map(|account| account.short_server_id));
    let written = RawTerms {
        sequence: &raw.sequence,
        write: &raw.write,
        format: &raw.format,
        pack: &raw.pack,
        extra: &raw.extra,
    };
    let terms = terms(TABLE, written, defaults)?;
    let mut plans = Vec::new();
    for (index, raw) in raw.plan.iter().enumerate() {
        plans.push(plan(&format!("{TABLE}.plan[{index}]"), raw, &terms, accounts)?);
    }
    let command = timeout("command_timeout", raw.command_timeout)?;
    let session = timeout("session_timeout", raw.session_timeout)?;
    Ok(BootstrapServer {
        endpoints: patterns(&raw.endpoints).unwrap_or_else(|| vec![EndpointPattern::any()]),
        terms,
        plans,
        directory: raw.directory.clone(),
        patience: Patience { command, session },
        initiative: raw.initiative.as_ref().map(initiative).transpose()?,
        service: service(TABLE, &raw.service, &raw.manners)?,
    })
}

fn timeout(name: &str, value: Option<crate::base::Span>) -> Result<Option<std::time::Duration>, Fault> {
    let key = format!("{TABLE}.{name}");
    value.map(|_| span(&key, value, "60s", SECOND..=DAY).map(|span| span.duration())).transpose()
}

fn initiative(raw: &RawInitiative) -> Result<Initiative, Fault> {
    let key = format!("{TABLE}.initiative");
    let after = span(&format!("{key}.after"), raw.after, "10s", NONE..=MONTH)?.duration();
    Ok(Initiative { after, rate: raw.rate.unwrap_or_else(|| built_in("100/s")) })
}

fn plan(
    table: &str,
    raw: &RawPlan,
    defaults: &BootstrapTerms,
    accounts: &[Account],
) -> Result<PlanFor, Fault> {
    let Some(endpoints) = patterns(&raw.endpoints) else {
        let hint = "give it endpoints = [\"meter-1*\"]";
        return Err(Fault::new(table, "{ .. }", "must say which endpoints it is for", hint));
    };
    let mut defaults = defaults.clone();
    if let Some(ids) = &raw.accounts {
        let known = |(index, id): (usize, &i64)| {
            let id_known = accounts.iter().find(|account| i64::from(account.short_server_id) == *id);
            id_known.map(|account| account.short_server_id).ok_or_else(|| {
                let problem = "is the short server ID of no account";
                let hint = "name the short_server_id of a [[servers.account]]";
                Fault::new(&format!("{table}.accounts[{index}]"), id, problem, hint)
            })
        };
        defaults.accounts = ids.iter().enumerate().map(known).collect::<Result<_, Fault>>()?;
    }
    let written = RawTerms {
        sequence: &raw.sequence,
        write: &raw.write,
        format: &raw.format,
        pack: &raw.pack,
        extra: &raw.extra,
    };
    Ok(PlanFor { endpoints, terms: terms(table, written, defaults)? })
}

fn patterns(raw: &Option<Vec<String>>) -> Option<Vec<EndpointPattern>> {
    raw.as_ref().map(|texts| texts.iter().map(|text| EndpointPattern::new(text)).collect())
}

/// What a plan and the defaults of all plans have in common.
struct RawTerms<'a> {
    sequence: &'a Option<Vec<String>>,
    write: &'a Option<String>,
    format: &'a Option<String>,
    pack: &'a Option<String>,
    extra: &'a Resources,
}

fn terms(table: &str, raw: RawTerms<'_>, defaults: BootstrapTerms) -> Result<BootstrapTerms, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let mut terms = defaults;
    if let Some(steps) = raw.sequence {
        terms.sequence = sequence(&key("sequence"), steps)?;
    }
    if let Some(level) = raw.write {
        terms.write = word(&key("write"), level, &LEVELS)?;
    }
    if let Some(format) = raw.format {
        terms.format = self::format(&key("format"), format)?;
    }
    if let Some(pack) = raw.pack {
        terms.pack = self::pack(&key("pack"), pack)?;
    }
    if !raw.extra.is_empty() {
        terms.extra = extra(&key("extra"), raw.extra)?;
    }
    Ok(terms)
}

fn format(key: &str, text: &str) -> Result<Option<ContentFormat>, Fault> {
    if text == "preferred" {
        return Ok(None);
    }
    word(key, text, &FORMATS).map(Some).map_err(|fault| Fault {
        problem: format!("{}, or \"preferred\" for the one the meter names", fault.problem),
        ..fault
    })
}

fn pack(key: &str, text: &str) -> Result<PackAnswer, Fault> {
    match (text, error_code(text)) {
        ("pack", _) => Ok(PackAnswer::Pack),
        (_, Some(code @ (Code::NOT_IMPLEMENTED | Code::METHOD_NOT_ALLOWED | Code::NOT_FOUND))) => {
            Ok(PackAnswer::Refusal(code))
        }
        _ => {
            let problem = "must be \"pack\", or the refusal \"4.04\", \"4.05\" or \"5.01\"";
            Err(Fault::new(key, quoted(text), problem, "try \"pack\""))
        }
    }
}

fn sequence(key: &str, steps: &[String]) -> Result<Vec<Step>, Fault> {
    let fault = |index: usize, text: &str, problem: &str| {
        let hint = "steps are \"discover /\", \"read /1\", \"delete /\", \"write security\", \
                    \"write server\", \"write extra\" and \"finish\"";
        Fault::new(&format!("{key}[{index}]"), quoted(text), problem, hint)
    };
    let one = |(index, text): (usize, &String)| {
        step(text).ok_or_else(|| fault(index, text, "is no step of a bootstrap"))
    };
    steps.iter().enumerate().map(one).collect()
}

/// One step as people write it; [`step_name`] writes it back.
fn step(text: &str) -> Option<Step> {
    let path = |text: &str, least: usize| {
        let path: Path = text.trim().parse().ok()?;
        (least..=2).contains(&path.depth()).then_some(path)
    };
    Some(match text.trim().split_once(' ') {
        Some(("discover", at)) => Step::Discover(path(at, 0)?),
        // Bootstrap-Read is for /1 and /2 (LwM2M Core §6.1.7.4).
        Some(("read", at)) => Step::Read(path(at, 1).filter(|path| matches!(path.ids()[0], 1 | 2))?),
        Some(("delete", at)) => Step::Delete(path(at, 0)?),
        Some(("write", "security")) => Step::WriteSecurity,
        Some(("write", "server")) => Step::WriteServer,
        Some(("write", "extra")) => Step::WriteExtra,
        None if text.trim() == "finish" => Step::Finish,
        _ => return None,
    })
}

/// A step as people write it.
pub(in crate::scenario) fn step_name(step: Step) -> String {
    match step {
        Step::Discover(path) => format!("discover {path}"),
        Step::Read(path) => format!("read {path}"),
        Step::Delete(path) => format!("delete {path}"),
        Step::WriteSecurity => "write security".to_owned(),
        Step::WriteServer => "write server".to_owned(),
        Step::WriteExtra => "write extra".to_owned(),
        Step::Finish => "finish".to_owned(),
    }
}

/// Objects that hold keys, besides Security, whose instances belong to accounts: OSCORE, COSE and MQTT Server.
const KEYS: [u16; 3] = [21, 23, 24];

/// Further resources to write, by their paths. No message shows a text: it may be a key that stands in the wrong
/// place.
fn extra(table: &str, raw: &Resources) -> Result<Vec<Entry>, Fault> {
    let one = |(name, value): (&String, &toml::Value)| {
        let fault = |problem: String| {
            let hint = "write extra = { \"/4/0/0\" = 41 }";
            let fault = Fault::new(&format!("{table}.{name}"), value, problem, hint);
            Fault { value: fault.value.filter(|_| !value.is_str()), ..fault }
        };
        let path = resource::path(name).map_err(fault)?;
        if matches!(path.ids()[0], 0 | 1) {
            return Err(fault("belongs to an account".to_owned()));
        }
        if KEYS.contains(&path.ids()[0]) {
            return Err(fault("holds keys, and scenarios are kept with their results".to_owned()));
        }
        resource::entry(path, Written::Toml(value)).map_err(fault)
    };
    let mut entries: Vec<Entry> = raw.iter().map(one).collect::<Result<_, Fault>>()?;
    entries.sort_by_key(|entry| entry.path);
    Ok(entries)
}
