//! Handshakes that come up, whatever the link does; and those that do not, and why.

use std::time::Duration;

use super::world::{Authority, Heard, Link, World, address, keyed, psk, server};
use crate::secure::{CertificateFault, ClientSecurity, Closed, Failure, Version};

const BAD: Link = Link { loss: 0.2, duplicates: 0.2, jitter: Duration::from_millis(400) };

/// One session over this link; something is said both ways, and goodbye. Tells how many handshakes it took: of a
/// flight and its answer, all five sends may be lost.
fn comes_up(
    seed: u64,
    authority: Option<&Authority>,
    client: &ClientSecurity,
    version: Version,
    link: Link,
) -> u64 {
    let mut world = World::new(seed, server(authority, version));
    let mut handshakes = 0;
    world.link = link;
    while handshakes == 0 || world.client(1000).closed == Some(Closed::Failed(Failure::TimedOut)) {
        handshakes += 1;
        world.open(1000, client, version);
        world.run(Duration::from_secs(60));
    }
    let (cost, closed) = (world.client(1000).cost, world.client(1000).closed);
    let counters = *world.listener.counters();
    assert!(cost.is_some() && closed.is_none() && handshakes < 4, "seed {seed}: {closed:?} {counters:?}");
    world.link = Link::default();
    world.say(1000, b"hello");
    world.run(Duration::from_secs(1));
    world.answer(1000, b"good day");
    world.run(Duration::from_secs(1));
    assert_eq!(world.client(1000).said, [b"good day"]);
    let peer = address(1000);
    let known = Heard::Connected(peer, Some("meter-7".into()));
    assert!(world.heard.ends_with(&[known, Heard::Said(peer, b"hello".to_vec())]), "{:?}", world.heard);
    assert_eq!(world.client(1000).session.poll_timeout(), None, "an idle session wants nothing");
    let now = world.now;
    world.client(1000).session.close(now);
    world.say(1000, b"too late");
    world.run(Duration::from_secs(1));
    assert_eq!(world.heard.last(), Some(&Heard::Closed(peer, Closed::Orderly)));
    let counters = world.listener.counters();
    assert_eq!((counters.closed, counters.sessions, counters.broken), (1, 0, 0), "{counters:?}");
    assert!(counters.completed >= 1 && counters.begun >= counters.completed);
    handshakes
}

/// Sessions over a good link, and over bad ones, of which nearly all come up at once.
fn come_up(seeds: u64, authority: Option<&Authority>, client: &ClientSecurity, version: Version) {
    assert_eq!(comes_up(0, authority, client, version, Link::default()), 1);
    let handshakes: u64 = (1..=seeds).map(|seed| comes_up(seed, authority, client, version, BAD)).sum();
    assert!(handshakes <= seeds + seeds / 5, "{handshakes} for {seeds}");
}

#[test]
fn sessions_with_keys_come_up_over_any_link() {
    come_up(200, None, &psk("meter-7"), Version::Only12);
}

#[test]
fn sessions_with_certificates_come_up_over_any_link() {
    let authority = Authority::new("ca");
    come_up(60, Some(&authority), &authority.client(authority.issue("meter-7")), Version::Only12);
}

#[test]
fn sessions_of_dtls_13_come_up_over_any_link() {
    let authority = Authority::new("ca");
    come_up(60, Some(&authority), &authority.client(authority.issue("meter-7")), Version::Upto13);
}

#[test]
fn versions_meet_at_the_older() {
    let authority = Authority::new("ca");
    let client = authority.client(authority.issue("meter-7"));
    for (ours, theirs) in [(Version::Upto13, Version::Only12), (Version::Only12, Version::Upto13)] {
        let mut world = World::new(1, server(Some(&authority), theirs));
        world.open(1000, &client, ours);
        world.run(Duration::from_secs(5));
        let closed = world.client(1000).closed;
        assert!(world.client(1000).cost.is_some(), "{ours:?} to {theirs:?}: {closed:?}");
    }
}

