//! A scenario as it is written: every key may be left out, no key may be made up.
//!
//! Whole numbers are `i64` and lists are of strings here, as TOML has them, so that a value out of its
//! range is told its range by `resolve` and not the name of a machine type.

mod security;
mod servers;

use serde::{Deserialize, Serialize};

use crate::base::{Percent, Rate, Span};

pub(super) use security::{RawBad, RawSecurity};
pub(super) use servers::{
    RawAccount, RawBootstrapServer, RawCampaign, RawEmbedded, RawEmsServer, RawInitiative, RawManners,
    RawPlan, RawServers, RawService, Resources,
};

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub name: Option<String>,
    pub description: Option<String>,
    pub allow_remote: Option<bool>,
    pub provision: Option<String>,
    pub fleet: RawFleet,
    pub bootstrap: RawBootstrap,
    pub report: RawReport,
    pub firmware: RawFirmware,
    pub arrivals: RawArrivals,
    pub run: RawRun,
    pub servers: RawServers,
    pub security: RawSecurity,
    pub coap: RawCoap,
    pub retry: RawRetry,
    pub local: RawLocal,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFleet {
    pub meters: Option<i64>,
    pub endpoint: Option<String>,
    pub lwm2m: Option<String>,
    pub lifetime: Option<Span>,
    pub hold_off: Option<Span>,
    pub objects: Option<String>,
    pub behaviour: Option<String>,
    pub update: Option<String>,
    pub update_with_objects: Option<bool>,
    pub register_refused: Option<String>,
    pub honour_max_age: Option<bool>,
    pub queue_mode: Option<bool>,
    pub profile_id: Option<bool>,
    pub keep_registration_over_reboot: Option<bool>,
    pub deregister_timeout: Option<Span>,
    pub send_endpoint: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBootstrap {
    pub mode: Option<String>,
    pub formats: Option<Vec<String>>,
    pub send_endpoint: Option<bool>,
    pub pack: Option<bool>,
    pub pack_retries: Option<i64>,
    pub no_finish: Option<RawNoFinish>,
    pub account_timeout: Option<Span>,
    pub card: RawCard,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNoFinish {
    pub per_command: Option<Span>,
    pub total: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCard {
    pub file: Option<String>,
    pub missing: Option<Percent>,
    pub unreadable: Option<Percent>,
    pub inconsistent: Option<Percent>,
    pub exchanged_at: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReport {
    pub confirmable: Option<String>,
    pub confirm_every: Option<Span>,
    pub sampling: Option<Span>,
    pub observations: Option<i64>,
    pub composite_paths: Option<i64>,
    pub stored: Option<i64>,
    pub send: Option<RawSend>,
    pub send_format: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSend {
    pub every: Option<Span>,
    pub jitter: Option<Span>,
    pub paths: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFirmware {
    pub install_time: Option<Span>,
    pub reboots: Option<bool>,
    pub verified: Option<bool>,
    pub capacity: Option<i64>,
    pub resumes: Option<i64>,
    pub resume_wait: Option<Span>,
    pub deferred: Option<Percent>,
    pub defer_time: Option<Span>,
    pub failures: RawFailures,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFailures {
    pub not_enough_flash: Option<Percent>,
    pub out_of_memory: Option<Percent>,
    pub connection_lost: Option<Percent>,
    pub integrity: Option<Percent>,
    pub unsupported_type: Option<Percent>,
    pub invalid_uri: Option<Percent>,
    pub installation: Option<Percent>,
    pub unsupported_protocol: Option<Percent>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawArrivals {
    pub rate: Option<Rate>,
    pub over: Option<Span>,
    pub process: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRun {
    pub hold: Option<Span>,
    pub settle: Option<Span>,
    pub drain: Option<Span>,
    pub goal: Option<String>,
    pub seed: Option<i64>,
    pub shards: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCoap {
    pub ack_timeout: Option<Span>,
    pub ack_random_factor: Option<f64>,
    pub max_retransmit: Option<i64>,
    pub nstart: Option<i64>,
    pub block_size: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetry {
    pub retry_count: Option<i64>,
    pub retry_timer: Option<Span>,
    pub sequence_delay: Option<Span>,
    pub sequence_count: Option<i64>,
    pub bootstrap_initial: Option<Span>,
    pub bootstrap_max: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLocal {
    pub addresses: Option<Vec<String>>,
    pub ports: Option<String>,
}
