//! Information reporting: cases 301 to 313.

use super::*;
use crate::metrics::{Event, RequestFate, RequestKind, Stage};
use crate::protocol::client::{Confirm, Device, SendPlan};
use crate::protocol::coap::Handle;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// /3/0/7/0 in mV and /3/0/8/0 in mA: one more every eight seconds.
fn measured(now: Instant) -> i64 {
    (now - Instant::ZERO).as_secs() as i64 / 8
}

/// A device that measures those.
#[derive(Debug)]
struct Battery;

impl Device for Battery {
    fn value(&self, path: Path, _: u64, now: Instant) -> Option<Value> {
        let measures = path == at("/3/0/7/0") || path == at("/3/0/8/0");
        measures.then(|| Value::Integer(measured(now)))
    }
}

/// A registered meter with a battery (configuration 4 of the specification).
fn with_battery(version: Version, confirm: Confirm) -> Rig {
    let mut rig = Rig::with(version, [account(), device()].concat(), |config| {
        config.device = Some(Arc::new(Battery));
        config.report.confirmable = confirm;
    });
    rig.expect_register();
    rig
}

/// A registered meter that holds no more than it has to, which a server may also be sent to (configuration 1
/// of the specification, with /1/0/23).
fn minimal(version: Version, change: impl FnOnce(&mut client::Config)) -> Rig {
    let device = device().into_iter().filter(|entry| matches!(entry.path.ids(), [3, 0, 0..=3 | 11 | 16, ..]));
    let mut store = [handed_out(), bootstrap_account(), vec![boolean("/1/0/23", false)]].concat();
    store.extend(device);
    let mut rig = Rig::with(version, store, change);
    rig.expect_register();
    rig
}

impl Rig {
    /// Begins an observation: its handle and the first answer.
    fn observe(&mut self, request: Message) -> (Handle, Message) {
        let handle = self.server.exchange.observe(request, self.now());
        let answer = self.answer_to(handle);
        assert_eq!(answer.code(), Code::CONTENT);
        assert!(answer.observe().is_some(), "{answer:?}");
        (handle, answer)
    }

    /// Ends an observation by the same request with Observe 1: the answer.
    fn cancel(&mut self, observation: Handle) -> Message {
        let handle = self.server.exchange.cancel_observation(observation, self.now());
        self.answer_to(handle.expect("it stands"))
    }

    /// The next notification of an observation: how long after now it comes, and what it says.
    fn notification(&mut self, of: Handle, patience: Duration) -> (Duration, Message) {
        let before = self.now();
        let of_this = |rig: &Rig| rig.server.notified.iter().position(|(_, theirs, _)| *theirs == of);
        self.until(patience, |rig| of_this(rig).is_some());
        let at = of_this(self).expect("a notification");
        let (when, _, message) = self.server.notified.remove(at);
        assert_eq!(message.code(), Code::CONTENT);
        assert!(message.observe().is_some(), "{message:?}");
        (when - before, message)
    }

    /// No notification of these observations comes within `time`.
    fn expect_no_notification(&mut self, of: &[Handle], time: Duration) {
        self.until(time, |_| false);
        let heard = |handle: &Handle| self.server.notified.iter().any(|(_, theirs, _)| theirs == handle);
        assert!(!of.iter().any(heard), "{:?}", self.server.notified);
    }
}

/// Observes voltage and current as cases 301 to 303 do.
fn observe_battery(rig: &mut Rig) -> [Handle; 2] {
    assert_eq!(rig.attach("/3/0/7?pmin=5&pmax=15"), Code::CHANGED);
    assert_eq!(rig.attach("/3/0/8?pmin=10&pmax=20"), Code::CHANGED);
    ["/3/0/7", "/3/0/8"].map(|path| {
        let request = request(Code::GET, path).with_accept(ContentFormat::TLV);
        let (handle, answer) = rig.observe(request);
        let values = content::decode(ContentFormat::TLV, at(path), answer.payload()).expect("TLV");
        assert_eq!(values.len(), 2);
        handle
    })
}