#[test]
fn a_handshake_costs_what_was_sent() {
    let mut world = World::new(1, server(None, Version::Only12));
    world.open(1000, &psk("meter-7"), Version::Only12);
    world.run(Duration::from_secs(5));
    let sent: usize = world.client(1000).sent.iter().map(Vec::len).sum();
    let cost = world.client(1000).cost.expect("it is up");
    // Hello, hello with cookie, key exchange to Finished.
    assert_eq!((cost.flights, cost.retransmissions), (3, 0));
    assert_eq!(cost.bytes as usize, sent + world.sent_to[&address(1000)]);
    let counters = *world.listener.counters();
    assert_eq!((counters.hellos, counters.begun, counters.completed), (1, 1, 1));
    assert!(counters.handshake_bytes > 0 && counters.handshake_bytes < u64::from(cost.bytes));
    assert_eq!((counters.retransmissions, counters.noise), (0, 0));
}

#[test]
fn nobody_there_is_a_timeout_after_five_sends() {
    let mut world = World::new(1, server(None, Version::Only12));
    world.link.loss = 1.0;
    world.open(1000, &psk("meter-7"), Version::Only12);
    // Loss spares one of three, so nobody is a port that nobody listens at.
    let start = world.now;
    let mut session = world.clients.pop().expect("it was opened").session;
    let (mut sends, mut over) = (0, None);
    while over.is_none() {
        while let Some(output) = session.poll_output() {
            match output {
                crate::secure::Output::Retransmitted => sends += 1,
                crate::secure::Output::Closed(how) => over = Some(how),
                _ => {}
            }
        }
        if let Some(at) = session.poll_timeout() {
            world.now = at;
            session.handle_timeout(at);
        } else {
            break;
        }
    }
    while let Some(output) = session.poll_output() {
        if let crate::secure::Output::Closed(how) = output {
            over = Some(how);
        }
    }
    assert_eq!(over, Some(Closed::Failed(Failure::TimedOut)));
    assert_eq!(sends, 4);
    let took = world.now.since(start);
    assert!((20..=41).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_wrong_key_ends_in_silence() {
    let mut world = World::new(1, server(None, Version::Only12));
    world.open(1000, &keyed("id-meter-7", "key of another"), Version::Only12);
    world.run(Duration::from_secs(60));
    assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::TimedOut)));
    assert_eq!(world.client(1000).retransmitted, 4);
    let counters = world.listener.counters();
    assert_eq!((counters.begun, counters.timed_out, counters.unknown_identities), (1, 1, 0));
    assert_eq!(world.heard, [Heard::Closed(address(1000), Closed::Failed(Failure::TimedOut))]);
}

#[test]
fn an_unknown_identity_ends_in_silence() {
    let mut world = World::new(1, server(None, Version::Only12));
    world.open(1000, &keyed("nobody", "any key"), Version::Only12);
    world.run(Duration::from_secs(60));
    assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::TimedOut)));
    let counters = world.listener.counters();
    assert_eq!((counters.begun, counters.timed_out, counters.unknown_identities), (1, 0, 1));
    assert_eq!(counters.sessions, 0);
}

#[test]
fn no_common_suite_is_alert_40() {
    let authority = Authority::new("ca");
    let mut keys_only = World::new(1, server(None, Version::Only12));
    keys_only.open(1000, &authority.client(authority.issue("meter-7")), Version::Only12);
    let mut certificates_only = server(Some(&authority), Version::Only12);
    certificates_only.security.as_mut().expect("there is").psk = false;
    let mut certificates_only = World::new(1, certificates_only);
    certificates_only.open(1000, &psk("meter-7"), Version::Only12);
    for world in [&mut keys_only, &mut certificates_only] {
        world.run(Duration::from_secs(5));
        assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::Alert(40))));
        assert_eq!((world.listener.counters().begun, world.listener.counters().failed), (1, 1));
    }
}

