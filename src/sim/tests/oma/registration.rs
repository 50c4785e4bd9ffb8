//! The registration interface: cases 101 to 111.

use super::*;
use crate::metrics::{Event, NoiseKind};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A meter with an account of the server, its registration policy changed a little; not yet registered.
fn with_policy(version: Version, change: impl FnOnce(&mut client::RegistrationPolicy)) -> Rig {
    Rig::with(version, [account(), device()].concat(), |config| change(&mut config.registration))
}

/// Sets the lifetime and sees it told.
fn set_lifetime(rig: &mut Rig, lifetime: i64) {
    assert_eq!(rig.put("/1/0/1", ContentFormat::TEXT, lifetime.to_string()), Code::CHANGED);
    rig.expect_lifetime(lifetime);
}

/// Whether an Update says nothing but that the meter is there.
fn is_bare(update: &Message) -> bool {
    update.queries().next().is_none() && update.payload().is_empty()
}

/// The links of a registration. Formats are listed within quotes, but with spaces in between.
fn links(message: &Message) -> Vec<String> {
    let list = str::from_utf8(message.payload()).expect("link-format is text");
    list.split(',').map(str::to_owned).collect()
}

#[test]
fn int_101_initial_registration() {
    for version in ALL {
        let mut rig = with_policy(version, |_| {});
        let register = rig.expect_register();
        assert_eq!(register.query("ep"), Some(ENDPOINT));
        assert_eq!(register.query("lt"), Some("86400"));
        assert_eq!(register.query("lwm2m"), Some(version.to_string().as_str()));
        assert!(matches!(register.query("b"), None | Some("U")), "{register:?}");
        assert_eq!(register.content_format(), Some(ContentFormat::LINK));
        let links = links(&register);
        for present in ["</1/0>", "</3/0>", "</10243/0>", "</10243/1>"] {
            assert!(links.iter().any(|link| link.split(';').next() == Some(present)), "{links:?}");
        }
        let hidden = ["</0>", "</0/", "</21"];
        assert!(!links.iter().any(|link| hidden.iter().any(|path| link.starts_with(path))), "{links:?}");
    }
}

#[test]
fn int_102_registration_update() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        set_lifetime(&mut rig, 20);
        for _ in 0..5 {
            let update = rig.expect_update_within(seconds(20));
            assert!(is_bare(&update), "{update:?}");
        }
    }
}

#[test]
fn int_103_deregistration() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.put("/1/0/5", ContentFormat::TEXT, "3600"), Code::CHANGED);
        assert_eq!(rig.execute("/1/0/4"), Code::CHANGED);
        let leave = rig.serve(SOON, Message::response(Code::DELETED));
        assert_eq!(leave.code(), Code::DELETE);
        assert!(leave.path_is(&LOCATION), "{leave:?}");
        // Gone for /1/0/5, and then back.
        rig.expect_silence(seconds(3595));
        rig.wait(seconds(4));
        rig.expect_register();
    }
}

#[test]
fn int_104_registration_update_trigger() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        set_lifetime(&mut rig, 20);
        rig.wait(seconds(5));
        assert_eq!(rig.execute("/1/0/8"), Code::CHANGED);
        let update = rig.expect_update();
        assert!(is_bare(&update), "{update:?}");
        // The lifetime counts anew from here: what follows is no Register.
        for _ in 0..4 {
            rig.expect_update_within(seconds(20));
        }
        assert_eq!(rig.world.count(MeterState::Registered), 1);
    }
}

#[test]
fn int_105_discarded_register_update() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        set_lifetime(&mut rig, 60);
        let update = rig.serve(seconds(60), Message::response(Code::NOT_FOUND));
        assert!(update.path_is(&LOCATION), "{update:?}");
        let register = rig.expect_register();
        assert_eq!(register.query("lt"), Some("60"));
    }
}

