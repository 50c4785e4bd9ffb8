//! Requests to devices: one at a time for each, the others waiting here (NSTART 1), and none while a device
//! in queue mode sleeps (LwM2M Core §6.5).

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::campaign::Action;
use super::config::{Ask, EmsConfig, Question};
use super::device::{Job, Task, Work};
use super::firmware::Step;
use super::objects::ObjectList;
use super::registry::{Place, Registration};
use super::{Ems, firmware};
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Event, Failure, Handle, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value, Version};
use crate::protocol::server::peers::Slot;

/// A job as its device is to get it.
enum Prepared {
    Request(Message),
    Observe(Message),
    /// End this observation.
    Cancel(Handle),
    /// Which account is the server's has to be found out first.
    Locate(Message),
    /// It cannot be done.
    Nothing,
}

impl Ems {
    /// A device was heard, by a datagram of so many bytes.
    pub(super) fn heard(&mut self, slot: Slot, bytes: usize, now: Instant) {
        let Some(peer) = self.peers.get(slot) else { return };
        peer.app.heard = now;
        if self.is_interviewed(slot) {
            self.counters.interviews.received += 1;
            self.counters.interviews.received_bytes += bytes as u64;
        }
    }

    /// Has a request wait for a registered device, behind what waits already; its peer, which is to be
    /// drained.
    pub(super) fn push(&mut self, place: Place, number: u16, task: Task) -> Option<Slot> {
        let terms = &self.registry.get(place)?.terms;
        let slot = self.peers.open(terms.address, terms.local);
        self.made_room();
        if !self.restore(slot) && self.may_be(slot, place) {
            self.attach(slot, place);
        }
        let peer = self.peers.get(slot)?;
        let campaign = &mut self.counters.campaigns[usize::from(number)];
        campaign.requests += 1;
        if peer.app.place != Some(place) {
            // Somebody else registered from this address since.
            campaign.passed_over += 1;
            return None;
        }
        let work = peer.app.work.get_or_insert_default();
        if work.jobs.len() >= self.config.max_waiting {
            campaign.overflowed += 1;
            return None;
        }
        work.jobs.push_back(Job::Campaign(number, task));
        peer.kept = true;
        Some(slot)
    }

