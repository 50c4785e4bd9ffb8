//! Staying registered: Updates, expiry, retries.

use super::*;

#[test]
fn updates_go_out_at_half_the_lifetime() {
    let setup = Setup { lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    world.run_to(Instant::from_secs(125));
    assert_eq!(latencies(&world, Stage::Update).len(), 4);
    let ems = world.ems().map(|ems| ems.counters()).unwrap_or_default();
    assert_eq!((ems.registrations, ems.updates, ems.expired), (1, 4, 0));
}

#[test]
fn an_ems_that_lost_its_registry_gets_everybody_back() {
    let setup = Setup { meters: 20, lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(5), all_registered));
    world.set_ems(Some(setup.ems()));
    world.run_to(Instant::from_secs(70));
    assert!(all_registered(&world));
    assert_eq!(failures(&world, FailureKind::UpdateRefused(0x84)), 20);
    assert_eq!(world.ems().map(|ems| ems.counters().registrations), Some(20));
}

#[test]
fn a_silent_meter_expires() {
    let setup = Setup { lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    // Everything the meter says from now on is lost.
    for number in 7..200 {
        world.drop_nth(super::super::Direction::ToServer, number);
    }
    let expired = |w: &World| w.ems().is_some_and(|ems| ems.counters().expired == 1);
    assert!(world.run_until(Instant::from_secs(106), expired));
}

#[test]
fn failed_registrations_follow_the_retry_sequence() {
    // Tries at 0, 10, 30 s in one sequence, each given up after MAX_TRANSMIT_WAIT; the next sequence
    // 100 s later; then back to the Bootstrap-Server.
    let retry = RetryTerms {
        count: 3,
        timer: Duration::from_secs(10),
        sequence_delay: Duration::from_secs(100),
        sequence_count: 2,
    };
    let setup = Setup { retry: Some(retry), ..Setup::default() };
    let mut world = setup.world();
    world.set_ems(None);
    let bootstraps = |w: &World| w.bootstrap_server().map_or(0, |server| server.counters().requests);
    assert!(world.run_until(Instant::from_secs(1_000), |w| bootstraps(w) == 2));
    assert_eq!(failures(&world, FailureKind::RegistrationTimeout), 6);
    let waits = [10, 20, 100, 10, 20].iter().sum::<u64>();
    let in_vain = world.now().since_origin().as_secs_f64() - waits as f64;
    // Six times the span of four retransmissions and the last wait: 62 to 93 s each.
    assert!((6.0 * 62.0..=6.0 * 93.0).contains(&in_vain), "{in_vain}");
}

#[test]
fn a_bootstrap_server_that_comes_back_is_found_again() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let mut world = setup.deserted();
    world.set_ems(Some(setup.ems()));
    world.run_to(Instant::from_secs(300));
    assert_eq!(world.count(MeterState::Registered), 0);
    assert!(failures(&world, FailureKind::BootstrapTimeout) >= 5);
    world.set_bootstrap_server(Some(setup.bootstrap_server()));
    assert!(world.run_until(Instant::from_secs(1_200), all_registered));
}

/// Factory-fitted meters with an account at each of these servers, in this order of priority.
fn fitted_for(servers: &[SocketAddr], policy: RegistrationPolicy) -> Arc<client::Config> {
    let setup = Setup::default();
    let mut factory = vec![Entry::new(Path::resource(3, 0, 0), Value::String("bootstorm".into()))];
    for (index, address) in servers.iter().enumerate() {
        let index = index as u16;
        let security = |id| Path::resource(0, index, id);
        let server = |id| Path::resource(1, index, id);
        factory.push(Entry::new(security(0), Value::from(ServerUri::coap(*address).to_string().as_str())));
        factory.push(Entry::new(security(1), Value::Boolean(false)));
        factory.push(Entry::new(security(10), Value::Integer(i64::from(index) + 1)));
        factory.push(Entry::new(server(0), Value::Integer(i64::from(index) + 1)));
        factory.push(Entry::new(server(1), Value::Integer(60)));
        factory.push(Entry::new(server(13), Value::Unsigned(index.into())));
    }
    let config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    Arc::new(client::Config { factory: Arc::new(factory), registration: policy, ..config })
}

