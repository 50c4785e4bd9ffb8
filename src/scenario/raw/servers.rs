//! `[servers]` as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Percent, Rate, Span};

/// Resources by path (`"/4/0/0"`) or, inside an account, by ID (`"13"`).
pub(in crate::scenario) type Resources = BTreeMap<String, toml::Value>;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawServers {
    pub bootstrap: Option<String>,
    pub ems: Option<String>,
    pub embedded: RawEmbedded,
    pub bootstrap_server: RawBootstrapServer,
    pub ems_server: RawEmsServer,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account: Vec<RawAccount>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawEmbedded {
    pub bootstrap_listen: Option<String>,
    pub ems_listen: Option<String>,
    pub short_server_id: Option<i64>,
    pub workers: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawAccount {
    pub server: Option<String>,
    pub short_server_id: Option<i64>,
    pub lifetime: Option<Span>,
    pub priority: Option<i64>,
    pub delay: Option<Span>,
    pub block: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: Resources,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawBootstrapServer {
    pub endpoints: Option<Vec<String>>,
    pub directory: Option<String>,
    pub sequence: Option<Vec<String>>,
    pub write: Option<String>,
    pub format: Option<String>,
    pub pack: Option<String>,
    pub command_timeout: Option<Span>,
    pub session_timeout: Option<Span>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: Resources,
    pub initiative: Option<RawInitiative>,
    pub service: RawService,
    pub manners: RawManners,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<RawPlan>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawPlan {
    pub endpoints: Option<Vec<String>>,
    pub accounts: Option<Vec<i64>>,
    pub sequence: Option<Vec<String>>,
    pub write: Option<String>,
    pub format: Option<String>,
    pub pack: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: Resources,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawInitiative {
    pub after: Option<Span>,
    pub rate: Option<Rate>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawEmsServer {
    pub versions: Option<String>,
    pub refuse: Option<Vec<String>>,
    pub profile_ids: Option<bool>,
    pub interview: Option<String>,
    pub questions: Option<Vec<String>>,
    pub awake: Option<Span>,
    pub max_waiting: Option<i64>,
    pub service: RawService,
    pub manners: RawManners,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub campaign: Vec<RawCampaign>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawCampaign {
    pub action: Option<String>,
    pub value: Option<toml::Value>,
    pub server: Option<i64>,
    pub start: Option<Span>,
    pub rate: Option<Rate>,
    pub share: Option<Percent>,
    pub repeat: Option<Span>,
    pub version: Option<String>,
    pub size: Option<i64>,
    pub delivery: Option<String>,
    pub poll: Option<Span>,
    pub limit: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawService {
    pub workers: Option<i64>,
    pub time: Option<String>,
    pub queue: Option<i64>,
    pub max_age: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawManners {
    pub drop: Option<Percent>,
    pub reset: Option<Percent>,
    pub error: Option<Percent>,
    pub error_code: Option<String>,
    pub unavailable: Option<Percent>,
    pub max_age: Option<Span>,
    pub late: Option<Percent>,
    pub late_by: Option<Span>,
    pub duplicate: Option<Percent>,
    pub other_port: Option<Percent>,
}