#[test]
fn int_301_observation_and_notification_of_parameter_values() {
    for version in ALL {
        let mut rig = with_battery(version, Confirm::ByAttribute);
        assert_eq!(rig.read("/3/0/6", ContentFormat::TLV), [integer("/3/0/6/0", 1), integer("/3/0/6/1", 5)]);
        let [voltage, current] = observe_battery(&mut rig);
        let begun = rig.now();
        rig.wait(seconds(300));
        for (handle, path, least, most) in [(voltage, "/3/0/7", 5, 15), (current, "/3/0/8", 10, 20)] {
            let heard = rig.server.notified.iter().filter(|(_, theirs, _)| *theirs == handle);
            let (mut last, mut count) = (begun, 0);
            for (when, _, message) in heard {
                let gap = *when - last;
                assert!(gap >= seconds(least) && gap <= seconds(most), "{path}: {gap:?}");
                let values = content::decode(ContentFormat::TLV, at(path), message.payload()).expect("TLV");
                assert_eq!(values[0].value, Value::Integer(measured(*when)));
                (last, count) = (*when, count + 1);
            }
            assert!(count >= 300 / most, "{path}: {count}");
        }
    }
}

#[test]
fn int_302_cancel_observations_using_reset_operation() {
    // Non-confirmable notifications, each reset as it comes.
    for version in ALL {
        let mut rig = with_battery(version, Confirm::Never);
        let [voltage, current] = observe_battery(&mut rig);
        for (handle, other) in [(voltage, Some(current)), (current, None)] {
            rig.server.notified.clear();
            let (_, message) = rig.notification(handle, seconds(20));
            let [high, low] = message.mid().to_be_bytes();
            rig.world.inject_to_meter(0, World::EMS, &[0x70, 0, high, low]);
            rig.wait(Duration::ZERO);
            rig.server.notified.clear();
            rig.expect_no_notification(&[handle], seconds(60));
            // The other goes on until it is its turn.
            assert_eq!(!rig.server.notified.is_empty(), other.is_some());
        }
    }
    // Confirmable ones, which are not acknowledged but reset.
    let mut rig = with_battery(Version::V1_1, Confirm::Always);
    let [voltage, current] = observe_battery(&mut rig);
    rig.server.exchange.forget_observation(voltage);
    rig.wait(seconds(20));
    rig.world.record();
    rig.server.notified.clear();
    rig.notification(current, seconds(20));
    rig.server.exchange.forget_observation(current);
    rig.wait(seconds(20));
    let heard = rig.world.recorded().len();
    rig.wait(seconds(600));
    assert_eq!(rig.world.recorded().len(), heard, "something is still told");
}

#[test]
fn int_303_cancel_observations_using_observe_with_cancel_parameter() {
    for version in ALL {
        let mut rig = with_battery(version, Confirm::ByAttribute);
        let [voltage, current] = observe_battery(&mut rig);
        rig.notification(voltage, seconds(15));
        let answer = rig.cancel(voltage);
        assert_eq!((answer.code(), answer.observe()), (Code::CONTENT, None));
        rig.server.notified.clear();
        rig.expect_no_notification(&[voltage], seconds(60));
        rig.notification(current, seconds(20));
        assert_eq!(rig.cancel(current).code(), Code::CONTENT);
        rig.server.notified.clear();
        rig.expect_no_notification(&[voltage, current], seconds(600));
    }
}

// ----- composites ---------------------------------------------------------------------------------

/// What cases 304 and 305 observe.
const COMPOSITE: [&str; 3] = ["/1/0/1", "/3/0/11/0", "/3/0/16"];

fn composite_held() -> [Entry; 3] {
    [integer("/1/0/1", LIFETIME), integer("/3/0/11/0", 0), entry("/3/0/16", "U")]
}

#[test]
fn int_304_observe_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = minimal(version, |_| {});
        assert_eq!(rig.attach("/1/0/1?pmin=30&pmax=45"), Code::CHANGED);
        let (handle, answer) = rig.observe(composite(format, &COMPOSITE));
        assert_eq!(composite_values(&answer, format), composite_held());
        for _ in 0..3 {
            let (after, message) = rig.notification(handle, seconds(60));
            assert!((seconds(30)..=seconds(45)).contains(&after), "{after:?}");
            assert_eq!(composite_values(&message, format), composite_held());
        }
    }
}

#[test]
fn int_305_cancel_observation_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = minimal(version, |_| {});
        assert_eq!(rig.attach("/1/0/1?pmin=30&pmax=45"), Code::CHANGED);
        let (handle, _) = rig.observe(composite(format, &COMPOSITE));
        rig.notification(handle, seconds(45));
        let answer = rig.cancel(handle);
        assert_eq!(answer.observe(), None);
        assert_eq!(composite_values(&answer, format), composite_held());
        rig.expect_no_notification(&[handle], seconds(600));
    }
}

