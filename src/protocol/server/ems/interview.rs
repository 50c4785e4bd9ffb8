//! What an EMS asks a device as it registers.

use super::Ems;
use super::config::{Ask, Interview, Question};
use super::device::{Job, UnderInterview};
use super::objects::ObjectList;
use super::registry::Place;
use crate::base::Instant;
use crate::protocol::coap::{Handle, Message};
use crate::protocol::lwm2m::Path;
use crate::protocol::server::peers::Slot;

impl Question {
    /// To observe this.
    pub(super) fn observe(path: Path) -> Self {
        Question { path, ask: Ask::Observe }
    }
}

impl Ems {
    /// Whether questions of an interview are open.
    pub(super) fn is_interviewed(&mut self, slot: Slot) -> bool {
        let peer = self.peers.get(slot);
        peer.and_then(|peer| peer.app.work.as_ref()).is_some_and(|work| work.interview.is_some())
    }

    /// Begins to ask a device about what it has, or about what it did not have `before`.
    pub(super) fn begin_interview(
        &mut self,
        slot: Slot,
        place: Place,
        before: Option<&ObjectList>,
        now: Instant,
    ) {
        if self.config.interview == Interview::Off {
            return;
        }
        let config = self.config.clone();
        let Some(registration) = self.registry.get(place) else { return };
        let objects = registration.terms.objects.clone();
        let new = |question: &&Question| {
            objects.has(question.path) && !before.is_some_and(|before| before.has(question.path))
        };
        self.ask(slot, config.interview.questions().iter().filter(new).copied(), now);
    }

    /// Asks these questions, after those that are open.
    pub(super) fn ask(&mut self, slot: Slot, questions: impl Iterator<Item = Question>, now: Instant) {
        let mut questions = questions.peekable();
        if questions.peek().is_none() {
            return;
        }
        let Some(peer) = self.peers.get(slot) else { return };
        peer.kept = true;
        let work = peer.app.work.get_or_insert_default();
        let begun = &mut self.counters.interviews.begun;
        let interview = work.interview.get_or_insert_with(|| {
            *begun += 1;
            UnderInterview { began: now, left: 0 }
        });
        for question in questions {
            interview.left += 1;
            work.jobs.push_back(Job::Question(question));
        }
    }

    /// A question was answered, well or not.
    pub(super) fn question_answered(
        &mut self,
        slot: Slot,
        question: Question,
        handle: Handle,
        message: &Message,
        now: Instant,
    ) {
        if message.code().is_success() {
            self.counters.interviews.ok += 1;
        } else {
            self.counters.interviews.errors += 1;
        }
        match question.ask {
            Ask::Read => _ = self.read(slot, question.path, message, now),
            Ask::Observe => self.observing(slot, question.path, handle, message, now),
        }
        let Some(work) = self.peers.get(slot).and_then(|peer| peer.app.work.as_mut()) else { return };
        let Some(interview) = &mut work.interview else { return };
        interview.left = interview.left.saturating_sub(1);
        if interview.left == 0 {
            self.counters.interviews.completed += 1;
            self.counters.interviews.duration.record(now.since(interview.began));
            work.interview = None;
        }
    }

    /// A question was not answered: the device is not there, or does not know what it is asked.
    pub(super) fn question_failed(&mut self, slot: Slot) {
        let Some(work) = self.peers.get(slot).and_then(|peer| peer.app.work.as_mut()) else { return };
        if work.interview.take().is_some() {
            self.counters.interviews.failed += 1;
        }
        work.jobs.retain(|job| !matches!(job, Job::Question(_)));
    }
}