#[test]
fn int_107_extending_the_lifetime_of_a_registration() {
    for version in ALL {
        let mut rig = Rig::new(version, with_lifetime(60));
        assert_eq!(rig.expect_register().query("lt"), Some("60"));
        set_lifetime(&mut rig, 120);
        assert_eq!(rig.value("/1/0/1"), Value::Integer(120));
        let before = rig.now();
        let update = rig.expect_update_within(seconds(120));
        assert!(is_bare(&update), "{update:?}");
        assert!(rig.now() - before >= seconds(30), "it is the lifetime of before");
    }
}

#[test]
fn int_108_turn_on_queue_mode() {
    for version in LATER {
        let mut rig = with_policy(version, |policy| policy.queue_mode = true);
        let register = rig.expect_register();
        assert_eq!(register.query("b"), Some("U"));
        assert!(register.queries().any(|query| query == "Q"), "{register:?}");
        let mut rig = with_policy(version, |_| {});
        assert!(!rig.expect_register().queries().any(|query| query == "Q"));
    }
    // In 1.0 it is part of the binding.
    let mut rig = with_policy(Version::V1_0, |policy| policy.queue_mode = true);
    let register = rig.expect_register();
    assert_eq!(register.query("b"), Some("UQ"));
}

#[test]
fn int_109_behavior_in_queue_mode() {
    for version in LATER {
        let mut rig = with_policy(version, |policy| policy.queue_mode = true);
        rig.expect_register();
        set_lifetime(&mut rig, 240);
        // For MAX_TRANSMIT_WAIT after its last message the meter is awake, ...
        rig.wait(seconds(92));
        assert_eq!(rig.value("/1/0/1"), Value::Integer(240));
        rig.expect_update_within(seconds(240));
        // ... and then it sleeps: what is sent to it is lost.
        rig.wait(seconds(94));
        rig.world.inject_to_meter(0, World::EMS, &[0x40, Code::GET.0, 0x12, 0x34, 0xb1, b'3']);
        rig.wait(SOON);
        let asleep = Event::Noise(NoiseKind::Asleep);
        assert_eq!(rig.world.events().iter().filter(|(_, _, event)| *event == asleep).count(), 1);
        assert!(rig.server.heard.is_empty());
        // The Read is kept until the meter is heard of.
        rig.expect_update_within(seconds(240));
        assert_eq!(rig.value("/1/0/1"), Value::Integer(240));
    }
}

#[test]
fn int_110_initial_registration_using_profile_id() {
    let pid_of = |store: Vec<Entry>| {
        let mut rig = Rig::with(Version::V1_2, store, |config| config.registration.profile_id = true);
        let register = rig.expect_register();
        assert_eq!(register.query("lwm2m"), Some("1.2"));
        assert!(register.payload().is_empty() && register.content_format().is_none(), "{register:?}");
        register.query("pid").expect("what stands for the list").to_owned()
    };
    let pid = pid_of([account(), device()].concat());
    // Suite 6 of RFC 6920 is SHA-256 cut to 32 bits.
    let hash = pid.strip_prefix("6:").expect("the suite where none is asked for");
    assert!(hash.len() == 8 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{pid}");
    // It is the list that counts, not the values.
    let mut other = [account(), device()].concat();
    other.iter_mut().filter(|entry| entry.path == at("/3/0/2")).for_each(|entry| {
        entry.value = "serial-2".into();
    });
    assert_eq!(pid_of(other), pid);
    let fewer = [account(), device()].concat();
    let fewer = fewer.into_iter().filter(|entry| entry.path.ids()[0] != 10243).collect();
    assert_ne!(pid_of(fewer), pid);
}

#[test]
fn int_111_registration_with_profile_id_and_object_list() {
    let mut rig = with_policy(Version::V1_2, |policy| policy.profile_id = true);
    // The server does not know it.
    let first = rig.serve(SOON, Message::response(Code::CONFLICT));
    assert!(first.payload().is_empty(), "{first:?}");
    let register = rig.expect_register();
    assert_eq!(register.query("pid"), first.query("pid"));
    assert_eq!(register.content_format(), Some(ContentFormat::LINK));
    assert!(links(&register).iter().any(|link| link.starts_with("</4/0>")), "{register:?}");
}
