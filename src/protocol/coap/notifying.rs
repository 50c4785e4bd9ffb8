//! The answering half of observing (RFC 7641 §4): notifications of ours and what becomes of them.
//!
//! Who observes what is the owner's business; here a notification has a token and nothing else. A
//! Confirmable one waits for its turn among our requests (NSTART), and gives way to a newer one of the
//! same token wherever it is:
//!
//! ```text
//! queued     the newer one takes its place
//! in flight  the newer one goes out instead of the next retransmission, or after the acknowledgement
//! ```

use super::bodies::{self, Asked};
use super::event::{Event, Failure, Handle, Notified};
use super::exchange::Exchange;
use super::header::{Code, Token, Type};
use super::message::Message;
use super::outgoing::{Outgoing, Purpose, Stage};
use super::relations::Relations;
use crate::base::Instant;

impl Exchange {
    /// Notifies the observer whose request had this token, by a response that carries
    /// [Observe](Message::with_observe) or, with a code of class 4 or 5, ends the observation. A payload
    /// larger than [`Params::block_size`](super::Params::block_size), or than the blocks the observer asked
    /// for, goes out as its first block; the observer fetches the rest (RFC 7959 §2.6).
    ///
    /// A Confirmable one ends in exactly one [`Event::Notified`]. A Non-confirmable one is sent at once and
    /// ends in that only if the peer resets it within NON_LIFETIME, and is not the seventeenth or older by
    /// then. If a Confirmable one of the same token is under way, the new one takes over from it and is
    /// Confirmable as well: the observer must get the latest state in the end (RFC 7641 §4.5.2).
    ///
    /// Over a stream it goes out at once, and a Confirmable one is [`Notified::Acknowledged`] by that (RFC 8323
    /// appendix A.2); but where there is no connection, no observer is left: [`Notified::TimedOut`] (A.4).
    pub fn notify(&mut self, token: Token, notification: Message, confirmable: bool, now: Instant) -> Handle {
        let handle = self.fresh_handle();
        if self.stream.is_some() {
            self.notify_in_stream(token, notification, handle, confirmable, now);
            return handle;
        }
        if let Some(waiting) = self.waiting_notification(token) {
            let waiting = &mut self.requests[waiting];
            let old = std::mem::replace(&mut waiting.handle, handle);
            waiting.stage = Stage::Queued(notification);
            self.notified(old, token, Notified::Superseded);
        } else if confirmable || self.notification_in_flight(token) {
            self.enqueue(Outgoing {
                handle,
                purpose: Purpose::Notify(token),
                confirmable: true,
                stage: Stage::Queued(notification),
                first_sent: None,
                transmissions: 0,
                transfer: None,
            });
        } else {
            self.notify_unconfirmed(token, notification, handle, now);
        }
        self.start_queued(now);
        handle
    }

    fn notify_unconfirmed(&mut self, token: Token, notification: Message, handle: Handle, now: Instant) {
        let mut notification = self.first_block(token, notification, now);
        let mid = self.fresh_mid();
        notification.address(Type::Non, mid, token);
        self.last_activity = now;
        self.send(notification.encode());
        let until = now + self.params.non_lifetime();
        self.relations.get_or_insert_default().add_unconfirmed(mid, token, handle, until);
    }

    /// What is sent of a notification: all of it, or its first block. The rest is kept for an observer who
    /// is known to need it, else its owner is asked for it.
    pub(super) fn first_block(&mut self, token: Token, notification: Message, now: Instant) -> Message {
        let relations = self.relations.as_ref();
        let observer = relations.and_then(|relations| relations.observer(token));
        if !notification.code().is_success() {
            self.forget_observer(token);
        }
        let len = notification.payload().len();
        let portion = match observer {
            None if len <= self.room(&notification) => return notification,
            None => self.portion(Some(&notification)),
            Some((_, szx)) => self.portion(Some(&notification)).limited(szx),
        };
        if len <= portion.span() {
            return notification;
        }
        if !portion.reaches(len) {
            return Message::response(Code::INTERNAL_SERVER_ERROR);
        }
        let Some((asked, _)) = observer else { return bodies::first_block(notification, portion) };
        let bodies = self.bodies.get_or_insert_default();
        bodies.hand_out(asked, notification, (0, portion), &self.params, now)
    }

