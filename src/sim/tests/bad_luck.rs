//! Links that lose, double and reorder; servers that refuse.

use super::*;
use crate::metrics::{RequestFate, RequestKind};
use crate::protocol::coap::{Code, Exchange, Message};
use crate::sim::Direction;

#[test]
fn everybody_gets_there_over_a_link_that_loses_a_third() {
    for_seeds(0..8, |seed| {
        let link = LinkFaults {
            loss: 0.3,
            duplicate: 0.2,
            reorder: 0.2,
            reorder_by: Duration::from_millis(700),
            delay: Duration::from_millis(30),
            jitter: Duration::from_millis(20),
        };
        let mut world = Setup { seed, meters: 50, link, ..Setup::default() }.world();
        // A meter may fail a whole attempt and back off; in the end it is there.
        assert!(world.run_until(Instant::from_secs(7_200), all_registered), "{}", stragglers(&world));
        requests_balance(&world);
        registrations_reconcile(&world);
    });
}

#[test]
fn losing_any_one_datagram_of_an_onboarding_does_no_harm() {
    for direction in [Direction::ToMeter, Direction::ToServer] {
        for number in 0..7 {
            let mut world = Setup::default().world();
            world.drop_nth(direction, number);
            assert!(world.run_until(Instant::from_secs(30), all_registered), "{direction:?} {number}");
            assert_eq!(world.bootstrap_server().map(|s| s.counters().requests), Some(1));
            assert_eq!(world.ems().map(|ems| ems.counters().registrations), Some(1));
            // One retransmission, at least 2 and at most 3 seconds later (ACK_TIMEOUT x 1 to 1.5).
            let onboarding = latencies(&world, Stage::Onboarding)[0];
            let once = Duration::from_secs(2)..=Duration::from_secs(3);
            // The 2.04 to /bs and the first command travel apart: losing either costs at most one wait.
            assert!(
                onboarding.is_zero() || once.contains(&onboarding),
                "{direction:?} {number} {onboarding:?}"
            );
        }
    }
}

#[test]
fn a_world_replays_from_its_seed() {
    let link = LinkFaults { loss: 0.2, jitter: Duration::from_millis(50), ..LinkFaults::default() };
    let events = |seed| {
        let mut world = Setup { seed, meters: 20, link, ..Setup::default() }.world();
        world.run_to(Instant::from_secs(200));
        world.events().to_vec()
    };
    assert_eq!(events(3), events(3));
    assert_ne!(events(3), events(4));
}

#[test]
fn a_refusing_bootstrap_server_is_asked_again_later() {
    for code in [Code::BAD_REQUEST, Code::NOT_FOUND, Code::SERVICE_UNAVAILABLE] {
        let mut world = Setup::default().deserted();
        answer_everything(&mut world, World::BOOTSTRAP, code, 3);
        assert_eq!(failures(&world, FailureKind::BootstrapRefused(code.0)), 3, "{code}");
        assert_eq!(world.count(MeterState::BootstrapBackoff), 1);
    }
}

#[test]
fn a_refusing_ems_uses_up_the_retry_sequence() {
    for code in [Code::BAD_REQUEST, Code::FORBIDDEN, Code::SERVICE_UNAVAILABLE] {
        let setup = Setup::default();
        let mut world = setup.deserted();
        world.set_bootstrap_server(Some(setup.bootstrap_server()));
        answer_everything(&mut world, World::EMS, code, 4);
        assert_eq!(failures(&world, FailureKind::RegistrationRefused(code.0)), 4, "{code}");
        // Tries at 0, 60, 180 and 420 s: /1/x/18 doubling from its default.
        assert!((420..425).contains(&world.now().since_origin().as_secs()), "{:?}", world.now());
    }
}

/// Plays a server at `address` that answers every request with `code`, until `times` were answered.
fn answer_everything(world: &mut World, address: SocketAddr, code: Code, times: usize) {
    let mut server = Exchange::new(Arc::new(Params::default()), Seed(9).rng());
    for _ in 0..times {
        assert!(world.run_until(Instant::from_secs(4_000), |w| w.has_strays(address)));
        for bytes in world.take_strays(address) {
            server.handle_input(&bytes, world.now());
        }
        while let Some(output) = server.poll_output() {
            match output {
                crate::protocol::coap::Output::Send(bytes) => world.inject_to_meter(0, address, &bytes),
                crate::protocol::coap::Output::Event(crate::protocol::coap::Event::Request(received)) => {
                    server.respond(received, Message::response(code), world.now());
                }
                crate::protocol::coap::Output::Event(_) => {}
            }
        }
    }
    let now = world.now();
    world.run_to(now);
}

