//! What an EMS tells real meters, and what they do about it; what it observes, and what it hears.

use super::bootstrapping::balanced;
use super::ems::{campaign, counters};
use super::*;
use crate::metrics::NotificationFate;
use crate::protocol::client::{Confirm, Device, SendPlan};
use crate::protocol::lwm2m::{Kind, Multiplicity, objects};
use crate::protocol::server::{
    Action, Ask, Campaign, CampaignCounters, EmsCounters, Interview, ObservationCounters, Question, Step,
};

const TENSION: Path = Path::resource(10_243, 0, 4);

/// A meter whose tension follows the time.
#[derive(Debug)]
struct Mains;

impl Device for Mains {
    fn value(&self, path: Path, _nature: u64, now: Instant) -> Option<Value> {
        let volts = 230.0 + (now.since_origin().as_secs() % 7) as f64;
        (path == TENSION).then_some(Value::Float(volts))
    }
}

/// One instance of every object that is asked for, with what is mandatory and can be read.
fn rich() -> Vec<Entry> {
    let plain = |kind| match kind {
        Kind::String | Kind::CoreLink => Value::String("1".into()),
        Kind::Integer => Value::Integer(0),
        Kind::Unsigned => Value::Unsigned(0),
        Kind::Float => Value::Float(1.0),
        Kind::Boolean => Value::Boolean(false),
        Kind::Opaque | Kind::None => Value::Opaque([1].into()),
        Kind::Time => Value::Time(1),
        Kind::ObjectLink => Value::ObjectLink(3, 0),
    };
    let asked = Interview::OBJECTS.into_iter().filter(|object| *object != 3).chain([5, 10_243]);
    let entries = asked.flat_map(|object| {
        let known = objects::find(object).expect("every object that is asked for has a table");
        let mandatory = known.resources.iter().filter(|resource| resource.operations.read);
        let any = mandatory.clone().any(|resource| resource.mandatory);
        let stored = mandatory.filter(move |resource| resource.mandatory || !any);
        stored.map(move |resource| match resource.multiplicity {
            Multiplicity::Single => Entry::new(Path::resource(object, 0, resource.id), plain(resource.kind)),
            Multiplicity::Multiple => {
                Entry::new(Path::resource_instance(object, 0, resource.id, 0), plain(resource.kind))
            }
        })
    });
    entries.collect()
}

/// A world with both servers and `meters` changed a little.
fn world(setup: &Setup, ems: EmsConfig, change: impl FnOnce(&mut client::Config)) -> World {
    let mut world = Setup { meters: 0, ..setup.clone() }.world();
    let mut bootstrap = setup.bootstrap_config();
    // Disabled, a meter stays away for 100 s; and Send is not muted.
    let mut account = Account::new(String::new(), 101, setup.lifetime);
    account.server = vec![(5, Value::Integer(100)), (23, Value::Boolean(false))];
    // Delete / would take all the objects of the meters with it, Device apart.
    let mut plan = Plan::new(account);
    plan.sequence.retain(|step| *step != Step::Delete(Path::ROOT));
    plan.sequence.splice(1..1, [0, 1].map(|object| Step::Delete(Path::object(object))));
    bootstrap.directory = Directory::of(plan);
    world.set_bootstrap_server(Some(BootstrapServer::new(bootstrap, Seed(setup.seed))));
    world.set_ems(Some(Ems::new(ems, 0, Seed(setup.seed))));
    let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    change(&mut config);
    let config = Arc::new(config);
    for number in 0..setup.meters {
        let planned = Instant::from_millis(10 * u64::from(number));
        world.add_meter(config.clone(), &format!("meter-{number}"), planned);
    }
    world
}

fn enrich(config: &mut client::Config) {
    let mut factory = Vec::clone(&config.factory);
    factory.extend(rich());
    config.factory = Arc::new(factory);
    config.device = Some(Arc::new(Mains));
}

