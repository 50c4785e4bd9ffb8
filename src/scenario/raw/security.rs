//! `[security]` as it is written.

use serde::{Deserialize, Serialize};

use crate::base::Percent;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawSecurity {
    pub mode: Option<String>,
    pub credentials: Option<String>,
    pub import: Option<String>,
    pub trust: Option<String>,
    pub dtls: Option<String>,
    pub usage: Option<i64>,
    pub matching_type: Option<i64>,
    pub server_name: Option<String>,
    // What the engines cannot do is known by name, so that whoever asks for it is told so.
    pub connection_id: Option<bool>,
    pub resumption: Option<bool>,
    pub send_chain: Option<bool>,
    pub bad: RawBad,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct RawBad {
    pub at: Option<String>,
    pub wrong_key: Option<Percent>,
    pub unknown_identity: Option<Percent>,
    pub wrong_ca: Option<Percent>,
    pub expired: Option<Percent>,
    pub not_yet_valid: Option<Percent>,
    pub self_signed: Option<Percent>,
    pub wrong_name: Option<Percent>,
}