    /// Gives a device what waits for it, if it is there, idle and awake. False if nothing was given and the peer's
    /// message layer has nothing new to say.
    pub(super) fn advance(&mut self, slot: Slot, now: Instant) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        let Some(work) = &mut peer.app.work else { return false };
        if work.current.is_some() {
            return false;
        }
        let Some(job) = work.jobs.front().copied() else {
            // A dozen questions are over: their room goes back.
            work.jobs = VecDeque::new();
            if work.is_empty() {
                peer.app.work = None;
            }
            peer.kept = peer.app.work.is_some();
            return false;
        };
        let Some(registration) = peer.app.place.and_then(|place| self.registry.get(place)) else {
            self.void(slot);
            return false;
        };
        let asleep = registration.terms.queue && now > peer.app.heard + self.config.awake;
        if asleep || !peer.link.is_trusted() {
            for job in work.jobs.iter().skip(work.held as usize) {
                self.counters.queue.held += 1;
                if let Job::Campaign(number, _) = job {
                    self.counters.campaigns[usize::from(*number)].held += 1;
                }
            }
            work.held = u32::try_from(work.jobs.len()).unwrap_or(u32::MAX);
            return false;
        }
        self.counters.queue.released += u64::from(std::mem::take(&mut work.held));
        work.jobs.pop_front();
        let exchange = &mut peer.exchange;
        let mut given = job;
        let handle = match prepare(&self.config, &self.packages, job, registration, work) {
            Prepared::Request(message) => Some(exchange.request(message, now)),
            Prepared::Observe(message) => Some(exchange.observe(message, now)),
            Prepared::Cancel(observation) => exchange.cancel_observation(observation, now),
            Prepared::Locate(message) => {
                if let Job::Campaign(number, _) = job {
                    given = Job::Campaign(number, Task::Locate);
                }
                Some(exchange.request(message, now))
            }
            Prepared::Nothing => None,
        };
        work.current = handle.map(|handle| (handle, given));
        match (job, handle) {
            (Job::Question(_), _) => self.counters.interviews.requests += 1,
            (Job::Campaign(number, _), Some(_)) => self.counters.campaigns[usize::from(number)].sent += 1,
            (Job::Campaign(number, _), None) => {
                self.counters.campaigns[usize::from(number)].passed_over += 1;
            }
        }
        true
    }

    /// Takes what a device's message layer says about requests and observations of ours.
    pub(super) fn managed(&mut self, slot: Slot, event: Event, now: Instant) {
        match event {
            Event::Response { handle, message, sent, .. } => {
                let Some(job) = self.done(slot, handle) else { return };
                match job {
                    Job::Question(question) => self.question_answered(slot, question, handle, &message, now),
                    Job::Campaign(number, task) => {
                        let campaign = &mut self.counters.campaigns[usize::from(number)];
                        campaign.answered(message.code(), now.since(sent));
                        self.task_answered(slot, number, task, handle, &message, now);
                    }
                }
            }
            Event::Failed { handle, why } => {
                let Some(job) = self.done(slot, handle) else { return };
                match job {
                    Job::Question(_) => self.question_failed(slot),
                    Job::Campaign(number, task) => {
                        self.counters.abandoned += u64::from(why == Failure::Abandoned);
                        self.counters.campaigns[usize::from(number)].failed(why);
                        self.task_failed(slot, number, task);
                    }
                }
            }
            Event::Notification { handle, message, fresh } => {
                self.notified(slot, handle, &message, fresh, now);
            }
            Event::NotificationLost { .. } => self.counters.observations.lost += 1,
            Event::ObservationEnded { handle, .. } => {
                self.counters.observations.ended += u64::from(self.unobserve(slot, handle));
            }
            // Requests are answered elsewhere; the others are of things an EMS does not do.
            Event::Request(_)
            | Event::Notified { .. }
            | Event::Noise(_)
            | Event::Stat(_)
            | Event::Leave(_) => {}
        }
    }

    /// The request that has ended; `None` if it was given up before.
    fn done(&mut self, slot: Slot, handle: Handle) -> Option<Job> {
        let work = self.peers.get(slot)?.app.work.as_mut()?;
        let (_, job) = work.current.take_if(|(current, _)| *current == handle)?;
        Some(job)
    }

    fn task_answered(
        &mut self,
        slot: Slot,
        number: u16,
        task: Task,
        handle: Handle,
        message: &Message,
        now: Instant,
    ) {
        let config = self.config.clone();
        match (task, &config.campaigns[usize::from(number)].action) {
            (Task::Act, Action::Observe(path)) => self.observing(slot, *path, handle, message, now),
            (Task::Act, Action::Read(path)) => _ = self.read(slot, *path, message, now),
            (Task::Act, Action::Cancel(path)) => self.cancelled(slot, *path),
            (Task::Act, _) => {}
            (Task::Locate, _) => self.located(slot, number, message, now),
            (Task::Firmware(step, endpoint), _) => self.step_answered(slot, endpoint, step, message, now),
        }
    }

    fn task_failed(&mut self, slot: Slot, number: u16, task: Task) {
        let config = self.config.clone();
        match (task, &config.campaigns[usize::from(number)].action) {
            // However the request to end an observation ends, the observation does so too.
            (Task::Act, Action::Cancel(path)) => self.cancelled(slot, *path),
            (Task::Firmware(step, endpoint), _) => self.step_failed(endpoint, step),
            _ => {}
        }
    }

    /// The device was asked for its accounts (/1): remembers which is ours, and goes on.
    fn located(&mut self, slot: Slot, number: u16, message: &Message, now: Instant) {
        let accounts = self.read(slot, Path::object(1), message, now).unwrap_or_default();
        let ours = i64::from(self.config.short_server_id);
        let account = accounts.iter().find_map(|entry| match entry.path.ids() {
            [1, instance, 0] if firmware::number(&entry.value) == Some(ours) => Some(*instance),
            _ => None,
        });
        let Some(peer) = self.peers.get(slot) else { return };
        let registration = peer.app.place.and_then(|place| self.registry.get_mut(place));
        let campaign = &mut self.counters.campaigns[usize::from(number)];
        campaign.requests += 1;
        match (registration, &mut peer.app.work, account) {
            (Some(registration), Some(work), Some(account)) => {
                registration.account = Some(account);
                work.jobs.push_front(Job::Campaign(number, Task::Act));
            }
            _ => campaign.passed_over += 1,
        }
    }

    /// Gives up all that is under way with a device and waits for it; whether there was anything.
    pub(super) fn void(&mut self, slot: Slot) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        let Some(work) = peer.app.work.take() else { return false };
        peer.kept = false;
        for observed in &work.observed {
            peer.exchange.forget_observation(observed.handle);
        }
        if let Some((handle, _)) = work.current {
            peer.exchange.abandon(handle);
        }
        self.dropped(*work);
        true
    }

    /// Counts what was given up.
    pub(super) fn dropped(&mut self, work: Work) {
        self.counters.observations.dropped += work.standing() as u64;
        self.counters.interviews.cut_short += u64::from(work.interview.is_some());
        self.counters.queue.dropped += u64::from(work.held);
        self.counters.abandoned += u64::from(work.current.is_some());
        for job in work.current.map(|(_, job)| job).into_iter().chain(work.jobs) {
            let Job::Campaign(number, task) = job else { continue };
            self.counters.campaigns[usize::from(number)].cancelled += 1;
            if let Task::Firmware(_, endpoint) = task {
                self.step_dropped(endpoint);
            }
        }
    }

    /// The device of this registration, which was at `before`, is the peer at `slot` now. Observations do
    /// not move with it (their tokens are the old address's, RFC 7252 §5.3.1), so they are begun again.
    pub(super) fn moved(&mut self, place: Place, before: SocketAddr, slot: Slot, now: Instant) {
        let (questions, jobs) = self.leave(place, before, now);
        self.attach(slot, place);
        self.trust(slot, now);
        if let Some(peer) = self.peers.get(slot).filter(|_| !jobs.is_empty()) {
            peer.app.work.get_or_insert_default().jobs.extend(jobs);
            peer.kept = true;
        }
        self.ask(slot, questions.into_iter(), now);
    }

    /// Parts a registration from the peer it had: what has to be asked again elsewhere, and what waited.
    fn leave(&mut self, place: Place, before: SocketAddr, now: Instant) -> (Vec<Question>, VecDeque<Job>) {
        let nothing = (Vec::new(), VecDeque::new());
        let Some(slot) = self.peers.find(before) else {
            self.unpark(before);
            return nothing;
        };
        let Some(peer) = self.peers.get(slot).filter(|peer| peer.app.place == Some(place)) else {
            return nothing;
        };
        peer.app.place = None;
        let Some(work) = &mut peer.app.work else { return nothing };
        self.counters.queue.released += u64::from(std::mem::take(&mut work.held));
        let observed = work.observed.iter().map(|observed| Job::Question(Question::observe(observed.path)));
        let asked = work.current.map(|(_, job)| job).filter(|job| matches!(job, Job::Question(_)));
        let all = observed.chain(asked).chain(std::mem::take(&mut work.jobs));
        let (questions, jobs): (VecDeque<Job>, _) = all.partition(|job| matches!(job, Job::Question(_)));
        let questions = questions.into_iter().filter_map(|job| match job {
            Job::Question(question) => Some(question),
            Job::Campaign(..) => None,
        });
        let questions = questions.collect();
        self.void(slot);
        self.drain(slot, now);
        (questions, jobs)
    }
}

