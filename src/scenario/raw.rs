//! A scenario as it is written: every key may be left out, no key may be made up.
//!
//! Whole numbers are `i64` and lists are of strings here, as TOML has them, so that a value out of its
//! range is told its range by `resolve` and not the name of a machine type.

use serde::{Deserialize, Serialize};

use crate::base::{Rate, Span};

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub name: Option<String>,
    pub description: Option<String>,
    pub allow_remote: Option<bool>,
    pub fleet: RawFleet,
    pub arrivals: RawArrivals,
    pub run: RawRun,
    pub servers: RawServers,
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
pub(super) struct RawServers {
    pub bootstrap: Option<String>,
    pub ems: Option<String>,
    pub embedded: RawEmbedded,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEmbedded {
    pub bootstrap_listen: Option<String>,
    pub ems_listen: Option<String>,
    pub short_server_id: Option<i64>,
    pub workers: Option<i64>,
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
