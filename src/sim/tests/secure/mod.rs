//! Meters and servers over sessions and streams.

mod chaos;
mod flaws;
mod hostile;
pub(super) mod kit;
mod links;
mod onboarding;
mod pki;
mod streams;

use super::*;
use crate::protocol::lwm2m::Scheme;
use kit::{Flaw, Kit, Mode, Role, WAYS, endpoint};