/// Every request sent has one further fate or is in flight.
fn requests_balance(world: &World) {
    for kind in RequestKind::ALL {
        let with = |wanted: RequestFate| {
            let matches = |event: &Event| *event == Event::Request { kind, fate: wanted };
            world.events().iter().filter(|(_, _, event)| matches(event)).count()
        };
        let in_flight = world.meters().map(|meter| meter.in_flight().of(kind) as usize).sum::<usize>();
        let ended = with(RequestFate::Answered)
            + with(RequestFate::Reset)
            + with(RequestFate::TimedOut)
            + with(RequestFate::Abandoned);
        assert_eq!(with(RequestFate::Sent), ended + in_flight, "{kind:?}");
    }
}

/// The EMS accepted what the meters know of, and at most what got lost on the way back besides.
fn registrations_reconcile(world: &World) {
    let Some(ems) = world.ems() else { return };
    let known = latencies(world, Stage::Registration).len() as u64;
    let unanswered = failures(world, FailureKind::RegistrationTimeout) as u64;
    let accepted = ems.counters().registrations;
    assert!((known..=known + unanswered).contains(&accepted), "{known} {accepted} {unanswered}");
}

fn stragglers(world: &World) -> String {
    let states: Vec<_> =
        world.meters().map(|meter| meter.state()).filter(|state| *state != MeterState::Registered).collect();
    format!("not registered: {states:?}")
}

#[test]
fn a_server_that_refuses_everybody_is_not_stormed() {
    // One try in a sequence, so that every refusal leads back to the Bootstrap-Server.
    let retry = RetryTerms {
        count: 1,
        timer: Duration::from_secs(1),
        sequence_delay: Duration::from_secs(1),
        sequence_count: 1,
    };
    let setup = Setup { retry: Some(retry), ..Setup::default() };
    let mut world = setup.deserted();
    world.set_bootstrap_server(Some(setup.bootstrap_server()));
    answer_everything(&mut world, World::EMS, Code::NOT_FOUND, 6);
    // 10, 20, 40, 80, 160 s, each up to half as long again.
    assert!((310..=465).contains(&world.now().since_origin().as_secs()), "{:?}", world.now());
}

#[test]
fn a_command_that_overtakes_the_answer_spoils_no_figure() {
    let link = LinkFaults { delay: Duration::from_millis(10), ..LinkFaults::default() };
    let mut world = Setup { link, ..Setup::default() }.world();
    // The 2.04 to the Bootstrap-Request: the Discover comes without it.
    world.drop_nth(Direction::ToMeter, 0);
    assert!(world.run_until(Instant::from_secs(30), all_registered));
    // The whole bootstrap went through meanwhile: the request was answered in effect, not in form.
    assert_eq!(latencies(&world, Stage::BootstrapDiscover), [Duration::from_millis(20)]);
    assert_eq!(latencies(&world, Stage::BootstrapDelete), [Duration::from_millis(20)]);
    requests_balance(&world);
}

#[test]
fn a_late_answer_is_timed_from_its_request() {
    let link = LinkFaults { delay: Duration::from_millis(10), ..LinkFaults::default() };
    let mut world = Setup { link, ..Setup::default() }.world();
    world.drop_nth(Direction::ToMeter, 0);
    // And the Delete, so that the request is sent again, and answered, before the bootstrap is over.
    world.drop_nth(Direction::ToMeter, 2);
    assert!(world.run_until(Instant::from_secs(60), all_registered));
    let request = latencies(&world, Stage::BootstrapRequest);
    assert_eq!(request.len(), 1, "{request:?}");
    assert!((2..=4).contains(&request[0].as_secs()), "{request:?}");
    requests_balance(&world);
}

#[test]
fn one_address_for_both_servers_does_not_confuse_a_meter() {
    use crate::protocol::client::Link;
    let links = [Link::Bootstrap, Link::Server(101)];
    let mut world = Setup::default().world();
    assert_eq!(world.meter(0).client().link_of(&links, &[]), Link::Bootstrap);
    world.record();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    let client = world.meter(0).client();
    let finish =
        world.recorded().iter().rev().find(|bytes| bytes[1] == Code::POST.0 && bytes.ends_with(b"\xb2bs"));
    assert_eq!(client.link_of(&links, finish.expect("a Finish was sent")), Link::Bootstrap);
    assert_eq!(client.link_of(&links, &[0x60, 0x44, 0, 1]), Link::Server(101));
}
