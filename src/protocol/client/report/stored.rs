//! Notifications kept while a server cannot be reached (/1/x/6, LwM2M Core §6.4.5).
//!
//! A new Register voids all observations, and what was stored for them with it. So storing matters where the
//! registration outlives the silence: while the way to the server is opened anew under a registration that
//! still holds. A device that merely sleeps can send at any time, and has no need of it.

use super::observation::Observation;
use super::values::Sample;
use crate::base::Instant;
use crate::protocol::coap::{ContentFormat, Token};
use crate::protocol::content::{self, Timed};
use crate::protocol::lwm2m::Entry;

/// One notification that could not be sent.
#[derive(Debug)]
pub(super) struct Stored {
    /// Of the observation.
    pub token: Token,
    /// When it would have gone out.
    pub at: Instant,
    /// What it would have told.
    pub entries: Vec<Entry>,
}

/// Keeps what an observation would have told, in place of its oldest if there are `capacity` of it already.
/// How many were given up: this one, if there is no room for any.
pub(super) fn keep(all: &mut Vec<Stored>, stored: Stored, capacity: usize) -> usize {
    if capacity == 0 {
        return 1;
    }
    let token = stored.token;
    let mut given_up = 0;
    while all.iter().filter(|old| old.token == token).count() >= capacity {
        let Some(oldest) = all.iter().position(|old| old.token == token) else { break };
        all.remove(oldest);
        given_up += 1;
    }
    all.reserve_exact(1);
    all.push(stored);
    given_up
}

/// Takes all that is kept of one observation, the oldest first.
pub(super) fn take(all: &mut Vec<Stored>, token: Token) -> Vec<Stored> {
    if all.is_empty() {
        return Vec::new();
    }
    let (taken, left) = std::mem::take(all).into_iter().partition(|stored| stored.token == token);
    *all = left;
    taken
}

/// The payload that tells what was stored and, last, what there is now: each value with its age (RFC 8428
/// §4.5.3). None in a format that has no times.
pub(super) fn payload(
    observation: &Observation,
    stored: &[Stored],
    sample: &Sample,
    now: Instant,
) -> Option<Vec<u8>> {
    if !matches!(observation.format, ContentFormat::SENML_CBOR | ContentFormat::SENML_JSON) {
        return None;
    }
    let past = stored.iter().flat_map(|stored| {
        let age = now.since(stored.at).as_secs_f64();
        stored.entries.iter().map(move |entry| Timed { time: Some(-age), entry: entry.clone() })
    });
    let present = sample.entries.iter().cloned().map(Timed::now);
    let values: Vec<Timed> = past.chain(present).collect();
    content::encode_timed(observation.format, observation.base(), &values).ok()
}