fn notifications(world: &World, fate: NotificationFate) -> u64 {
    let matches = |(_, _, event): &&(Instant, u32, Event)| *event == Event::Notification(fate);
    world.events().iter().filter(matches).count() as u64
}

fn bootstraps(world: &World) -> u64 {
    world.bootstrap_server().map_or(0, |server| server.counters().finished)
}

/// The actions one after the other, 100 s apart, told to five meters of the setup's.
fn told(actions: Vec<Action>) -> World {
    let setup = Setup { meters: 5, ..Setup::default() };
    let starts = (1..).map(|number| Duration::from_secs(100 * number));
    let campaigns = actions.into_iter().zip(starts);
    let campaigns = campaigns.map(|(action, start)| Campaign { start, ..campaign(action) }).collect();
    let mut world = world(&setup, EmsConfig { campaigns, ..setup.ems_config() }, enrich);
    world.run_to(Instant::from_secs(90));
    assert!(all_registered(&world));
    world
}

/// Every campaign that has had its turn was carried out by all five.
fn all_agreed(world: &World) {
    for CampaignCounters { rounds, devices, ok, errors, .. } in &counters(world).campaigns {
        assert_eq!((*rounds, *devices, *ok), (1, 5, 5), "{errors:?}");
    }
    balanced(world);
}

#[test]
fn a_rich_meter_is_observed_over_a_link_that_loses_a_tenth() {
    for_seeds(0..4, |seed| {
        let link = LinkFaults { loss: 0.1, delay: Duration::from_millis(30), ..LinkFaults::default() };
        let setup = Setup { seed, meters: 10, link, ..Setup::default() };
        let readings = Question { path: Path::object(10_243), ask: Ask::Observe };
        let ems = EmsConfig { interview: Interview::observe().with([readings]), ..setup.ems_config() };
        let mut world = world(&setup, ems, |config| {
            enrich(config);
            config.report.confirmable = Confirm::Always;
            config.report.sampling = Duration::from_secs(15);
        });
        world.run_to(Instant::from_secs(3_000));
        let EmsCounters { interviews, observations, registrations, .. } = counters(&world);
        // All of GEISA's objects, the state of the firmware, and the energy readings.
        assert_eq!(interviews.begun, registrations);
        assert!(interviews.completed >= 10, "{interviews:?}");
        assert_eq!((interviews.errors, observations.undecodable), (0, 0));
        let all = Interview::OBJECTS.len() as u64 + 2;
        assert!(observations.begun >= 10 * all, "{observations:?}");
        // Ten meters, one look in fifteen seconds.
        let ObservationCounters { fresh, stale, lost, values, .. } = observations;
        assert!(fresh > 1_500, "{observations:?}");
        assert!(values >= 2 * fresh, "tension and current in each");
        let sent = notifications(&world, NotificationFate::SentConfirmable);
        let acknowledged = notifications(&world, NotificationFate::Acknowledged);
        // What was acknowledged was heard; what was heard may still wait for an acknowledgement.
        let heard = fresh + stale + lost;
        assert!((acknowledged..=sent).contains(&heard), "{acknowledged} <= {heard} <= {sent}");
        assert_eq!(notifications(&world, NotificationFate::Reset), 0);
        balanced(&world);
    });
}

#[test]
fn meters_read_write_execute_and_are_observed_until_told_otherwise() {
    let clock = Path::resource(3, 0, 13);
    let world = &mut told(vec![
        Action::Read(Path::object(3_600)),
        Action::Write(Path::resource(1, 0, 1), Value::Integer(7_200)),
        Action::Execute { path: Path::resource(3, 0, 12), arguments: String::new() },
        Action::Observe(TENSION),
        Action::Cancel(TENSION),
        Action::Read(clock),
    ]);
    world.run_to(Instant::from_secs(490));
    let before = counters(world).observations;
    assert_eq!((before.begun, before.standing()), (5, 5));
    world.run_to(Instant::from_secs(590));
    let after = counters(world).observations;
    assert!(after.fresh > 0 && after.standing() == 0, "{after:?}");
    world.run_to(Instant::from_secs(650));
    assert_eq!(counters(world).observations.fresh, after.fresh);
    let campaigns = &counters(world).campaigns;
    let done: Vec<u64> = campaigns.iter().map(|campaign| campaign.ok).collect();
    // Nothing tells these meters what time it is.
    assert_eq!(done, [5, 5, 5, 5, 5, 0]);
    assert_eq!(campaigns[5].errors.values().sum::<u64>(), 5);
    // The lifetime is written, and so told in an Update.
    assert!(
        world.meters().all(|meter| {
            meter.client().tree().get(Path::resource(1, 0, 1)) == Some(&Value::Integer(7_200))
        })
    );
    assert_eq!(counters(world).registered, 5);
}

