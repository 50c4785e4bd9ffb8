//! What servers do to /5 Firmware Update and /9 Software Management: packages, and the commands that install
//! them, go to the device and not into its store.
//!
//! What a device shows of it (states, results, names) is in its store like any other value; here is what
//! moves it. `target` has the numbers of the two objects, `installation` the machine of one package,
//! `download` fetches one, `pull` and this file make them part of the [`Client`]. A device that is idle has
//! nothing of all this.
//!
//! A package written to /5/0/0 or /9/x/2 comes put together by the exchange layer, so that the state goes
//! from Idle to Downloaded when its last block is there. DOWNLOADED (2) of /9 is passed over likewise: what
//! is here is checked, and so DELIVERED.

mod download;
mod installation;
mod policy;
mod pull;
mod target;
mod uri;

use std::time::Duration;

use smallvec::SmallVec;

use self::download::Download;
use self::installation::{Installation, Shown, Step};
use self::target::{Report, Status, Target, Verb};
use self::uri::PackageUri;
use super::client::{Client, earliest, exchange_timeout};
use super::event::{Fate, Link, Reason, State};
use crate::base::Instant;
use crate::protocol::coap::{self, Code};
use crate::protocol::lwm2m::package::{PackageCheck, PackageVersion};
use crate::protocol::lwm2m::{Entry, Path, Tree, Value};

pub use policy::{FirmwarePolicy, PackageFailure};

/// Firmware Version.
pub(super) const VERSION: Path = Path::resource(3, 0, 3);

/// Something a server wants done with a package.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// This value was written: the package itself, or where it is to be downloaded from.
    Write(Entry),
    /// This resource was executed.
    Execute(Path),
}

impl Command {
    /// The resource it came by.
    fn path(&self) -> Path {
        match self {
            Command::Write(entry) => entry.path,
            Command::Execute(path) => *path,
        }
    }

    /// What is written; none if something is executed.
    fn value(&self) -> Option<&Value> {
        match self {
            Command::Write(entry) => Some(&entry.value),
            Command::Execute(_) => None,
        }
    }
}

/// Whether what a server writes or executes at `path`, a resource, is a [`Command`].
pub(super) fn intercepts(path: Path) -> bool {
    Target::of(path).is_some()
}

/// Whether a server may, as things stand, write `value` at `path`, a resource, or without one, execute it.
/// What is no [`Command`] is none of our business, and may come.
///
/// # Errors
/// 4.05 for what the present state does not allow: a package or a URI while there is another, or in a way
/// that is not that of /5/0/9; Update before Downloaded, Cancel before there is anything or after Update
/// (/5/0/10); Install before Delivered, Activate and the others before Installed.
pub(super) fn admit(tree: &Tree, path: Path, value: Option<&Value>) -> Result<(), Code> {
    let Some((target, verb)) = Target::of(path) else { return Ok(()) };
    let status = target.status(tree);
    let ready = match (target, verb) {
        (Target::Firmware, Verb::Package | Verb::Uri) if resets(value) => status != Status::Installing,
        (Target::Firmware, Verb::Package) => status == Status::Idle && delivery(tree) != Some(PULL_ONLY),
        (Target::Firmware, Verb::Uri) => status == Status::Idle && delivery(tree) != Some(PUSH_ONLY),
        (Target::Software(_), Verb::Package | Verb::Uri) => status == Status::Idle,
        (_, Verb::Install) => status == Status::Ready,
        (_, Verb::Cancel) => matches!(status, Status::Downloading | Status::Ready),
        (_, Verb::Uninstall) => matches!(status, Status::Ready | Status::Installed),
        (_, Verb::Run(true)) => {
            let active = tree.get(target.resource(12)).and_then(Value::as_bool);
            status == Status::Installed && active == Some(true)
        }
        (_, Verb::Activate(_) | Verb::Run(false) | Verb::Purge) => status == Status::Installed,
    };
    if ready { Ok(()) } else { Err(Code::METHOD_NOT_ALLOWED) }
}

/// Values of /5/0/9.
const PULL_ONLY: i64 = 0;
const PUSH_ONLY: i64 = 1;

fn delivery(tree: &Tree) -> Option<i64> {
    tree.get(Target::Firmware.resource(9)).and_then(Value::as_integer)
}

