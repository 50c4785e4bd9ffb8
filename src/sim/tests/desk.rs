//! Servers that are too slow, or behave badly on purpose, and the meters that have to live with them.

use super::bootstrapping::balanced;
use super::ems::counters;
use super::*;
use crate::base::Percent;
use crate::protocol::coap::Code;
use crate::protocol::server::{BootstrapCounters, DeskCounters, Manners, Pace, Service};

/// A world of `meters` that are all switched on at once, with both servers serving like this.
fn world(seed: u64, meters: u32, bootstrap: Service, ems: Service) -> World {
    let link = LinkFaults { delay: Duration::from_millis(20), ..LinkFaults::default() };
    let setup = Setup { seed, link, ..Setup::default() };
    let mut world = World::new(WorldConfig { seed: Seed(seed), link });
    let bootstrap = BootstrapConfig { service: bootstrap, ..setup.bootstrap_config() };
    world.set_bootstrap_server(Some(BootstrapServer::new(bootstrap, Seed(seed))));
    let ems = EmsConfig { service: ems, ..setup.ems_config() };
    world.set_ems(Some(Ems::new(ems, 0, Seed(seed))));
    let config = setup.client_config();
    for number in 0..meters {
        world.add_meter(config.clone(), &format!("meter-{number}"), Instant::ZERO);
    }
    world
}

/// Which of the desk's counts.
type Count = fn(&DeskCounters) -> u64;

fn slow() -> Service {
    let pace = Pace {
        workers: 1,
        time: "50ms".parse().expect("a time"),
        queue: 20,
        max_age: Duration::from_secs(30),
    };
    Service { pace: Some(pace), ..Service::default() }
}

fn bootstrap_counters(world: &World) -> BootstrapCounters {
    world.bootstrap_server().map(|server| server.counters()).unwrap_or_default()
}

/// Whatever was begun has ended or is still under way, by everybody's account; how many bootstraps are.
fn all_adds_up(world: &World) -> u64 {
    balanced(world);
    let BootstrapCounters { requests, initiated, finished, failed, restarted, unfinished, .. } =
        bootstrap_counters(world);
    let ems = counters(world);
    let ended = ems.replaced + ems.deregistrations + ems.expired;
    assert_eq!(ems.registrations, ems.registered + ended);
    let running = (requests + initiated).checked_sub(finished + failed + restarted + unfinished);
    running.filter(|running| *running <= world.meters().count() as u64).expect("each ends once")
}

#[test]
fn a_herd_at_a_slow_bootstrap_server_is_sent_away_and_gets_there_in_the_end() {
    let mut world = world(1, 200, slow(), Service::default());
    world.run_to(Instant::from_secs(1));
    let DeskCounters { overloaded, longest_queue, .. } = bootstrap_counters(&world).desk;
    // One is being served, twenty wait.
    assert_eq!((overloaded, longest_queue), (200 - 21, 20));
    assert!(world.run_until(Instant::from_secs(3_600), all_registered), "{:?}", world.states());
    world.run_to(world.now() + Duration::from_secs(300));
    let bootstrap = bootstrap_counters(&world);
    let refused = FailureKind::BootstrapRefused(Code::SERVICE_UNAVAILABLE.0);
    assert_eq!(failures(&world, refused) as u64, bootstrap.desk.overloaded);
    assert_eq!((bootstrap.requests, bootstrap.finished, bootstrap.refused), (200, 200, 0));
    assert_eq!((all_adds_up(&world), counters(&world).registered), (0, 200));
}

#[test]
fn a_herd_at_a_slow_ems_is_sent_away_and_gets_there_in_the_end() {
    let mut world = world(1, 200, Service::default(), slow());
    assert!(world.run_until(Instant::from_secs(3_600), all_registered), "{:?}", world.states());
    let ems = counters(&world);
    assert!(ems.desk.overloaded >= 200 - 21, "{:?}", ems.desk);
    assert_eq!(ems.desk.longest_queue, 20);
    let refused = FailureKind::RegistrationRefused(Code::SERVICE_UNAVAILABLE.0);
    assert_eq!(failures(&world, refused) as u64, ems.desk.overloaded);
    assert_eq!((ems.registrations, ems.registered), (200, 200));
    assert_eq!(all_adds_up(&world), 0);
}

#[test]
fn whatever_one_answer_in_five_suffers_everybody_gets_there() {
    let some = || "20%".parse::<Percent>().expect("a share").into();
    let late =
        |seconds| Manners { late: some(), late_by: Duration::from_secs(seconds), ..Manners::default() };
    let manners: [(Manners, Count); 9] = [
        (Manners { drop: some(), ..Manners::default() }, |desk| desk.dropped),
        (Manners { reset: some(), ..Manners::default() }, |desk| desk.reset),
        (Manners { error: some(), ..Manners::default() }, |desk| desk.failed),
        (Manners { error: some(), error_code: Some(Code::FORBIDDEN), ..Manners::default() }, |desk| {
            desk.failed
        }),
        (Manners { unavailable: some(), max_age: Duration::from_secs(30), ..Manners::default() }, |desk| {
            desk.unavailable
        }),
        (late(10), |desk| desk.delayed),
        // Nobody waits so long: the answer finds a meter that has begun again.
        (late(400), |desk| desk.delayed),
        (Manners { duplicate: some(), ..Manners::default() }, |desk| desk.doubled),
        (Manners { other_port: some(), ..Manners::default() }, |desk| desk.misplaced),
    ];
    for (number, (manners, suffered)) in manners.into_iter().enumerate() {
        let service = Service { manners, ..Service::default() };
        let mut world = world(number as u64, 60, service.clone(), service);
        assert!(
            world.run_until(Instant::from_secs(20_000), all_registered),
            "manner {number}: {:?}",
            world.states()
        );
        assert!(suffered(&bootstrap_counters(&world).desk) > 0, "manner {number}");
        assert!(suffered(&counters(&world).desk) > 0, "manner {number}");
        world.run_to(world.now() + Duration::from_secs(1_000));
        all_adds_up(&world);
    }
}
