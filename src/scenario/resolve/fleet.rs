//! `[fleet]`: the meters, and how they register.

use std::time::Duration;

use crate::base::Span;
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::client::{Refusal, RegistrationPolicy};
use crate::protocol::lwm2m::Version;

use super::super::error::Fault;
use super::super::raw::RawFleet;
use super::super::resolved::Fleet;
use super::values::{DAY, NONE, SECOND, YEAR, parsed, quoted, seconds, span, whole, word};

/// More meters than this have no source address of their own out of 127.0.0.0/8.
const MAX_METERS: i64 = 16_000_000;

pub(super) fn fleet(raw: &RawFleet) -> Result<Fleet, Fault> {
    let meters = whole("fleet.meters", raw.meters, 1, 1..=MAX_METERS)?;
    let key = "fleet.endpoint";
    let text = raw.endpoint.as_deref().unwrap_or("urn:dev:os:meter-{index:07}");
    let hint = "try \"urn:dev:os:meter-{index:07}\"";
    let endpoint: EndpointTemplate = parsed(key, text, hint)?;
    if meters > 1 && !endpoint.is_distinct() {
        return Err(Fault::new(
            key,
            quoted(text),
            "must hold {index}, or all meters would share one name",
            hint,
        ));
    }
    let lwm2m = match raw.lwm2m.as_deref() {
        Some("1.0") => Version::V1_0,
        Some("1.1") => Version::V1_1,
        Some("1.2") | None => Version::V1_2,
        Some(other) => {
            let problem = "must be a version that meters speak: \"1.0\", \"1.1\" or \"1.2\"";
            return Err(Fault::new("fleet.lwm2m", quoted(other), problem, "try \"1.2\""));
        }
    };
    let lifetime = seconds("fleet.lifetime", raw.lifetime, "300s", SECOND..=YEAR)?;
    let hold_off = seconds("fleet.hold_off", raw.hold_off, "0s", NONE..=DAY)?;
    let objects = raw.objects.as_deref().unwrap_or("minimal");
    let objects = parsed("fleet.objects", objects, "try \"minimal\"")?;
    let registration = registration(raw, lwm2m)?;
    Ok(Fleet { meters, endpoint, lwm2m, lifetime, hold_off, objects, registration })
}

fn registration(raw: &RawFleet, lwm2m: Version) -> Result<RegistrationPolicy, Fault> {
    let behaviour = raw.behaviour.as_deref().unwrap_or("spec");
    let behaviour = parsed("fleet.behaviour", behaviour, "try \"spec\"")?;
    let update =
        raw.update.as_deref().map(|text| parsed("fleet.update", text, "try \"half\"")).transpose()?;
    let refusals = [("try", Refusal::Try), ("final", Refusal::Final)];
    let refusal = raw.register_refused.as_deref();
    let refusal = refusal.map(|text| word("fleet.register_refused", text, &refusals)).transpose()?;
    let profile_id = raw.profile_id.unwrap_or(false);
    if profile_id && lwm2m < Version::V1_2 {
        let problem = "came with LwM2M 1.2";
        return Err(Fault::new("fleet.profile_id", true, problem, "set fleet.lwm2m = \"1.2\""));
    }
    let send_endpoint = raw.send_endpoint.unwrap_or(true);
    if !send_endpoint && lwm2m < Version::V1_1 {
        let problem = "must be true for LwM2M 1.0";
        return Err(Fault::new("fleet.send_endpoint", send_endpoint, problem, "leave it out"));
    }
    let shortest = Span(Duration::from_millis(10));
    let timeout = raw.deregister_timeout;
    let timeout =
        timeout.map(|_| span("fleet.deregister_timeout", timeout, "5s", shortest..=DAY)).transpose()?;
    Ok(RegistrationPolicy {
        send_endpoint,
        behaviour,
        update,
        refusal,
        honour_max_age: raw.honour_max_age.unwrap_or(false),
        queue_mode: raw.queue_mode.unwrap_or(false),
        profile_id,
        update_with_objects: raw.update_with_objects.unwrap_or(false),
        keep_registration_over_reboot: raw.keep_registration_over_reboot.unwrap_or(false),
        deregister_timeout: timeout.map(Span::duration),
    })
}
