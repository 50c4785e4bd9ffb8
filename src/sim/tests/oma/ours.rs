//! Cases in which our own servers have a part to pass: meter and servers as they are in a run.

use super::*;
use crate::protocol::client::SendPlan;
use crate::protocol::server::{
    Action, BootstrapConfig, BootstrapCounters, BootstrapServer, Campaign, CampaignCounters, Directory, Ems,
    EmsConfig, EmsCounters, Plan, Step,
};
use crate::sim::Direction;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A meter that has an account of the server, its settings changed a little.
fn fitted(version: Version, change: impl FnOnce(&mut client::Config)) -> Rig {
    Rig::with(version, [account(), device()].concat(), change)
}

impl Rig {
    /// Puts a Bootstrap-Server of ours into the world, its plan changed a little.
    fn with_our_bootstrap_server(mut self, change: impl FnOnce(&mut Plan)) -> Rig {
        let config = Setup::default().bootstrap_config();
        let mut plan = Plan::clone(&config.directory.by_pattern[0].1);
        change(&mut plan);
        let config = BootstrapConfig { directory: Directory::of(plan), ..config };
        self.world.set_bootstrap_server(Some(BootstrapServer::new(config, Seed(1))));
        self
    }

    /// Puts an EMS of ours into the world, its configuration changed a little.
    fn with_our_ems(mut self, change: impl FnOnce(&mut EmsConfig)) -> Rig {
        let mut config = EmsConfig { short_server_id: 1, ..Setup::default().ems_config() };
        change(&mut config);
        self.world.set_ems(Some(Ems::new(config, 0, Seed(1))));
        self
    }

    /// The same, with one campaign that begins so long after the registration.
    fn with_our_ems_telling(self, action: Action, start: Duration) -> Rig {
        let rate = "1/s".parse().expect("a rate");
        let campaign = Campaign { action, start, rate, share: None, repeat: None };
        self.with_our_ems(|config| config.campaigns = vec![campaign])
    }

    fn bootstrap_counters(&self) -> BootstrapCounters {
        self.world.bootstrap_server().expect("it is there").counters()
    }

    fn ems_counters(&self) -> EmsCounters {
        self.world.ems().expect("it is there").counters()
    }

    fn campaign_counters(&self) -> CampaignCounters {
        self.ems_counters().campaigns.remove(0)
    }
}

// ----- bootstrap ----------------------------------------------------------------------------------

/// A meter that has nothing but the account of the Bootstrap-Server.
fn bare(version: Version, change: impl FnOnce(&mut client::Config)) -> Rig {
    Rig::with(version, [bootstrap_account(), device()].concat(), change)
}

#[test]
fn int_0_client_initiated_bootstrap_by_our_server() {
    for version in ALL {
        let mut rig = bare(version, |_| {}).with_our_bootstrap_server(|_| {});
        rig.expect_register();
        let counters = rig.bootstrap_counters();
        assert_eq!((counters.requests, counters.finished, counters.command_errors), (1, 1, 0));
        // It has found out which account is its own, and left it alone.
        assert_eq!(rig.world.meter(0).client().tree().get(at("/0/1/1")), Some(&Value::Boolean(true)));
    }
}

#[test]
fn int_5_server_initiated_bootstrap_by_our_servers() {
    for version in LATER {
        let rig = bare(version, |_| {}).with_our_bootstrap_server(|_| {});
        let mut rig = rig.with_our_ems_telling(Action::BootstrapTrigger, seconds(60));
        rig.world.run_to(Instant::from_secs(50));
        assert_eq!((rig.bootstrap_counters().finished, rig.ems_counters().registrations), (1, 1));
        rig.world.run_to(Instant::from_secs(70));
        assert_eq!(rig.campaign_counters().ok, 1);
        assert_eq!((rig.bootstrap_counters().finished, rig.ems_counters().registrations), (2, 2));
    }
}