/// A registered meter without any profile of /11.
fn without_profiles(version: Version) -> Rig {
    let mut store = [account(), device()].concat();
    store.retain(|entry| entry.path.ids()[0] != 11 && !matches!(entry.path.ids(), [1, 0, 2 | 3]));
    let mut rig = Rig::new(version, store);
    rig.expect_register();
    rig
}

/// A profile with what servers write of it in several instances.
fn profile(instance: u16, values: [&str; 4]) -> Vec<Entry> {
    let path = |rest: &str| format!("/11/{instance}/{rest}");
    let mut entries = vec![entry(&path("0"), "home"), integer(&path("4"), 3)];
    entries.extend((0..).zip(values).map(|(at, value): (u16, _)| entry(&path(&format!("8/{at}")), value)));
    entries
}

/// Creates it, and sees the meter tell.
fn create(rig: &mut Rig, instance: u16, profile: &[Entry]) {
    assert_eq!(rig.update("/11", ContentFormat::SENML_CBOR, profile), Code::CREATED);
    let update = rig.expect_update();
    let list = str::from_utf8(update.payload()).expect("link-format is text");
    assert!(list.contains(&format!("</11/{instance}>")), "{list}");
}

#[test]
fn int_308_observe_composite_and_creating_object_instance() {
    for (version, format) in in_senml() {
        let mut rig = without_profiles(version);
        let first = profile(0, ["aa", "bb", "cc", "dd"]);
        create(&mut rig, 0, &first);
        assert_eq!(rig.attach("/11/0?pmin=30&pmax=45"), Code::CHANGED);
        let (handle, answer) = rig.observe(composite(format, &["/11/0", "/11/1"]));
        assert_eq!(composite_values(&answer, format), first);
        let (after, message) = rig.notification(handle, seconds(60));
        assert!((seconds(30)..=seconds(45)).contains(&after), "{after:?}");
        assert_eq!(composite_values(&message, format), first);
        let second = profile(1, ["11", "22", "33", "44"]);
        create(&mut rig, 1, &second);
        let (after, message) = rig.notification(handle, seconds(60));
        assert!((seconds(29)..=seconds(45)).contains(&after), "{after:?}");
        assert_eq!(composite_values(&message, format), [first, second].concat());
    }
}

#[test]
fn int_309_observe_composite_and_deleting_object_instance() {
    for (version, format) in in_senml() {
        let mut rig = without_profiles(version);
        let (first, second) = (profile(0, ["aa", "bb", "cc", "dd"]), profile(1, ["11", "22", "33", "44"]));
        create(&mut rig, 0, &first);
        create(&mut rig, 1, &second);
        assert_eq!(rig.attach("/11/0?pmin=30&pmax=45"), Code::CHANGED);
        let (handle, answer) = rig.observe(composite(format, &["/11/0", "/11/1"]));
        let both = [first.clone(), second].concat();
        assert_eq!(composite_values(&answer, format), both);
        let (after, message) = rig.notification(handle, seconds(60));
        assert!((seconds(30)..=seconds(45)).contains(&after), "{after:?}");
        assert_eq!(composite_values(&message, format), both);
        assert_eq!(rig.ask(request(Code::DELETE, "/11/1")).code(), Code::DELETED);
        let update = rig.expect_update();
        assert!(!String::from_utf8_lossy(update.payload()).contains("</11/1>"), "{update:?}");
        let (after, message) = rig.notification(handle, seconds(60));
        assert!((seconds(29)..=seconds(45)).contains(&after), "{after:?}");
        assert_eq!(composite_values(&message, format), first);
    }
}

#[test]
fn int_310_observe_composite_and_modification_of_parameter_values() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let (handle, answer) = rig.observe(composite(format, &["/1/0/3", "/3/0"]));
        let values = composite_values(&answer, format);
        holds(&values, &[integer("/1/0/3", 10), entry("/3/0/0", "bootstorm")]);
        let others = values.iter().filter(|entry| !entry.path.starts_with(&at("/3/0")));
        assert_eq!(others.count(), 1);
        // /1/0/3 is the Maximum Period until there is another.
        let (after, _) = rig.notification(handle, seconds(20));
        assert_eq!(after, seconds(10));
        assert_eq!(rig.attach("/3?pmax=5"), Code::CHANGED);
        rig.notification(handle, seconds(5));
        for _ in 0..5 {
            let (after, message) = rig.notification(handle, seconds(20));
            assert_eq!(after, seconds(5));
            assert_eq!(composite_values(&message, format), values);
        }
    }
}