/// The request that a job is.
fn prepare(
    config: &EmsConfig,
    packages: &[Vec<u8>],
    job: Job,
    registration: &Registration,
    work: &Work,
) -> Prepared {
    let objects = &*registration.terms.objects;
    let (number, task) = match job {
        Job::Question(Question { path, ask: Ask::Read }) => return Prepared::Request(read(objects, path)),
        Job::Question(Question { path, ask: Ask::Observe }) => return Prepared::Observe(read(objects, path)),
        Job::Campaign(number, task) => (number, task),
    };
    if let Task::Firmware(step, _) = task {
        return Prepared::Request(match step {
            Step::Push => to(objects, Code::PUT, Path::resource(5, 0, 0))
                .with_content_format(ContentFormat::OPAQUE)
                .with_payload(packages[usize::from(number)].clone()),
            Step::Uri => {
                let uri = Value::from(format!("{}/firmware/{number}", config.uri).as_str());
                return write(registration, Path::resource(5, 0, 1), &uri);
            }
            Step::Execute => to(objects, Code::POST, Path::resource(5, 0, 2)),
            Step::State => read(objects, Path::resource(5, 0, 3)),
            Step::Result => read(objects, Path::resource(5, 0, 5)),
        });
    }
    let execute = |path| Prepared::Request(to(objects, Code::POST, path));
    let of_account = |resource| match account(registration) {
        Some(instance) => execute(Path::resource(1, instance, resource)),
        None if objects.has(Path::object(1)) => Prepared::Locate(read(objects, Path::object(1))),
        None => Prepared::Nothing,
    };
    match &config.campaigns[usize::from(number)].action {
        Action::UpdateTrigger => of_account(8),
        Action::BootstrapTrigger => of_account(9),
        Action::Disable => of_account(4),
        Action::Reboot => execute(Path::resource(3, 0, 4)),
        Action::FactoryReset => execute(Path::resource(3, 0, 5)),
        Action::Execute { path, arguments } if arguments.is_empty() => execute(*path),
        Action::Execute { path, arguments } => Prepared::Request(
            to(objects, Code::POST, *path)
                .with_content_format(ContentFormat::TEXT)
                .with_payload(arguments.clone().into_bytes()),
        ),
        Action::Read(path) => Prepared::Request(read(objects, *path)),
        Action::Observe(path) => Prepared::Observe(read(objects, *path)),
        Action::Cancel(path) => work.observation(*path).map_or(Prepared::Nothing, Prepared::Cancel),
        Action::Write(path, value) => write(registration, *path, value),
        Action::Firmware(_) => Prepared::Nothing,
    }
}