#[test]
fn int_8_bootstrap_read_by_our_server() {
    for version in LATER {
        let mut rig = bare(version, |_| {}).with_our_bootstrap_server(|plan| {
            let finish = plan.sequence.len() - 1;
            plan.sequence.splice(finish..finish, [Step::Read(at("/1")), Step::Read(at("/2"))]);
        });
        rig.expect_register();
        let counters = rig.bootstrap_counters();
        assert_eq!((counters.reads, counters.finished, counters.failed), (2, 1, 0));
    }
}

#[test]
fn int_9_bootstrap_and_configuration_consistency_of_our_server() {
    let mut rig = bare(Version::V1_1, |_| {})
        .with_our_bootstrap_server(|plan| plan.sequence.retain(|step| *step != Step::WriteSecurity));
    rig.wait(SOON);
    let counters = rig.bootstrap_counters();
    assert_eq!((counters.requests, counters.finished, counters.failed), (1, 0, 1));
    assert!(rig.server.heard.is_empty());
}

#[test]
fn int_12_bootstrap_via_bootstrap_pack_request_from_our_server() {
    let rig = bare(Version::V1_2, |config| config.bootstrap.pack = true);
    let mut rig = rig.with_our_bootstrap_server(|_| {});
    rig.expect_register();
    let counters = rig.bootstrap_counters();
    assert_eq!((counters.packs, counters.requests, counters.writes), (1, 0, 0));
}

// ----- registration -------------------------------------------------------------------------------

#[test]
fn int_101_initial_registration_with_our_server() {
    for version in ALL {
        let mut rig = fitted(version, |_| {}).with_our_ems(|_| {});
        rig.wait(SOON);
        let counters = rig.ems_counters();
        assert_eq!((counters.registrations, counters.registered, counters.refused), (1, 1, 0));
        assert_eq!(rig.world.count(MeterState::Registered), 1);
    }
}

#[test]
fn int_102_registration_update_that_our_server_misses() {
    let mut rig = Rig::new(Version::V1_1, with_lifetime(20)).with_our_ems(|_| {});
    rig.wait(SOON);
    // All after the Register is lost.
    (1..100).for_each(|number| rig.world.drop_nth(Direction::ToServer, number));
    // It waits a little longer than the lifetime: MAX_TRANSMIT_SPAN, in which an Update may still come.
    rig.wait(seconds(63));
    assert_eq!(rig.ems_counters().registered, 1);
    rig.wait(seconds(2));
    let counters = rig.ems_counters();
    assert_eq!((counters.updates, counters.expired, counters.registered), (0, 1, 0));
}

#[test]
fn int_103_deregistration_at_our_server() {
    for version in ALL {
        let mut rig = fitted(version, |_| {}).with_our_ems_telling(Action::Disable, seconds(10));
        rig.wait(seconds(20));
        let counters = rig.ems_counters();
        assert_eq!((counters.campaigns[0].ok, counters.deregistrations, counters.registered), (1, 1, 0));
    }
}

#[test]
fn int_104_registration_update_trigger_by_our_server() {
    for version in ALL {
        let mut rig =
            Rig::new(version, with_lifetime(20)).with_our_ems_telling(Action::UpdateTrigger, seconds(5));
        rig.wait(seconds(4));
        assert_eq!(rig.ems_counters().updates, 0);
        rig.wait(seconds(2));
        assert_eq!((rig.campaign_counters().ok, rig.ems_counters().updates), (1, 1));
        rig.wait(seconds(600));
        let counters = rig.ems_counters();
        assert_eq!((counters.registrations, counters.registered, counters.expired), (1, 1, 0));
    }
}

#[test]
fn int_105_discarded_register_update_by_our_server() {
    let mut rig = Rig::new(Version::V1_1, with_lifetime(60)).with_our_ems(|_| {});
    rig.wait(SOON);
    // It has forgotten everything.
    let mut rig = rig.with_our_ems(|_| {});
    rig.wait(seconds(60));
    let counters = rig.ems_counters();
    assert_eq!((counters.unknown_location, counters.registrations, counters.registered), (1, 1, 1));
}