#[test]
fn meters_with_three_servers_are_registered_at_all_and_leave_all() {
    let servers = [World::EMS, loopback(5_684), loopback(5_685)];
    let setup = Setup { meters: 0, ..Setup::default() };
    let mut world = setup.deserted();
    for address in &servers[1..] {
        world.set_ems_at(*address, Some(setup.ems()));
    }
    world.set_ems(Some(setup.ems()));
    let config = fitted_for(&servers, RegistrationPolicy::default());
    for number in 0..10 {
        world.add_meter(config.clone(), &format!("meter-{number}"), Instant::ZERO);
    }
    let counters = |world: &World| {
        let further = servers[1..].iter().filter_map(|address| world.ems_at(*address));
        let all = world.ems().into_iter().chain(further);
        all.map(|ems| ems.counters()).collect::<Vec<_>>()
    };
    world.run_to(Instant::from_secs(100));
    for ems in counters(&world) {
        assert_eq!((ems.registrations, ems.registered, ems.expired), (10, 10, 0));
        assert_eq!(ems.updates, 30);
    }
    assert_eq!(world.count(MeterState::Registered), 10);
    assert_eq!(latencies(&world, Stage::Onboarding).len(), 10);
    assert!(world.meters().all(|meter| meter.registrations() == (3, 0)));
    world.shutdown();
    world.run_to(Instant::from_secs(101));
    assert_eq!(world.count(MeterState::Deregistered), 10);
    assert!(counters(&world).iter().all(|ems| (ems.deregistrations, ems.registered) == (10, 0)));
}

#[test]
fn a_server_that_is_down_holds_nobody_up() {
    let servers = [World::EMS, loopback(5_684)];
    let setup = Setup { meters: 0, ..Setup::default() };
    let mut world = setup.deserted();
    world.set_ems_at(servers[1], Some(setup.ems()));
    world.add_meter(fitted_for(&servers, RegistrationPolicy::default()), "meter", Instant::ZERO);
    // Five tries of 62 to 93 s and 900 s of waits, and then it is the turn of the next.
    assert!(!world.run_until(Instant::from_secs(1_200), all_registered));
    assert!(world.run_until(Instant::from_secs(1_365), all_registered));
    assert_eq!(failures(&world, FailureKind::RegistrationTimeout), 5);
    assert!(world.meter(0).registrations() == (1, 5));
    // A day later the first is tried again, and is up.
    world.set_ems(Some(setup.ems()));
    let up = |world: &World| world.ems().is_some_and(|ems| ems.counters().registered == 1);
    assert!(world.run_until(Instant::from_secs(90_000), up));
}

#[test]
fn sleeping_meters_stay_registered_and_what_they_miss_is_counted() {
    let setup = Setup { meters: 0, ..Setup::default() };
    let mut world = setup.deserted();
    world.set_ems(Some(setup.ems()));
    let policy = RegistrationPolicy {
        queue_mode: true,
        update: Some(crate::protocol::client::UpdateTiming::LifetimeLess10),
        ..RegistrationPolicy::default()
    };
    let mut factory = (*fitted_for(&[World::EMS], policy.clone()).factory).clone();
    factory.iter_mut().filter(|entry| entry.path == Path::resource(1, 0, 1)).for_each(|entry| {
        entry.value = Value::Integer(300);
    });
    let config = Arc::into_inner(fitted_for(&[World::EMS], policy)).expect("nobody else has it");
    let config = client::Config { factory: Arc::new(factory), ..config };
    world.add_meter(Arc::new(config), "meter", Instant::ZERO);
    world.run_to(Instant::from_secs(200));
    world.inject_to_meter(0, World::EMS, &[0x40, 1, 0, 1, 0xb1, b'3']);
    world.run_to(Instant::from_secs(1_000));
    let asleep = Event::Noise(crate::metrics::NoiseKind::Asleep);
    assert_eq!(world.events().iter().filter(|(_, _, event)| *event == asleep).count(), 1);
    let ems = world.ems().map(|ems| ems.counters()).unwrap_or_default();
    assert_eq!((ems.registrations, ems.updates, ems.expired), (1, 3, 0));
}

#[test]
fn two_accounts_at_one_address_are_two_registrations() {
    let servers = [World::EMS; 2];
    let setup =
        Setup { meters: 0, link: LinkFaults { loss: 0.2, ..LinkFaults::default() }, ..Setup::default() };
    let mut world = setup.deserted();
    world.set_ems(Some(setup.ems()));
    world.add_meter(fitted_for(&servers, RegistrationPolicy::default()), "meter", Instant::ZERO);
    let both = |world: &World| latencies(world, Stage::Registration).len() == 2;
    assert!(world.run_until(Instant::from_secs(200), both));
    assert_eq!(world.ems().map(|ems| ems.counters().registrations), Some(2));
}