/// The instance of /1 that is this server's: the only one, or the one that was found.
fn account(registration: &Registration) -> Option<u16> {
    let mut instances = registration.terms.objects.instances(1);
    match (instances.next(), instances.next()) {
        (Some(only), None) => Some(only),
        _ => registration.account,
    }
}

fn to(objects: &ObjectList, code: Code, path: Path) -> Message {
    let segments = objects.segments(path);
    let segments: smallvec::SmallVec<[&str; 4]> = segments.iter().map(String::as_str).collect();
    Message::request(code).with_path(&segments)
}

fn read(objects: &ObjectList, path: Path) -> Message {
    let request = to(objects, Code::GET, path);
    match objects.format {
        Some(format) => request.with_accept(format),
        None => request,
    }
}

/// A Write of one resource: in the device's best format, or in what every device of its version takes.
fn write(registration: &Registration, path: Path, value: &Value) -> Prepared {
    let Registration { terms, .. } = registration;
    let format = terms.objects.format.unwrap_or(match (terms.version, value) {
        (Version::V1_0, _) => ContentFormat::TLV,
        (_, Value::Opaque(_)) => ContentFormat::OPAQUE,
        _ => ContentFormat::TEXT,
    });
    match content::encode(format, path, &[Entry::new(path, value.clone())]) {
        Ok(payload) => Prepared::Request(
            to(&terms.objects, Code::PUT, path).with_content_format(format).with_payload(payload),
        ),
        Err(_) => Prepared::Nothing,
    }
}
