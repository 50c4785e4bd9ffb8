//! The bootstrap sequence (LwM2M Core §6.1.2): which of the four ways a device takes.
//!
//! ```text
//! 1 smartcard          a card that is there, can be read and makes an account
//! 2 factory            the accounts the device was made or fitted with
//! 3 what it holds      accounts from an earlier bootstrap
//! 4 client-initiated   it asks its Bootstrap-Server: no account, or every registration has failed
//! 5 server-initiated   /1/x/9, or (1.0) a Bootstrap-Server that starts writing; only now, and only while
//!                      the device still has a Bootstrap-Server Account
//! ```
//!
//! 2 and 3 are one: what the factory put in the store and what came later look alike there.

use super::card::{self, Card, Fingerprint};
use super::{commands, pack};
use crate::base::Instant;
use crate::protocol::client::account;
use crate::protocol::client::client::Client;
use crate::protocol::client::event::{Event, Failure, State};
use crate::protocol::lwm2m::Entry;

impl Client {
    /// Goes through the sequence from its start.
    pub(in crate::protocol::client) fn decide(&mut self, due: Instant, now: Instant) {
        self.look_at_card(now);
        if account::any_server(&self.tree) {
            self.listen();
            self.connect_servers(due);
        } else {
            self.need_bootstrap(due, now);
        }
    }

    /// The fourth way, after the Client Hold Off Time.
    pub(in crate::protocol::client) fn need_bootstrap(&mut self, due: Instant, now: Instant) {
        let Some(instance) = account::bootstrap_server(&self.tree) else {
            return self.give_up(Failure::NoAccount);
        };
        self.bootstrap_due = due;
        let hold_off = account::hold_off(&self.tree, instance);
        if hold_off.is_zero() {
            return self.connect_bootstrap(now);
        }
        self.wake = Some(due + hold_off);
        self.enter(State::HoldOff);
        self.listen();
    }

    pub(in crate::protocol::client) fn give_up(&mut self, failure: Failure) {
        self.tell(Event::Failed(failure));
        self.enter(State::Failed);
    }

    /// Looks at the card again, as a device does before each Register and Update. Whether there is another
    /// one, with accounts that the device now registers with from the start. The servers it was registered
    /// with are not told: like after any bootstrap, they learn it from a new Register, or by expiry.
    pub(in crate::protocol::client) fn card_exchanged(&mut self, now: Instant) -> bool {
        if self.bootstrap_under_way() || self.leaving || !self.look_at_card(now) {
            return false;
        }
        self.end_registrations();
        self.connect_servers(now);
        true
    }

    /// Brings the card's accounts into force, if the card is another than last time. A card that was taken
    /// out, cannot be read or makes no account changes nothing: the device keeps what it holds.
    pub(in crate::protocol::client) fn look_at_card(&mut self, now: Instant) -> bool {
        let Some(provision) = &self.config.provision else { return false };
        let card = provision.card(self.number, now);
        let fingerprint = Fingerprint::of(&card);
        if std::mem::replace(&mut self.card, fingerprint) == fingerprint {
            return false;
        }
        match card {
            Card::Absent => false,
            Card::Missing => {
                self.tell(Event::Failed(Failure::CardMissing));
                false
            }
            Card::Unreadable => {
                self.tell(Event::Failed(Failure::CardUnreadable));
                false
            }
            Card::Present(content) => {
                let applied = self.apply_card(&content);
                if !applied {
                    self.tell(Event::Failed(Failure::CardInconsistent));
                }
                applied
            }
        }
    }

    /// What the card has instances of takes the place of what the device has of that object; the
    /// Bootstrap-Server Account stays unless the card brings one or needs its place.
    fn apply_card(&mut self, content: &[u8]) -> bool {
        let Ok(entries) = card::decode_card(content) else { return false };
        let saved = self.tree.clone();
        let mut exempt = account::exempt(&self.tree);
        if entries.iter().any(is_bootstrap_server) {
            exempt.retain(|path| path.ids()[0] != 0);
        }
        exempt.retain(|path| path.ids()[0] != 0 || !entries.iter().any(|entry| entry.path.starts_with(path)));
        let applied = pack::replace_objects(&mut self.tree, entries, &exempt)
            && commands::settle(&mut self.tree, &saved);
        if !applied {
            self.tree = saved;
        }
        applied
    }

    /// Makes the way for a Bootstrap-Server that may start writing unasked (1.0).
    fn listen(&mut self) {
        if !self.config.bootstrap.server_initiated {
            return;
        }
        let way = account::bootstrap_server(&self.tree).map(|instance| account::way(&self.tree, instance));
        // 1.0 knows no connections.
        if let Some(Ok((uri, security))) = way
            && !uri.scheme.is_stream()
        {
            self.open_bootstrap(uri, security);
        }
    }
}

fn is_bootstrap_server(entry: &Entry) -> bool {
    matches!(*entry.path.ids(), [0, _, 1]) && entry.value.as_bool() == Some(true)
}
