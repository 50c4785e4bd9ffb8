//! What the EMS asks and tells real meters.

use super::*;
use crate::protocol::server::{Action, Campaign, Interview, InterviewCounters};

/// An EMS of the setup's that interviews and runs these campaigns.
fn world(setup: &Setup, interview: Interview, campaigns: Vec<Campaign>) -> World {
    let config = EmsConfig { interview, campaigns, ..setup.ems_config() };
    let mut world = setup.world();
    world.set_ems(Some(Ems::new(config, 0, Seed(setup.seed).child("ems", 0))));
    world
}

pub(super) fn campaign(action: Action) -> Campaign {
    let rate = "10/s".parse().unwrap();
    Campaign { action, start: Duration::from_secs(20), rate, share: None, repeat: None }
}

pub(super) fn counters(world: &World) -> crate::protocol::server::EmsCounters {
    world.ems().map(Ems::counters).unwrap_or_default()
}

#[test]
fn meters_answer_the_reads_of_an_interview() {
    for (version, format) in [
        (Version::V1_0, ContentFormat::TLV),
        (Version::V1_1, ContentFormat::SENML_JSON),
        (Version::V1_2, ContentFormat::SENML_CBOR),
    ] {
        let link = LinkFaults { delay: Duration::from_millis(30), ..LinkFaults::default() };
        let setup = Setup { meters: 5, version, format: Some(format), link, ..Setup::default() };
        let mut world = world(&setup, Interview::read(), Vec::new());
        assert!(world.run_until(Instant::from_secs(10), |w| counters(w).interviews.completed == 5));
        let counters = counters(&world);
        // Of what is asked for, these meters have Device (/3).
        assert_eq!((counters.interviews.requests, counters.interviews.ok), (5, 5), "{version:?}");
        assert_eq!(counters.observations.undecodable, 0, "{version:?}");
        // One round trip after the 2.01, which is on its way while the question follows it.
        assert_eq!(counters.interviews.duration.max, Duration::from_millis(60));
        let InterviewCounters { sent, received, received_bytes, .. } = counters.interviews;
        assert_eq!((sent, received), (5, 5));
        // The name of the maker alone is nine bytes.
        assert!(received_bytes > 5 * (4 + 9), "{received_bytes}");
    }
}

#[test]
fn interviews_begin_again_with_every_registration() {
    let setup = Setup { meters: 3, ..Setup::default() };
    let mut world = world(&setup, Interview::observe(), vec![campaign(Action::BootstrapTrigger)]);
    assert!(world.run_until(Instant::from_secs(40), |w| counters(w).registrations == 6));
    world.run_to(Instant::from_secs(60));
    assert!(all_registered(&world));
    let counters = counters(&world);
    assert_eq!((counters.campaigns[0].ok, counters.replaced), (3, 3));
    assert_eq!((counters.interviews.begun, counters.interviews.completed), (6, 6));
    assert_eq!(world.bootstrap_server().map(|server| server.counters().finished), Some(6));
}

#[test]
fn an_update_trigger_makes_meters_update() {
    let setup = Setup { meters: 10, ..Setup::default() };
    let mut world = world(&setup, Interview::Off, vec![campaign(Action::UpdateTrigger)]);
    world.run_to(Instant::from_secs(30));
    let counters = counters(&world);
    assert_eq!((counters.campaigns[0].ok, counters.updates), (10, 10));
}

#[test]
fn whatever_a_bad_link_does_every_interview_and_request_ends_and_is_counted() {
    for_seeds(0..10, |seed| {
        let link = LinkFaults { loss: 0.2, ..LinkFaults::default() };
        let setup = Setup { seed, meters: 20, link, ..Setup::default() };
        let read = Campaign {
            repeat: Some(Duration::from_secs(30)),
            ..campaign(Action::Read(Path::resource(3, 0, 0)))
        };
        let mut world = world(&setup, Interview::observe(), vec![read]);
        world.run_to(Instant::from_secs(2_000));
        world.shutdown();
        world.run_to(Instant::from_secs(4_000));
        let counters = counters(&world);
        let interviews = &counters.interviews;
        assert_eq!(interviews.begun, interviews.completed + interviews.failed + interviews.cut_short);
        assert_eq!(interviews.duration.count, interviews.completed);
        assert_eq!(counters.observations.standing(), 0);
        let read = &counters.campaigns[0];
        let ended = read.ok
            + read.errors.values().sum::<u64>()
            + read.timed_out
            + read.broken
            + read.cancelled
            + read.passed_over
            + read.overflowed;
        assert_eq!(read.requests, ended);
        assert!(read.ok > 500, "{read:?}");
    });
}

