//! Meters with all the objects of a platform, asked for them by the EMS.

use super::ems::counters;
use super::*;
use crate::meter::{MeterDevice, ObjectSet, factory};
use crate::protocol::server::Interview;

/// Platforms that take firmware like this, and an EMS that does so with them.
pub(super) fn world(setup: &Setup, firmware: FirmwarePolicy, ems: EmsConfig) -> World {
    let nobody = Setup { meters: 0, ..setup.clone() };
    let mut world = nobody.world();
    world.set_ems(Some(Ems::new(ems, 0, Seed(setup.seed).child("ems", 0))));
    let uri = ServerUri::coap(World::BOOTSTRAP).to_string();
    let config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    let config = Arc::new(client::Config {
        firmware,
        factory: factory(&uri, Duration::ZERO, ObjectSet::PlatformCellular),
        device: Some(Arc::new(MeterDevice::default())),
        ..config
    });
    for number in 0..setup.meters {
        let planned = Instant::from_millis(10 * u64::from(number));
        world.add_meter(config.clone(), &format!("meter-{number}"), planned);
    }
    world
}

#[test]
fn a_platform_answers_an_interview_about_all_it_has() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let ems = EmsConfig { interview: Interview::read(), ..setup.ems_config() };
    let mut world = world(&setup, FirmwarePolicy::default(), ems);
    assert!(world.run_until(Instant::from_secs(20), |w| counters(w).interviews.completed == 5));
    let counters = counters(&world);
    assert_eq!(counters.interviews.ok, counters.interviews.requests, "{:?}", counters.interviews);
    assert_eq!(counters.observations.undecodable, 0);
    assert!(counters.interviews.requests >= 5 * 10);
}
