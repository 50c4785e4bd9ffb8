//! `[servers.ems_server]`: what embedded EMSs ask of meters, and what they tell them.

use crate::base::Span;
use crate::protocol::lwm2m::package::PackageVersion;
use crate::protocol::lwm2m::{Path, Version};
use crate::protocol::server::{
    Action, Ask, Campaign, Delivery, EndpointPattern, Firmware, Interview, Question,
};

use super::super::error::Fault;
use super::super::raw::{RawCampaign, RawEmsServer};
use super::super::resolved::{Account, EmsCampaign, EmsServer};
use super::super::resource::{self, Written};
use super::service::service;
use super::values::{DAY, MONTH, NONE, SECOND, built_in, quoted, span, whole, word};

const TABLE: &str = "servers.ems_server";

/// How a package comes to a meter, by the names scenarios give it.
pub(in crate::scenario) const DELIVERIES: [(&str, Delivery); 2] =
    [("push", Delivery::Push), ("pull", Delivery::Pull)];

/// Actions of one word.
pub(in crate::scenario) const ACTIONS: [(&str, Action); 5] = [
    ("update-trigger", Action::UpdateTrigger),
    ("bootstrap-trigger", Action::BootstrapTrigger),
    ("disable", Action::Disable),
    ("reboot", Action::Reboot),
    ("factory-reset", Action::FactoryReset),
];

pub(super) fn ems_server(raw: &RawEmsServer, accounts: &[Account]) -> Result<EmsServer, Fault> {
    let key = |name: &str| format!("{TABLE}.{name}");
    let campaigns = raw.campaign.iter().enumerate();
    let campaigns =
        campaigns.map(|(index, raw)| campaign(&format!("{TABLE}.campaign[{index}]"), raw, accounts));
    let awake = raw.awake.map(|_| span(&key("awake"), raw.awake, "93s", NONE..=DAY)).transpose()?;
    Ok(EmsServer {
        versions: versions(raw.versions.as_deref().unwrap_or("1.0-1.2"))?,
        refuse: raw.refuse.iter().flatten().map(|text| EndpointPattern::new(text)).collect(),
        profile_ids: raw.profile_ids.unwrap_or(true),
        interview: interview(raw)?,
        awake,
        max_waiting: whole(&key("max_waiting"), raw.max_waiting, 32, 0..=100_000)?,
        campaigns: campaigns.collect::<Result<_, _>>()?,
        service: service(TABLE, &raw.service, &raw.manners)?,
    })
}

fn versions(text: &str) -> Result<(Version, Version), Fault> {
    let (lowest, highest) = text.split_once('-').unwrap_or((text, text));
    match (lowest.trim().parse(), highest.trim().parse()) {
        (Ok(lowest), Ok(highest)) if lowest <= highest => Ok((lowest, highest)),
        _ => {
            let problem = "must be one of the versions 1.0, 1.1 and 1.2, or a range of them";
            Err(Fault::new(&format!("{TABLE}.versions"), quoted(text), problem, "try \"1.0-1.2\""))
        }
    }
}

fn interview(raw: &RawEmsServer) -> Result<Interview, Fault> {
    let words = [("off", None), ("read", Some(Ask::Read)), ("observe", Some(Ask::Observe))];
    let base = word(&format!("{TABLE}.interview"), raw.interview.as_deref().unwrap_or("read"), &words)?;
    let base = match base {
        None => Interview::Off,
        Some(Ask::Read) => Interview::read(),
        Some(Ask::Observe) => Interview::observe(),
    };
    let further = raw.questions.iter().flatten().enumerate().map(|(index, text)| {
        question(text).ok_or_else(|| {
            let problem =
                "must be \"read\" or \"observe\", and the path of an object, an instance or a resource";
            let key = format!("{TABLE}.questions[{index}]");
            Fault::new(&key, quoted(text), problem, "try \"observe /10243/0\"")
        })
    });
    Ok(base.with(further.collect::<Result<Vec<_>, Fault>>()?))
}

fn question(text: &str) -> Option<Question> {
    let (ask, path) = text.trim().split_once(' ')?;
    let ask = match ask {
        "read" => Ask::Read,
        "observe" => Ask::Observe,
        _ => return None,
    };
    Some(Question { path: somewhere(path)?, ask })
}

/// A path that is not everything.
fn somewhere(text: &str) -> Option<Path> {
    text.trim().parse().ok().filter(|path: &Path| (1..=3).contains(&path.depth()))
}

fn campaign(table: &str, raw: &RawCampaign, accounts: &[Account]) -> Result<EmsCampaign, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let Some(first) = accounts.iter().find(|account| account.server.is_embedded()) else {
        let hint = "leave servers.ems out, or the campaign";
        return Err(Fault::new(table, "{ .. }", "is for an embedded EMS, and there is none", hint));
    };
    let server = match raw.server {
        None => first.short_server_id,
        Some(id) => {
            let known = accounts.iter().find(|account| i64::from(account.short_server_id) == id);
            let embedded = known.filter(|account| account.server.is_embedded());
            let problem = "is the short server ID of no embedded EMS";
            embedded.map(|account| account.short_server_id).ok_or_else(|| {
                Fault::new(&key("server"), id, problem, format!("try {}", first.short_server_id))
            })?
        }
    };
    let repeat = raw.repeat.map(|_| span(&key("repeat"), raw.repeat, "1m", SECOND..=MONTH)).transpose()?;
    Ok(EmsCampaign {
        server,
        campaign: Campaign {
            action: action(table, raw)?,
            start: span(&key("start"), raw.start, "10s", NONE..=MONTH)?.duration(),
            rate: raw.rate.unwrap_or_else(|| built_in("100/s")),
            share: raw.share,
            repeat: repeat.map(Span::duration),
        },
    })
}