/// /5/0/3: an empty URI, or a package set to NULL, resets the state machine.
fn resets(value: Option<&Value>) -> bool {
    value.is_some_and(|value| match value {
        Value::Opaque(bytes) => matches!(**bytes, [] | [0]),
        value => value.byte_len() == 0,
    })
}

/// The version of the firmware a device runs, if it is not the one it left the factory with.
pub(super) fn version(tree: &Tree) -> Option<&Value> {
    tree.get(VERSION).filter(|_| tree.is_own(VERSION))
}

/// The packages a device has to do with.
#[derive(Default)]
pub(super) struct Packages {
    /// One for each object instance at the most.
    installations: SmallVec<[Installation; 1]>,
    /// One at a time: others wait.
    download: Option<Box<Download>>,
}

impl Packages {
    /// Whether a GET of a package is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.download.as_ref().is_some_and(|download| download.asking)
    }

    /// Whether a package is being downloaded, or a download that broke off is to go on.
    pub(super) fn is_downloading(&self) -> bool {
        self.download.is_some()
    }

    /// Whether the way to the package that is being downloaded stands.
    pub(super) fn is_open(&self) -> bool {
        self.download.as_ref().is_some_and(|download| download.open)
    }

    /// The exchange layer of the download.
    pub(super) fn exchange(&mut self) -> Option<&mut coap::Exchange> {
        self.download.as_mut().map(|download| &mut download.exchange)
    }

    /// Whether a datagram from where other links lead as well is for the download.
    pub(super) fn awaits(&self, datagram: &[u8]) -> bool {
        self.download.as_ref().is_some_and(|download| download.exchange.awaits(datagram))
    }

    /// When [`Client::packages_due`] is to be called.
    pub(super) fn timeout(&self) -> Option<(Instant, Reason)> {
        let steps = self.installations.iter().filter_map(Installation::deadline);
        let resume = self.download.as_ref().and_then(|download| download.resume);
        let own = steps.chain(resume).min().map(|at| (at, Reason::Package));
        let exchange = self.download.as_ref().and_then(|download| exchange_timeout(&download.exchange));
        earliest(own, exchange)
    }

    fn is_fetching(&self, target: Target) -> bool {
        self.download.as_ref().is_some_and(|download| download.target == target)
    }

    fn of(&mut self, target: Target) -> Option<&mut Installation> {
        self.installations.iter_mut().find(|installation| installation.target == target)
    }

    fn remove(&mut self, target: Target) -> Option<Installation> {
        let at = self.installations.iter().position(|installation| installation.target == target)?;
        Some(self.installations.remove(at))
    }
}

/// How a device takes packages.
impl Client {
    /// Carries out a command that was admitted and answered with success.
    pub(super) fn package_command(&mut self, command: Command, now: Instant) {
        let Some((target, verb)) = Target::of(command.path()) else { return };
        if admit(&self.tree, command.path(), command.value()).is_err() {
            // Of several in one request, one before changed the state: what does not fit any more has no effect.
            return;
        }
        let reset = target == Target::Firmware && resets(command.value());
        match (verb, command) {
            (Verb::Package | Verb::Uri, Command::Write(_)) if reset => {
                self.end_package(target, Shown { status: Status::Idle, report: Report::Initial }, now);
            }
            (Verb::Package, Command::Write(Entry { value: Value::Opaque(bytes), .. })) => {
                self.package_written(target, &bytes, now);
            }
            (Verb::Uri, Command::Write(entry)) => self.package_uri_written(target, entry, now),
            (Verb::Install, _) => self.install_package(target, now),
            (Verb::Cancel, _) => {
                self.end_package(target, Shown { status: Status::Idle, report: Report::Cancelled }, now);
            }
            (Verb::Uninstall, _) => self.uninstall_package(target, now),
            (Verb::Activate(active), _) => {
                self.put_value(target.resource(12), Value::Boolean(active), now);
                if !active {
                    self.put_value_if_there(target.resource(21), Value::Integer(0), now);
                }
            }
            (Verb::Run(running), _) => {
                self.put_value_if_there(target.resource(21), Value::Integer(running.into()), now);
            }
            // Nothing is to be seen of it, and a package is of the kind its object says.
            (Verb::Purge | Verb::Package, _) | (Verb::Uri, Command::Execute(_)) => {}
        }
    }

