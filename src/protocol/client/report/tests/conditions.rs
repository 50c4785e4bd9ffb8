//! Each attribute does what it says.

use super::*;
use proptest::prelude::*;

#[test]
fn a_change_is_told_at_once_where_nothing_says_otherwise() {
    let mut pair = Setup::default().start();
    let (handle, answer) = pair.observe("/9/0/7", "", None);
    assert_eq!((answer.code(), answer.payload()), (Code::CONTENT, &b"0"[..]));
    assert!(answer.observe().is_some());
    pair.write_number("/9/0/7", 3);
    pair.run_for(secs(1));
    assert_eq!(pair.told.len(), 1);
    let told = &pair.told[0];
    assert_eq!((told.observation, told.number(), told.fresh), (handle, 3, true));
    assert_eq!(told.message.content_format(), Some(ContentFormat::TEXT));
    // The same value again is no change.
    pair.write_number("/9/0/7", 3);
    pair.run_for(secs(1000));
    assert_eq!(pair.told.len(), 1);
}

#[test]
fn changes_within_the_minimum_period_are_one_notification_at_its_end() {
    let mut pair = Setup::default().start();
    let since = pair.now;
    pair.observe("/9/0/7", "pmin=10", None);
    for number in 1..=5 {
        pair.write_number("/9/0/7", number);
        pair.run_for(secs(1));
    }
    pair.run_for(secs(30));
    assert_eq!(pair.told_after(since), [10]);
    assert_eq!(pair.told[0].number(), 5);
    // The period has been over for long: at once.
    let since = pair.now;
    pair.write_number("/9/0/7", 9);
    pair.run_for(secs(1));
    assert_eq!(pair.told_after(since).last(), Some(&0));
}

#[test]
fn the_maximum_period_tells_without_a_change() {
    let mut pair = Setup::default().start();
    let since = pair.now;
    pair.observe("/9/0/7", "pmax=20", None);
    pair.run_for(secs(65));
    assert_eq!(pair.told_after(since), [20, 40, 60]);
}

#[test]
fn a_maximum_below_an_inherited_minimum_counts_for_nothing() {
    let mut pair = Setup::default().start();
    assert_eq!(pair.write_attributes("/9", "pmin=60"), Code::CHANGED);
    assert_eq!(pair.write_attributes("/9/0/7", "pmax=5"), Code::CHANGED);
    pair.observe("/9/0/7", "", None);
    pair.run_for(secs(600));
    assert!(pair.told.is_empty());
}

#[test]
fn the_servers_defaults_hold_where_nothing_is_attached() {
    let mut pair = Setup::default().with(integer("/1/0/2", 10)).with(integer("/1/0/3", 30)).start();
    let since = pair.now;
    pair.observe("/9/0/7", "", None);
    pair.run_for(secs(2));
    pair.write_number("/9/0/7", 1);
    pair.run_for(secs(50));
    assert_eq!(pair.told_after(since), [10, 40]);
    // One that is attached wins, and a default that is written counts at once.
    assert_eq!(pair.write_attributes("/9/0/7", "pmax=100"), Code::CHANGED);
    let before = pair.told.len();
    pair.run_for(secs(60));
    assert_eq!(pair.told.len(), before);
    assert_eq!(pair.write_attributes("/9/0/7", "pmax"), Code::CHANGED);
    pair.write_number("/1/0/3", 12);
    pair.run_for(secs(25));
    assert_eq!(pair.told.len(), before + 3, "one at once, as 30 s are long over, and two more");
}

#[test]
fn thresholds_are_watched_every_second_and_by_crossing() {
    let mut pair = Setup::measuring(50).start();
    pair.observe("/3/0/9", "gt=80&lt=20", None);
    let mut told = Vec::new();
    for level in [60, 79, 80, 81, 99, 80, 20, 19, 1, 20, 50] {
        pair.measure(level);
        let before = pair.told.len();
        pair.run_for(secs(3));
        if pair.told.len() > before {
            told.push(pair.told.last().unwrap().number());
        }
    }
    assert_eq!(told, [81, 80, 19, 20]);
}

#[test]
fn a_step_counts_from_what_was_told_last() {
    let mut pair = Setup::measuring(50).start();
    pair.observe("/3/0/9", "st=5", None);
    for level in [53, 54, 55, 57, 60, 56, 55] {
        pair.measure(level);
        pair.run_for(secs(2));
    }
    assert_eq!(pair.told.iter().map(Told::number).collect::<Vec<_>>(), [55, 60, 55]);
}

