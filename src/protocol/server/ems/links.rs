//! Devices whose sessions or streams come and go, while their registrations stay.
//!
//! ```text
//! session over -> what is on its way has failed, observations are void, what waits goes on waiting
//! session up   -> Register: all begins anew
//!              -> Update, Send: it is the one that was registered; observed again, and asked what waited
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Ems;
use super::config::Question;
use super::registry::Place;
use crate::base::Instant;
use crate::protocol::coap::{Event, Failure};
use crate::protocol::server::peers::{Link, Slot};

impl Ems {
    /// A session or stream has come up. Nothing is asked of the device before it has said something that shows
    /// whether it still knows of its registration: one that was started again will register first, and until
    /// then has no use for requests (LwM2M Core §6.2.1).
    pub(super) fn connected(
        &mut self,
        peer: SocketAddr,
        to: IpAddr,
        identity: Option<Arc<str>>,
        now: Instant,
    ) {
        if let Some(slot) = self.peers.find(peer) {
            self.cut(slot, now);
        }
        let slot = self.peers.connect(peer, to, identity, now);
        self.made_room();
        let place = self.peers.get(slot).and_then(|peer| peer.app.place);
        if place.is_some_and(|place| !self.may_be(slot, place)) {
            // Somebody else has the address now.
            self.void(slot);
            if let Some(peer) = self.peers.get(slot) {
                peer.app.place = None;
            }
        }
        self.drain(slot, now);
    }

    /// A session or stream is over: what was on its way has failed, and what was observed is no longer. The peer
    /// is to be settled or connected again.
    pub(super) fn cut(&mut self, slot: Slot, now: Instant) {
        let Some(peer) = self.peers.get(slot) else { return };
        let current = peer.app.work.as_ref().and_then(|work| work.current.as_ref());
        if let Some(handle) = current.map(|(handle, _)| *handle) {
            self.managed(slot, Event::Failed { handle, why: Failure::Lost }, now);
        }
        if self.is_interviewed(slot) {
            self.question_failed(slot);
        }
        self.peers.cut(slot);
        let Some(peer) = self.peers.get(slot) else { return };
        let Some(work) = &mut peer.app.work else { return };
        self.counters.observations.dropped += work.standing() as u64;
        work.cut = true;
        if work.is_empty() {
            peer.app.work = None;
        }
        peer.kept = peer.app.work.is_some();
    }

    /// The device at the other end of a new session is the one that was registered: what was observed in the
    /// session before is observed again.
    pub(super) fn trust(&mut self, slot: Slot, now: Instant) {
        let Some(peer) = self.peers.get(slot).filter(|peer| peer.link == Link::Fresh) else { return };
        peer.link = Link::Up;
        let Some(work) = &mut peer.app.work else { return };
        if std::mem::take(&mut work.cut) {
            let observed = std::mem::take(&mut work.observed);
            let questions = observed.into_iter().map(|observed| Question::observe(observed.path));
            self.ask(slot, questions, now);
        }
    }

    /// Whether this peer may be the device that is registered at this place.
    pub(super) fn may_be(&mut self, slot: Slot, place: Place) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        // What waits for a device that is not there is kept under its last address.
        if peer.link == Link::Down {
            return true;
        }
        self.registry.name(place).is_some_and(|name| peer.may_be(name, self.config.proven))
    }

    /// Whether this peer is a registered device. One that has proven its name takes its registration along to
    /// whatever address it comes from.
    pub(super) fn is_registered(&mut self, slot: Slot, now: Instant) -> bool {
        if !self.restore(slot) && !self.bring_along(slot, now) {
            return false;
        }
        self.trust(slot, now);
        true
    }

    fn bring_along(&mut self, slot: Slot, now: Instant) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        let Some(place) = peer.identity.as_deref().and_then(|name| self.registry.named(name)) else {
            return false;
        };
        let Some(registration) = self.registry.get_mut(place) else { return false };
        registration.terms.local = peer.local;
        let before = std::mem::replace(&mut registration.terms.address, peer.address);
        if before == peer.address {
            self.attach(slot, place);
        } else {
            self.moved(place, before, slot, now);
        }
        true
    }
}