    /// A whole package was pushed.
    fn package_written(&mut self, target: Target, bytes: &[u8], now: Instant) {
        let fate = self.config.firmware.fate(&mut self.rng);
        let mut check = PackageCheck::default();
        check.take(bytes);
        let mut installation = Installation { target, step: Step::Downloading, fate };
        let shown = installation.received(&check, &self.config.firmware);
        self.packages.get_or_insert_default().installations.push(installation);
        self.package_arrived(target, shown, now);
    }

    /// A package is to be pulled, "at the next practical opportunity" (/5/0/1).
    fn package_uri_written(&mut self, target: Target, entry: Entry, now: Instant) {
        let fate = self.config.firmware.fate(&mut self.rng);
        let uri = match (fate, entry.value.as_str()) {
            (Some(why @ (PackageFailure::InvalidUri | PackageFailure::UnsupportedProtocol)), _) => Err(why),
            (_, Some(uri)) => PackageUri::parse(uri),
            (_, None) => Err(PackageFailure::InvalidUri),
        };
        if target == Target::Firmware {
            self.put_value(entry.path, entry.value, now);
        }
        match uri {
            Err(why) => self.show_package(target, Shown::failed(why), now),
            Ok(uri) => {
                let installation = Installation { target, step: Step::Waiting(uri), fate };
                self.packages.get_or_insert_default().installations.push(installation);
                let shown = Shown { status: Status::Downloading, report: Report::Downloading };
                self.show_package(target, shown, now);
                self.next_download(now);
            }
        }
    }

    /// The package of `target` is here, or of no use.
    fn package_arrived(&mut self, target: Target, shown: Shown, now: Instant) {
        if shown.is_over() {
            return self.end_package(target, shown, now);
        }
        let version = self.packages.as_mut().and_then(|packages| packages.of(target)?.version());
        if let Some(version) = version {
            let [name, at] = target.label();
            self.put_value_if_there(name, "package".into(), now);
            self.put_value_if_there(at, Value::String(version.to_string().into()), now);
        }
        self.show_package(target, shown, now);
        if target == Target::Firmware && self.tree.get(target.resource(14)) == Some(&Value::Boolean(true)) {
            // /5/0/14: it is installed without being asked for.
            self.install_package(target, now);
        }
    }

    /// Update or Install.
    fn install_package(&mut self, target: Target, now: Instant) {
        let put_off = if target == Target::Firmware { self.put_off() } else { None };
        let config = self.config.clone();
        let installation = self.packages.as_mut().and_then(|packages| packages.of(target));
        let shown = match installation {
            Some(installation) => installation.install(put_off, &config.firmware, now),
            // A store that says there is a package, and no device behind it.
            None => Some(Shown::failed(PackageFailure::Installation)),
        };
        if let Some(shown) = shown {
            self.show_package(target, shown, now);
        }
    }

    /// For how long somebody puts the update off, if at all: never a critical one (/5/0/11), nor one that may
    /// not be deferred (/5/0/13).
    fn put_off(&mut self) -> Option<Duration> {
        let policy = &self.config.firmware;
        if policy.deferred <= 0.0 {
            return None;
        }
        let number = |id| self.tree.get(Target::Firmware.resource(id)).and_then(Value::as_integer);
        let longest = number(13).map_or(Duration::MAX, |s| Duration::from_secs(s.try_into().unwrap_or(0)));
        let span = policy.defer_time.min(longest);
        let critical = number(11) == Some(0);
        (!critical && !span.is_zero() && self.rng.chance(policy.deferred)).then_some(span)
    }

    fn uninstall_package(&mut self, target: Target, now: Instant) {
        self.put_value(target.resource(12), Value::Boolean(false), now);
        self.put_value_if_there(target.resource(21), Value::Integer(0), now);
        for label in target.label() {
            self.put_value_if_there(label, "".into(), now);
        }
        self.end_package(target, Shown { status: Status::Idle, report: Report::Initial }, now);
    }

    // ----- showing --------------------------------------------------------------------------------

