//! Observations of devices, and the values that come back.

use super::Ems;
use super::device::Observed;
use crate::base::Instant;
use crate::protocol::coap::{ContentFormat, Handle, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path};
use crate::protocol::server::peers::Slot;

impl Ems {
    /// Takes the answer to an Observe: the first values, and, if the device agrees, an observation that
    /// takes the place of an earlier one of the same path.
    pub(super) fn observing(
        &mut self,
        slot: Slot,
        path: Path,
        handle: Handle,
        message: &Message,
        now: Instant,
    ) {
        self.read(slot, path, message, now);
        if !message.code().is_success() || message.observe().is_none() {
            return;
        }
        let Some(peer) = self.peers.get(slot) else { return };
        let Some(work) = &mut peer.app.work else { return };
        self.counters.observations.begun += 1;
        if let Some(earlier) = work.observation(path) {
            peer.exchange.forget_observation(earlier);
            work.unobserve(earlier);
            self.counters.observations.dropped += 1;
        }
        // A dozen for each of many devices: no room to spare.
        work.observed.reserve_exact(1);
        work.observed.push(Observed { handle, path });
    }

    /// Takes a notification.
    pub(super) fn notified(
        &mut self,
        slot: Slot,
        handle: Handle,
        message: &Message,
        fresh: bool,
        now: Instant,
    ) {
        if !fresh {
            self.counters.observations.stale += 1;
            return;
        }
        self.counters.observations.fresh += 1;
        self.counters.observations.bytes += message.payload().len() as u64;
        let work = self.peers.get(slot).and_then(|peer| peer.app.work.as_ref());
        let observed = work.and_then(|work| work.observed.iter().find(|observed| observed.handle == handle));
        let Some(path) = observed.map(|observed| observed.path) else { return };
        let values = self.read(slot, path, message, now).map_or(0, |entries| entries.len());
        self.counters.observations.values += values as u64;
    }

    /// The values in an answer or a notification; `None` if it has none or they cannot be read.
    pub(super) fn read(
        &mut self,
        slot: Slot,
        path: Path,
        message: &Message,
        now: Instant,
    ) -> Option<Vec<Entry>> {
        if !message.code().is_success() || message.payload().is_empty() {
            return None;
        }
        // RFC 7252 §5.5.1 leaves open what a payload without a format is; of one resource it is text.
        let format = message.content_format().unwrap_or(ContentFormat::TEXT);
        let Ok(entries) = content::decode(format, path, message.payload()) else {
            self.counters.observations.undecodable += 1;
            return None;
        };
        self.look_for_state(slot, &entries, now);
        Some(entries)
    }

    /// An observation has ended at the other end; whether it stood.
    pub(super) fn unobserve(&mut self, slot: Slot, handle: Handle) -> bool {
        let work = self.peers.get(slot).and_then(|peer| peer.app.work.as_mut());
        work.is_some_and(|work| work.unobserve(handle))
    }

    /// An observation has ended because we wanted it to.
    pub(super) fn cancelled(&mut self, slot: Slot, path: Path) {
        let Some(work) = self.peers.get(slot).and_then(|peer| peer.app.work.as_mut()) else { return };
        if let Some(handle) = work.observation(path) {
            work.unobserve(handle);
            self.counters.observations.dropped += 1;
        }
    }
}