#[test]
fn thresholds_of_a_multiple_resource_are_held_against_each_instance() {
    let mut pair = Setup::default().start();
    pair.observe("/3/0/7", "st=100", Some(ContentFormat::SENML_CBOR));
    pair.write_number("/3/0/7/0", 3850);
    pair.write_number("/3/0/7/1", 5099);
    pair.run_for(secs(5));
    assert!(pair.told.is_empty());
    pair.write_number("/3/0/7/1", 5100);
    pair.run_for(secs(5));
    assert_eq!(pair.told.len(), 1);
    let entries = pair.told[0].entries("/3/0/7");
    assert_eq!(entries, [integer("/3/0/7/0", 3850), integer("/3/0/7/1", 5100)]);
    // Another instance is news, whatever the thresholds.
    pair.write_number("/3/0/7/2", 1);
    pair.run_for(secs(5));
    assert_eq!(pair.told.len(), 2);
}

#[test]
fn an_edge_is_told_in_its_direction_only_and_every_time() {
    let mut pair = Setup::default().start();
    pair.observe("/9/0/12", "edge=1", None);
    for truth in [true, false, true, false] {
        pair.write("/9/0/12", Value::Boolean(truth));
        pair.run_for(secs(2));
    }
    assert_eq!(pair.told.len(), 2);
    assert!(pair.told.iter().all(|told| told.message.payload() == b"1"));
}

#[test]
fn evaluation_periods_say_how_often_measured_values_are_looked_at() {
    let mut pair =
        Setup { device: Some(Arc::new(Battery { fixed: 0.into(), drains: true })), ..Setup::default() }
            .start();
    let since = pair.now;
    pair.observe("/3/0/9", "epmin=7&epmax=9", None);
    pair.run_for(secs(36));
    assert_eq!(pair.told_after(since), [9, 18, 27, 36], "without pmin, at least so often");
    let mut pair =
        Setup { device: Some(Arc::new(Battery { fixed: 0.into(), drains: true })), ..Setup::default() }
            .start();
    let since = pair.now;
    pair.observe("/3/0/9", "pmin=5", None);
    pair.run_for(secs(16));
    assert_eq!(pair.told_after(since), [5, 10, 15], "with pmin, that often");
}

#[test]
fn without_attributes_measured_values_are_sampled_as_the_policy_says() {
    let device = Some(Arc::new(Battery { fixed: 0.into(), drains: true }));
    let policy = ReportPolicy { sampling: secs(25), ..ReportPolicy::default() };
    let mut pair = Setup { device, policy, ..Setup::default() }.start();
    let since = pair.now;
    pair.observe("/3/0/9", "", None);
    pair.run_for(secs(60));
    assert_eq!(pair.told_after(since), [25, 50]);
}

#[test]
fn con_makes_notifications_confirmable_and_so_does_the_default_mode() {
    let confirmed = |setup: Setup, query: &str| {
        let mut pair = setup.start();
        pair.observe("/9/0/7", query, None);
        pair.write_number("/9/0/7", 1);
        pair.run_for(secs(1));
        assert_eq!(pair.told.len(), 1);
        pair.balance();
        let confirmed = pair.fates(NotificationFate::SentConfirmable);
        assert_eq!(confirmed, pair.fates(NotificationFate::Acknowledged));
        assert_eq!(confirmed + pair.fates(NotificationFate::SentNonConfirmable), 1);
        confirmed == 1
    };
    let mode = |mode| Setup::default().with(integer("/1/0/26", mode));
    let policy = |confirmable| Setup {
        policy: ReportPolicy { confirmable, ..ReportPolicy::default() },
        ..Setup::default()
    };
    assert!(!confirmed(Setup::default(), ""));
    assert!(confirmed(Setup::default(), "con=1"));
    assert!(confirmed(mode(1), "") && !confirmed(mode(1), "con=0") && !confirmed(mode(0), ""));
    assert!(confirmed(policy(Confirm::Always), "con=0") && !confirmed(policy(Confirm::Never), "con=1"));
    let old = Setup { version: Version::V1_1, ..mode(1) };
    assert!(!confirmed(old, ""), "1.1 has no default mode");
}

#[test]
fn once_a_day_a_notification_is_confirmable() {
    let mut pair = Setup::default().start();
    pair.observe("/9/0/7", "pmax=3600", None);
    pair.run_for(secs(49 * 3600));
    assert_eq!(pair.fates(NotificationFate::SentConfirmable), 2);
    assert_eq!(pair.fates(NotificationFate::SentNonConfirmable), 47);
}

#[test]
fn attributes_written_later_count_from_then_on() {
    let mut pair = Setup::measuring(50).start();
    pair.observe("/3/0/9", "", None);
    assert_eq!(pair.write_attributes("/3/0/9", "st=10"), Code::CHANGED);
    pair.measure(55);
    pair.run_for(secs(120));
    assert!(pair.told.is_empty());
    assert_eq!(pair.write_attributes("/3/0/9", "st=5"), Code::CHANGED);
    pair.run_for(secs(1));
    assert_eq!(pair.told.len(), 1);
}