// ----- send ---------------------------------------------------------------------------------------

/// A meter that sends `paths` every minute.
fn sending(version: Version, format: ContentFormat, paths: &[&str]) -> Rig {
    minimal(version, |config| {
        let paths = paths.iter().map(|path| at(path)).collect();
        config.report.send = Some(SendPlan { every: seconds(60), jitter: Duration::ZERO, paths });
        config.report.send_format = format;
    })
}

impl Rig {
    /// What the meter sends within `patience`, which is taken.
    fn expect_send(&mut self, format: ContentFormat, patience: Duration) -> Vec<Entry> {
        let send = self.serve(patience, Message::response(Code::CHANGED));
        assert_eq!((send.code(), send.content_format()), (Code::POST, Some(format)));
        assert!(send.path_is(&["dp"]), "{send:?}");
        content::decode(format, Path::ROOT, send.payload()).expect("a payload in the format it says it has")
    }
}

#[test]
fn int_306_send_operation() {
    for (version, format) in in_senml() {
        // /4 is not there, and not among what was registered.
        let mut rig = sending(version, format, &["/3/0", "/4/0/2"]);
        for _ in 0..3 {
            let sent = rig.expect_send(format, seconds(60));
            assert!(sent.iter().all(|entry| entry.path.starts_with(&at("/3/0"))), "{sent:?}");
            holds(&sent, &[entry("/3/0/0", "bootstorm"), entry("/3/0/16", "U")]);
        }
    }
    // 1.0 has no Send.
    let mut rig = sending(Version::V1_0, ContentFormat::SENML_CBOR, &["/3/0"]);
    rig.expect_silence(seconds(600));
}

#[test]
fn int_307_muting_send() {
    for (version, format) in in_senml() {
        let mut rig = sending(version, format, &["/3/0/0"]);
        rig.expect_send(format, seconds(60));
        assert_eq!(rig.put("/1/0/23", ContentFormat::TEXT, "1"), Code::CHANGED);
        rig.expect_silence(seconds(600));
        assert_eq!(rig.put("/1/0/23", ContentFormat::TEXT, "0"), Code::CHANGED);
        assert_eq!(rig.expect_send(format, seconds(60)), [entry("/3/0/0", "bootstorm")]);
    }
}

#[test]
fn int_311_send_command() {
    for (version, format) in in_senml() {
        let mut rig = sending(version, format, &["/1/0/1", "/3/0/11/0"]);
        let sent = rig.expect_send(format, seconds(60));
        assert_eq!(sent, [integer("/1/0/1", LIFETIME), integer("/3/0/11/0", 0)]);
        rig.wait(Duration::ZERO);
        let answered = Event::Request { kind: RequestKind::Send, fate: RequestFate::Answered };
        let completed = |event: &Event| matches!(event, Event::Stage { stage: Stage::Send, .. });
        let events = rig.world.events();
        assert_eq!(events.iter().filter(|(_, _, event)| *event == answered).count(), 1);
        assert_eq!(events.iter().filter(|(_, _, event)| completed(event)).count(), 1);
    }
}

// ----- periods in the request (1.2) ---------------------------------------------------------------

/// The longest time between two notifications of /3/0/7 within five minutes.
fn longest_gap(rig: &mut Rig, target: &str) -> Duration {
    let (handle, answer) = rig.observe(request(Code::GET, target).with_accept(ContentFormat::TLV));
    let values = content::decode(ContentFormat::TLV, at("/3/0/7"), answer.payload()).expect("TLV");
    assert_eq!(values, [integer("/3/0/7/0", 3800), integer("/3/0/7/1", 5000)]);
    (0..20).map(|_| rig.notification(handle, seconds(100)).0).max().unwrap_or_default()
}

#[test]
fn int_312_observe_with_attributes_as_parameters() {
    let mut rig = Rig::registered(Version::V1_2);
    assert_eq!(longest_gap(&mut rig, "/3/0/7?pmin=5&pmax=15"), seconds(15));
}

#[test]
fn int_313_observe_parameters_override_attributes() {
    let mut rig = Rig::registered(Version::V1_2);
    assert_eq!(rig.attach("/3/0/7?pmin=5&pmax=60"), Code::CHANGED);
    assert_eq!(longest_gap(&mut rig, "/3/0/7?pmin=5&pmax=10"), seconds(10));
}