    /// Takes note of an observer from the answer to its request: one whose notifications may be in blocks,
    /// because this answer is or the request says how large they shall be.
    pub(super) fn note_observer(&mut self, request: &Message, answer: &Message) {
        let Some(register) = request.observe() else { return };
        let accepted = register == 0 && answer.code().is_success() && answer.observe().is_some();
        match answer.block2().or(request.block2()).filter(|_| accepted) {
            Some(block) => {
                let szx = block.szx.min(self.largest_szx());
                let relations = self.relations.get_or_insert_default();
                relations.add_observer(request.token(), Asked::by(request), szx);
            }
            None => self.forget_observer(request.token()),
        }
    }

    fn forget_observer(&mut self, token: Token) {
        if let Some(relations) = &mut self.relations {
            relations.remove_observer(token);
            self.relations.take_if(|relations| Relations::is_empty(relations));
        }
    }

    /// What a deadline of the notification in flight at `at` means if a newer one waits for its token: the
    /// newer one goes out instead (RFC 7641 §4.5.2). False if there is none, or no attempt left.
    pub(super) fn hand_over(&mut self, at: usize, now: Instant) -> bool {
        let Purpose::Notify(token) = self.requests[at].purpose else { return false };
        let attempts_left = |request: &Outgoing| {
            request.flight().is_some_and(|flight| flight.transmission.sent <= self.params.max_retransmit)
        };
        let Some(newer) = self.waiting_notification(token).filter(|_| attempts_left(&self.requests[at]))
        else {
            return false;
        };
        // What waits was given later, so the place of the older one stays.
        let newer = self.remove_request(newer);
        let Stage::Queued(notification) = newer.stage else { return false };
        let mut notification = self.first_block(token, notification, now);
        let mid = self.fresh_mid();
        notification.address(Type::Con, mid, token);
        let datagram = notification.encode();
        let older = &mut self.requests[at];
        let superseded = std::mem::replace(&mut older.handle, newer.handle);
        (older.first_sent, older.transmissions) = (Some(now), 1);
        if let Stage::Sent(flight) = &mut older.stage {
            flight.transmission.hand_over(mid, datagram.clone(), &self.params, now);
        }
        self.last_activity = now;
        self.send(datagram);
        self.notified(superseded, token, Notified::Superseded);
        true
    }

    /// Ends a notification that was not acknowledged; all that is under way for an observer who is gone
    /// ends alike.
    pub(super) fn notification_failed(&mut self, handle: Handle, token: Token, why: Failure) {
        let outcome = match why {
            Failure::Reset => Notified::Reset,
            Failure::Abandoned => Notified::Abandoned,
            Failure::Timeout | Failure::Lost | Failure::Blockwise(_) => Notified::TimedOut,
        };
        self.notified(handle, token, outcome);
        if outcome == Notified::Abandoned {
            return;
        }
        self.forget_observer(token);
        if let Some(waiting) = self.waiting_notification(token) {
            let handle = self.remove_request(waiting).handle;
            self.notified(handle, token, outcome);
        }
    }

    /// Takes a Reset of a Non-confirmable notification; false if there was none with this message id.
    pub(super) fn unconfirmed_reset(&mut self, mid: u16, now: Instant) -> bool {
        let Some(relations) = &mut self.relations else { return false };
        let Some((handle, token)) = relations.take_unconfirmed(mid, now) else { return false };
        self.forget_observer(token);
        self.notified(handle, token, Notified::Reset);
        true
    }

    pub(super) fn notified(&mut self, handle: Handle, token: Token, outcome: Notified) {
        self.event(Event::Notified { handle, token, outcome });
    }

    /// Whether a notification with this token waits for its acknowledgement.
    pub(super) fn notification_in_flight(&self, token: Token) -> bool {
        let in_flight =
            |request: &Outgoing| request.purpose == Purpose::Notify(token) && request.flight().is_some();
        self.requests.iter().any(in_flight)
    }

    fn waiting_notification(&self, token: Token) -> Option<usize> {
        let waiting =
            |request: &Outgoing| request.purpose == Purpose::Notify(token) && request.flight().is_none();
        self.requests.iter().position(waiting)
    }
}