#[test]
fn attributes_that_do_not_agree_change_nothing() {
    let mut pair = Setup::default().start();
    assert_eq!(pair.write_attributes("/3/0/9", "pmin=10"), Code::CHANGED);
    assert_eq!(pair.write_attributes("/3/0/9", "pmax=5"), Code::BAD_REQUEST);
    assert_eq!(pair.write_attributes("/3/0/14", "gt=5"), Code::BAD_REQUEST, "text has no order");
    assert_eq!(pair.attributes("/3/0/9"), "pmin=10");
    assert_eq!(pair.write_attributes("/3/0/9", "pmin"), Code::CHANGED);
    assert!(!pair.reports(), "nothing is kept for nothing");
}

/// What a test does next.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Measure(i64),
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..30_000_u64).prop_map(Step::Wait),
        (0..20_i64).prop_map(Step::Measure),
        (0..20_i64).prop_map(Step::Measure),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the value does: two notifications are never closer than pmin, never further apart than pmax,
    /// and, whoever watches for any change, knows one that lasted for pmin and a look by then.
    #[test]
    fn periods_are_kept(
        pmin in 0..20_u64,
        longer in 1..40_u64,
        step in prop::option::of(1..10_u32),
        con in any::<bool>(),
        steps in any_steps(),
    ) {
        let pmax = pmin + longer;
        let thresholds = step.map_or_else(String::new, |step| format!("&st={step}"));
        let query = format!("pmin={pmin}&pmax={pmax}{thresholds}&con={}", u8::from(con));
        let mut pair = Setup::measuring(0).start();
        let (_, first) = pair.observe("/3/0/9", &query, None);
        let begun = pair.now;
        for step in steps {
            match step {
                Step::Wait(millis) => pair.run_for(Duration::from_millis(millis)),
                Step::Measure(level) => pair.measure(level),
            }
        }
        pair.run_for(secs(pmax) + LATENCY);
        let instants: Vec<Instant> =
            std::iter::once(begun).chain(pair.told.iter().map(|told| told.at)).collect();
        for two in instants.windows(2) {
            let between = two[1].since(two[0]);
            prop_assert!(between >= secs(pmin) && between <= secs(pmax), "{between:?} of {query}");
        }
        let last = *instants.last().unwrap();
        prop_assert!(pair.now.since(last) <= secs(pmax) + LATENCY);
        if step.is_none() {
            pair.run_for(secs(pmin.max(1)) + LATENCY);
            let known = pair.told.last().map_or(first.payload(), |told| told.message.payload());
            let level = pair.battery.as_ref().unwrap().fixed.load(Ordering::Relaxed);
            let level = level.to_string();
            prop_assert_eq!(known, level.as_bytes());
        }
        pair.balance();
    }
}

#[test]
fn that_the_clock_goes_on_is_no_news_but_to_who_observes_the_clock() {
    const CLOCK: &str = "/3/0/13";
    for above in ["/3", "/3/0"] {
        let mut pair = Setup::measuring(80).start();
        pair.write(CLOCK, Value::Time(1_700_000_000));
        let format = Some(ContentFormat::SENML_CBOR);
        let (_, answer) = pair.observe(above, "", format);
        pair.run_for(secs(1_000));
        assert!(pair.told.is_empty(), "{above}: {:?}", pair.told);
        // The time is in what is told of other news.
        pair.measure(79);
        pair.run_for(secs(1_000));
        assert_eq!(pair.told.len(), 1, "{above}");
        let clock = |entries: Vec<Entry>| entries.into_iter().find(|entry| entry.path == path(CLOCK));
        let told = clock(pair.told[0].entries(above)).unwrap();
        let first = content::decode(ContentFormat::SENML_CBOR, path(above), answer.payload()).unwrap();
        assert_ne!(told, clock(first).unwrap());
        // Setting it is news.
        pair.write(CLOCK, Value::Time(1_800_000_000));
        pair.run_for(secs(1_000));
        assert_eq!(pair.told.len(), 2, "{above}");
    }
    let mut pair = Setup::default().start();
    pair.write(CLOCK, Value::Time(1_700_000_000));
    pair.observe(CLOCK, "pmin=10", None);
    pair.run_for(secs(1_000));
    assert!(pair.told.len() > 10, "{}", pair.told.len());
}

#[test]
fn a_device_of_which_only_the_clock_goes_on_is_not_looked_at_all_the_time() {
    let mut pair = Setup::default().start();
    pair.write("/3/0/13", Value::Time(1_700_000_000));
    pair.observe("/3", "", Some(ContentFormat::SENML_CBOR));
    let registration = pair.client.registered(SSID).unwrap();
    assert_eq!(registration.report_due(), None);
}