fn action(table: &str, raw: &RawCampaign) -> Result<Action, Fault> {
    let key = format!("{table}.action");
    let fault = |text: &str, problem: &str| {
        let hint = "actions are \"update-trigger\", \"bootstrap-trigger\", \"disable\", \"reboot\", \
                    \"factory-reset\", \"execute /o/i/r\", \"read /o/i/r\", \"observe /o/i/r\", \
                    \"cancel /o/i/r\", \"write /o/i/r\" and \"firmware\"";
        Fault::new(&key, quoted(text), problem, hint)
    };
    let Some(text) = raw.action.as_deref().map(str::trim) else {
        return Err(fault("", "must be given"));
    };
    if text == "firmware" {
        return firmware(table, raw).map(Action::Firmware);
    }
    let pointless = [
        ("version", raw.version.as_ref().map(quoted)),
        ("size", raw.size.map(|size| size.to_string())),
        ("delivery", raw.delivery.as_ref().map(quoted)),
        ("poll", raw.poll.map(quoted)),
        ("limit", raw.limit.map(quoted)),
    ];
    if let Some((name, value)) = pointless.into_iter().find_map(|(name, value)| Some((name, value?))) {
        let hint = "leave it out, or set action = \"firmware\"";
        return Err(Fault::new(&format!("{table}.{name}"), value, "is for firmware", hint));
    }
    if let Some((_, action)) = ACTIONS.into_iter().find(|(word, _)| *word == text) {
        return Ok(action);
    }
    let (verb, rest) = text.split_once(' ').ok_or_else(|| fault(text, "is no action"))?;
    let path =
        |text: &str| somewhere(text).ok_or_else(|| fault(text, "must name an object or what is in it"));
    match verb {
        "read" => path(rest).map(Action::Read),
        "observe" => path(rest).map(Action::Observe),
        "cancel" => path(rest).map(Action::Cancel),
        "write" => write(table, raw, rest),
        "execute" => {
            let (at, arguments) = rest.trim().split_once(' ').unwrap_or((rest, ""));
            let path = path(at)?;
            if path.depth() != 3 {
                return Err(fault(text, "must execute a resource"));
            }
            Ok(Action::Execute { path, arguments: arguments.trim().to_owned() })
        }
        _ => Err(fault(text, "is no action")),
    }
}

fn write(table: &str, raw: &RawCampaign, path: &str) -> Result<Action, Fault> {
    let at = resource::path(path.trim()).map_err(|problem| {
        Fault::new(&format!("{table}.action"), quoted(path), problem, "try \"write /3/0/15\"")
    })?;
    let key = format!("{table}.value");
    let Some(value) = &raw.value else {
        return Err(Fault::new(&key, "\"\"", "must say what is written", "add value = ..."));
    };
    let entry = resource::entry(at, Written::Toml(value));
    let entry = entry.map_err(|problem| Fault::new(&key, value, problem, "see the object's definition"))?;
    Ok(Action::Write(entry.path, entry.value))
}

fn firmware(table: &str, raw: &RawCampaign) -> Result<Firmware, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let delivery = word(&key("delivery"), raw.delivery.as_deref().unwrap_or("push"), &DELIVERIES)?;
    let version = raw.version.as_deref().unwrap_or("2.0.0");
    let version = package_version(version).ok_or_else(|| {
        let problem = "must be major.minor.patch, up to 65535.255.255";
        Fault::new(&key("version"), quoted(version), problem, "try \"2.0.0\"")
    })?;
    Ok(Firmware {
        version,
        // A package has a frame of some bytes, and block-wise transfer has its bounds.
        size: whole(&key("size"), raw.size, 65_536, 64..=16 << 20)?,
        delivery,
        poll: span(&key("poll"), raw.poll, "5s", SECOND..=DAY)?.duration(),
        limit: span(&key("limit"), raw.limit, "10m", SECOND..=MONTH)?.duration(),
    })
}

/// `major.minor.patch`, of 16, 8 and 8 bits.
fn package_version(text: &str) -> Option<PackageVersion> {
    let mut parts = text.split('.');
    let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
    let [high, low] = major.parse::<u16>().ok()?.to_be_bytes();
    let version = [high, low, minor.parse().ok()?, patch.parse().ok()?];
    parts.next().is_none().then_some(PackageVersion(u32::from_be_bytes(version)))
}

/// An action as people write it, but for firmware and the value of a write.
pub(in crate::scenario) fn action_name(action: &Action) -> String {
    match action {
        Action::Read(path) => format!("read {path}"),
        Action::Observe(path) => format!("observe {path}"),
        Action::Cancel(path) => format!("cancel {path}"),
        Action::Write(path, _) => format!("write {path}"),
        Action::Execute { path, arguments } => format!("execute {path} {arguments}").trim_end().to_owned(),
        Action::Firmware(_) => "firmware".to_owned(),
        simple => {
            let word = ACTIONS.into_iter().find(|(_, action)| action == simple);
            word.map(|(word, _)| word.to_owned()).unwrap_or_default()
        }
    }
}

/// A question as people write it.
pub(in crate::scenario) fn question_name(question: &Question) -> String {
    let ask = match question.ask {
        Ask::Read => "read",
        Ask::Observe => "observe",
    };
    format!("{ask} {}", question.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_packages_are_written_as_devices_show_them() {
        for text in ["2.0.0", "65535.255.255", "0.1.2"] {
            assert_eq!(package_version(text).map(|version| version.to_string()), Some(text.to_owned()));
        }
        for text in ["", "2", "2.0", "2.0.0.0", "65536.0.0", "1.256.0", "a.b.c"] {
            assert_eq!(package_version(text), None, "{text}");
        }
    }
}