#[test]
fn suites_that_the_engine_has_never_heard_of_are_alert_40_too() {
    const PSK_WITH_AES_128_CCM_8: [u8; 2] = [0xc0, 0xa8];
    const PSK_WITH_AES_128_GCM_SHA256: [u8; 2] = [0x00, 0xa8];
    let mut world = World::new(1, server(None, Version::Only12));
    world.open(1000, &psk("meter-7"), Version::Only12);
    // As far as the client's second hello, with the cookie, which somebody changes on its way.
    while world.client(1000).sent.len() < 2 {
        world.run(Duration::from_millis(5));
    }
    let mut hello = world.client(1000).sent[1].clone();
    let at = hello.windows(2).position(|suite| suite == PSK_WITH_AES_128_CCM_8).expect("it is offered");
    hello[at..at + 2].copy_from_slice(&PSK_WITH_AES_128_GCM_SHA256);
    world.forge(1000, &hello);
    assert_eq!((world.listener.counters().begun, world.listener.counters().failed), (1, 1));
    world.run(Duration::from_millis(15));
    assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::Alert(40))));
}

#[test]
fn a_server_that_is_not_trusted_is_told_why() {
    let (authority, another) = (Authority::new("ca"), Authority::new("another"));
    for version in [Version::Only12, Version::Upto13] {
        let mut world = World::new(1, server(Some(&authority), version));
        let ClientSecurity::Certificate { own, .. } = authority.client(authority.issue("meter-7")) else {
            panic!("certificates")
        };
        world.open(1000, &another.client(own), version);
        world.run(Duration::from_secs(90));
        let fault = Failure::Certificate(CertificateFault::UnknownIssuer);
        assert_eq!(world.client(1000).closed, Some(Closed::Failed(fault)));
        assert_eq!(world.client(1000).cost, None);
        if version == Version::Only12 {
            assert_eq!(world.heard, [Heard::Closed(address(1000), Closed::Failed(Failure::Alert(48)))]);
        }
        assert_eq!(world.listener.counters().sessions, 0);
    }
}

#[test]
fn a_client_that_is_not_trusted_is_told_why() {
    let (authority, another) = (Authority::new("ca"), Authority::new("another"));
    let before = |years: i32| rcgen::date_time_ymd(2027 - years, 1, 1);
    let expired = authority.issue_with("meter-7", |params| params.not_after = before(2));
    let early = authority.issue_with("meter-7", |params| params.not_before = before(-3));
    let cases = [
        (another.issue("meter-7"), 48, Some(CertificateFault::UnknownIssuer)),
        (expired, 45, Some(CertificateFault::Expired)),
        (early, 46, Some(CertificateFault::NotYetValid)),
        (authority.issue("stranger"), 49, None),
    ];
    for (own, alert, fault) in cases {
        let mut world = World::new(1, server(Some(&authority), Version::Only12));
        world.open(1000, &authority.client(own), Version::Only12);
        world.run(Duration::from_secs(60));
        assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::Alert(alert))));
        let counters = world.listener.counters();
        let faults = CertificateFault::ALL.map(|one| u64::from(Some(one) == fault));
        assert_eq!(counters.certificate_faults, faults);
        assert_eq!(counters.unknown_identities, u64::from(fault.is_none()));
        assert_eq!((counters.begun, counters.completed, counters.failed, counters.sessions), (1, 0, 0, 0));
    }
}

#[test]
fn credentials_that_cannot_be_used_are_no_panic() {
    let authority = Authority::new("ca");
    let good = authority.issue("meter-7");
    let mut no_key = good.clone();
    no_key.key = crate::secure::Secret::new(*b"no key");
    let mut no_certificate = good;
    no_certificate.chain.clear();
    let long = "x".repeat(129);
    for security in [
        authority.client(no_key.clone()),
        authority.client(no_certificate),
        keyed("id-meter-7", ""),
        keyed(&long, "key"),
    ] {
        let mut world = World::new(1, server(None, Version::Only12));
        world.open(1000, &security, Version::Only12);
        assert_eq!(world.client(1000).closed, Some(Closed::Failed(Failure::Credentials)));
        assert!(world.client(1000).sent.is_empty());
    }
    for version in [Version::Only12, Version::Upto13] {
        let mut config = server(Some(&authority), version);
        config.security.as_mut().expect("there is").certificate = Some(no_key.clone());
        let mut world = World::new(1, config);
        world.open(1000, &authority.client(authority.issue("meter-7")), version);
        world.run(Duration::from_secs(60));
        assert!(matches!(world.client(1000).closed, Some(Closed::Failed(_))), "{:?}", version);
    }
}