#[test]
fn a_bootstrap_trigger_leads_to_the_bootstrap_server_and_back() {
    let mut world = told(vec![Action::BootstrapTrigger]);
    world.run_to(Instant::from_secs(150));
    all_agreed(&world);
    assert!(all_registered(&world));
    let EmsCounters { registrations, replaced, deregistrations, registered, .. } = counters(&world);
    assert_eq!((bootstraps(&world), registrations, registered), (10, 10, 5));
    assert_eq!(replaced + deregistrations, 5);
}

#[test]
fn a_disabled_meter_stays_away_for_as_long_as_it_was_told() {
    let mut world = told(vec![Action::Disable]);
    world.run_to(Instant::from_secs(190));
    all_agreed(&world);
    let EmsCounters { deregistrations, registered, .. } = counters(&world);
    assert_eq!((deregistrations, registered), (5, 0));
    world.run_to(Instant::from_secs(210));
    assert!(all_registered(&world));
    assert_eq!((counters(&world).registrations, bootstraps(&world)), (10, 5));
}

#[test]
fn reboots_and_factory_resets_end_in_new_registrations() {
    let mut world = told(vec![Action::Reboot, Action::FactoryReset]);
    world.run_to(Instant::from_secs(190));
    assert!(all_registered(&world));
    let after_reboot = counters(&world);
    assert_eq!((after_reboot.campaigns[0].ok, after_reboot.registrations), (5, 10));
    assert_eq!(bootstraps(&world), 5);
    world.run_to(Instant::from_secs(300));
    all_agreed(&world);
    assert!(all_registered(&world));
    // What the Bootstrap-Server had written is gone with the reset.
    assert_eq!((counters(&world).registrations, bootstraps(&world)), (15, 10));
}

#[test]
fn what_meters_send_by_themselves_is_taken() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let mut world = world(&setup, setup.ems_config(), |config| {
        enrich(config);
        let every = Duration::from_secs(60);
        config.report.send = Some(SendPlan { every, jitter: Duration::ZERO, paths: vec![TENSION] });
    });
    world.run_to(Instant::from_secs(1_000));
    let sends = counters(&world).sends;
    assert_eq!((sends.accepted, sends.values), (5 * 16, 5 * 16));
    assert_eq!(sends.unregistered + sends.undecodable + sends.unknown_format, 0);
    balanced(&world);
}

#[test]
fn an_interview_asks_again_at_every_registration_and_only_then() {
    let setup = Setup { meters: 3, ..Setup::default() };
    let questions = vec![Question { path: Path::object(4), ask: Ask::Read }];
    let ems = EmsConfig {
        interview: Interview::Ask(questions),
        campaigns: vec![Campaign { start: Duration::from_secs(500), ..campaign(Action::Reboot) }],
        ..setup.ems_config()
    };
    let mut world = world(&setup, ems, enrich);
    world.run_to(Instant::from_secs(490));
    let EmsCounters { updates, interviews, .. } = counters(&world);
    assert!(updates >= 3);
    assert_eq!((interviews.begun, interviews.ok), (3, 3));
    world.run_to(Instant::from_secs(600));
    assert_eq!(counters(&world).interviews.ok, 6);
}