#[test]
fn int_107_extending_the_lifetime_of_a_registration_by_our_server() {
    for version in ALL {
        let lifetime = Action::Write(at("/1/0/1"), Value::Integer(120));
        let mut rig = Rig::new(version, with_lifetime(60)).with_our_ems_telling(lifetime, seconds(10));
        rig.wait(seconds(11));
        assert_eq!((rig.campaign_counters().ok, rig.ems_counters().updates), (1, 1));
        // The next comes at half of the new lifetime, and is waited for.
        rig.wait(seconds(50));
        assert_eq!(rig.ems_counters().updates, 1);
        rig.wait(seconds(600));
        let counters = rig.ems_counters();
        assert_eq!((counters.registrations, counters.registered, counters.expired), (1, 1, 0));
    }
}

#[test]
fn int_109_behavior_in_queue_mode_of_our_server() {
    for version in LATER {
        let rig = Rig::with(version, with_lifetime(240), |config| config.registration.queue_mode = true);
        let mut rig = rig.with_our_ems_telling(Action::Read(at("/1/0/1")), seconds(100));
        // 93 s after the registration the meter sleeps; its Update is due at 120 s.
        rig.wait(seconds(119));
        let sent = rig.world.passed(Direction::ToMeter);
        let campaign = rig.campaign_counters();
        assert_eq!((campaign.requests, campaign.held, campaign.sent, sent), (1, 1, 0, 1));
        rig.wait(seconds(2));
        let counters = rig.ems_counters();
        assert_eq!((counters.updates, counters.queue.released, counters.campaigns[0].ok), (1, 1, 1));
    }
}

#[test]
fn int_110_initial_registration_using_profile_id_at_our_server() {
    let rig = fitted(Version::V1_2, |config| config.registration.profile_id = true);
    let mut rig = rig.with_our_ems(|config| config.profile_ids = true);
    rig.wait(SOON);
    let first = rig.ems_counters();
    // Now it knows the list.
    let (config, now) = (rig.config.clone(), rig.now());
    rig.world.add_meter(config, "urn:dev:os:meter-0000001", now);
    rig.wait(SOON);
    let both = rig.ems_counters();
    assert_eq!((both.registered, both.registrations - first.registrations), (2, 1));
    assert_eq!(both.unknown_profile, first.unknown_profile);
}

#[test]
fn int_111_registration_with_profile_id_and_object_list_at_our_server() {
    for known in [true, false] {
        let rig = fitted(Version::V1_2, |config| config.registration.profile_id = true);
        let mut rig = rig.with_our_ems(|config| config.profile_ids = known);
        rig.wait(SOON);
        let counters = rig.ems_counters();
        assert_eq!((counters.unknown_profile, counters.registrations, counters.registered), (1, 1, 1));
    }
}

// ----- reporting ----------------------------------------------------------------------------------

#[test]
fn int_301_observation_and_notification_of_parameter_values_by_our_server() {
    for version in ALL {
        let mut rig = fitted(version, |_| {}).with_our_ems_telling(Action::Observe(at("/3/0/7")), seconds(5));
        rig.wait(seconds(305));
        let observations = rig.ems_counters().observations;
        // /1/0/3 is ten seconds.
        assert_eq!((observations.begun, observations.undecodable, observations.lost), (1, 0, 0));
        assert!((29..=30).contains(&observations.fresh), "{observations:?}");
        assert_eq!(observations.values, 2 * observations.fresh);
    }
}

#[test]
fn int_306_send_operation_to_our_server() {
    for version in LATER {
        let mut store = [account(), device()].concat();
        store.push(boolean("/1/0/23", false));
        let rig = Rig::with(version, store, |config| {
            let plan = SendPlan { every: seconds(60), jitter: Duration::ZERO, paths: vec![at("/10243")] };
            config.report.send = Some(plan);
        });
        let mut rig = rig.with_our_ems(|_| {});
        rig.wait(seconds(190));
        let sends = rig.ems_counters().sends;
        assert_eq!((sends.accepted, sends.values, sends.undecodable), (3, 3 * 4, 0));
    }
}