    /// The package of `target` is done with: what there is of it goes, and this is what is left to see.
    fn end_package(&mut self, target: Target, shown: Shown, now: Instant) {
        if self.packages.as_ref().is_some_and(|packages| packages.is_fetching(target)) {
            self.close_download(Fate::Abandoned);
        }
        let ended = self.packages.as_mut().and_then(|packages| packages.remove(target));
        if target == Target::Firmware {
            for path in [target.uri(), target.label()[0], target.label()[1]] {
                self.put_value_if_there(path, "".into(), now);
            }
            let version = ended.and_then(|installation| installation.version());
            if let Some(version) = version.filter(|_| shown.status == Status::Installed) {
                self.restart_with(version, now);
            }
        }
        self.show_package(target, shown, now);
        self.next_download(now);
        self.forget_packages();
    }

    /// A device that has nothing to do with packages keeps no memory for them.
    fn forget_packages(&mut self) {
        if self.packages.take_if(|packages| packages.installations.is_empty()).is_some() {
            self.tree.shrink_to_fit();
        }
    }

    /// The new firmware runs.
    fn restart_with(&mut self, version: PackageVersion, now: Instant) {
        self.put_value(VERSION, Value::String(version.to_string().into()), now);
        let up = matches!(
            self.state,
            State::Registering | State::RegistrationBackoff | State::Registered | State::Updating
        );
        if up && !self.leaving && self.config.firmware.reboots {
            self.reboot(now);
        }
    }

    fn show_package(&mut self, target: Target, shown: Shown, now: Instant) {
        self.put_value(target.state(), Value::Integer(target.state_value(shown.status)), now);
        self.put_value(target.result(), Value::Integer(target.result_value(shown.report)), now);
    }

    /// Gives a resource this value; observers are to know if it had another.
    fn put_value(&mut self, path: Path, value: Value, now: Instant) {
        self.put_value_where(path, value, |_| true, now);
    }

    /// The same of an optional resource, which not every device has.
    fn put_value_if_there(&mut self, path: Path, value: Value, now: Instant) {
        self.put_value_where(path, value, |held| held.is_some(), now);
    }

    /// During a bootstrap there are two stores, and one that fails goes back to the other: what became of a
    /// package is in both.
    fn put_value_where(
        &mut self,
        path: Path,
        value: Value,
        wanted: fn(Option<&Value>) -> bool,
        now: Instant,
    ) {
        let saved = self.bootstrap.as_mut().map(|session| &mut session.saved);
        let mut changed = false;
        for store in [Some(&mut self.tree), saved].into_iter().flatten() {
            let held = store.get(path);
            if wanted(held) && held != Some(&value) {
                store.set(path, value.clone());
                changed = true;
            }
        }
        if changed {
            self.changed(path, now);
        }
    }

    // ----- time, and the end of it ----------------------------------------------------------------

    /// Does what is due of packages by now.
    pub(super) fn packages_due(&mut self, now: Instant) {
        let Some(packages) = &mut self.packages else { return };
        if let Some(exchange) = packages.exchange() {
            exchange.handle_timeout(now);
            self.drain(Link::Package, now);
        }
        self.resume_download(now);
        let config = self.config.clone();
        while let Some((target, shown)) = self.packages.as_mut().and_then(|packages| {
            let mut all = packages.installations.iter_mut();
            all.find_map(|one| Some((one.target, one.due(&config.firmware, now)?)))
        }) {
            self.installation_moved(target, shown, now);
        }
    }

    fn installation_moved(&mut self, target: Target, shown: Shown, now: Instant) {
        if let (true, Target::Software(_)) = (shown.is_over(), target) {
            // What is installed is shown as it is; the machine is not needed for it.
            if let Some(packages) = &mut self.packages {
                packages.remove(target);
            }
            self.show_package(target, shown, now);
            self.forget_packages();
        } else if shown.is_over() {
            self.end_package(target, shown, now);
        } else {
            self.show_package(target, shown, now);
        }
    }

    /// The device is switched off or leaves: its packages come to nothing.
    pub(super) fn abandon_packages(&mut self) {
        self.close_download(Fate::Abandoned);
        self.packages = None;
    }
}

#[cfg(test)]
mod tests;