#[test]
fn at_any_moment_what_was_asked_has_an_end_or_is_under_way() {
    for_seeds(0..10, |seed| {
        let link = LinkFaults { loss: 0.2, ..LinkFaults::default() };
        let setup = Setup { seed, meters: 20, link, ..Setup::default() };
        let often = |action| Campaign { repeat: Some(Duration::from_secs(15)), ..campaign(action) };
        let read = often(Action::Read(Path::resource(3, 0, 0)));
        let trigger =
            Campaign { repeat: Some(Duration::from_secs(90)), ..campaign(Action::BootstrapTrigger) };
        let mut world = world(&setup, Interview::observe(), vec![read, trigger]);
        let mut seen_pending = false;
        for second in (5..900).step_by(13) {
            world.run_to(Instant::from_secs(second));
            seen_pending |= accounted_for(&world);
        }
        assert!(seen_pending, "something was under way at some moment, or this shows little");
        world.shutdown();
        world.run_to(Instant::from_secs(1_500));
        accounted_for(&world);
    });
}

/// Holds what the EMS asked against what became of it, and against what the meters answered; whether
/// anything was under way.
pub(super) fn accounted_for(world: &World) -> bool {
    let (counters, pending) = (counters(world), world.ems().map(Ems::pending).unwrap_or_default());
    let interviews = &counters.interviews;
    let ended = interviews.completed + interviews.failed + interviews.cut_short;
    assert_eq!(interviews.begun, ended + pending.interviews);
    let (mut due, mut over) = (0, pending.waiting + pending.sent_of_campaigns);
    let (mut sent, mut answered) = (interviews.requests, interviews.ok + interviews.errors);
    let mut lost = interviews.failed + counters.abandoned + pending.sent;
    for campaign in &counters.campaigns {
        let replies = campaign.ok + campaign.errors.values().sum::<u64>();
        let unanswered = campaign.timed_out + campaign.broken;
        due += campaign.requests;
        over += replies + unanswered + campaign.cancelled + campaign.passed_over + campaign.overflowed;
        sent += campaign.sent;
        answered += replies;
        lost += unanswered;
    }
    assert_eq!(due, over, "{counters:?} {pending:?}");
    assert_eq!(sent, answered + lost, "{counters:?} {pending:?}");
    let served = world.events().iter().filter(|(_, _, event)| matches!(event, Event::Served { .. })).count();
    assert!((answered..=answered + lost).contains(&(served as u64)), "{served} served: {counters:?}");
    pending.sent > 0
}

/// The same world, with meters that register in another way.
fn world_of(setup: &Setup, policy: RegistrationPolicy, ems: EmsConfig) -> World {
    let nobody = Setup { meters: 0, ..setup.clone() };
    let mut world = nobody.world();
    world.set_ems(Some(Ems::new(ems, 0, Seed(1))));
    let config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    let config = Arc::new(client::Config { registration: policy, ..config });
    for number in 0..setup.meters {
        let planned = Instant::from_millis(10 * u64::from(number));
        world.add_meter(config.clone(), &format!("meter-{number}"), planned);
    }
    world
}

#[test]
fn requests_to_sleeping_meters_are_held_until_they_update() {
    let setup = Setup { meters: 5, lifetime: Duration::from_secs(600), ..Setup::default() };
    let read =
        Campaign { start: Duration::from_secs(200), ..campaign(Action::Read(Path::resource(3, 0, 0))) };
    let ems = EmsConfig { campaigns: vec![read], ..setup.ems_config() };
    let policy = RegistrationPolicy { queue_mode: true, ..RegistrationPolicy::default() };
    let mut world = world_of(&setup, policy, ems);
    world.run_to(Instant::from_secs(250));
    let held = counters(&world);
    assert_eq!((held.queue.held, held.queue.released, held.campaigns[0].sent), (5, 0, 0));
    // They update at half their lifetime, and are awake then.
    world.run_to(Instant::from_secs(310));
    let told = counters(&world);
    assert_eq!((told.queue.released, told.campaigns[0].ok), (5, 5));
}

#[test]
fn one_full_registration_makes_a_profile_known_for_all() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let ems = EmsConfig { profile_ids: true, interview: Interview::read(), ..setup.ems_config() };
    let policy = RegistrationPolicy { profile_id: true, ..RegistrationPolicy::default() };
    let mut world = world_of(&setup, policy, ems);
    assert!(world.run_until(Instant::from_secs(10), |w| counters(w).interviews.completed == 5));
    let counters = counters(&world);
    assert_eq!((counters.registrations, counters.unknown_profile), (5, 1));
}

#[test]
fn meters_fall_back_to_the_highest_version_that_is_spoken() {
    let setup = Setup { meters: 3, ..Setup::default() };
    let ems = EmsConfig { versions: (Version::V1_0, Version::V1_1), ..setup.ems_config() };
    let mut world = world_of(&setup, RegistrationPolicy::default(), ems);
    assert!(world.run_until(Instant::from_secs(10), all_registered));
    let counters = counters(&world);
    assert_eq!((counters.registrations, counters.refused), (3, 3));
}
