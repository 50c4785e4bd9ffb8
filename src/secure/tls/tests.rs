//! Both ends against each other, in pieces of any size, with every fault, and with bytes nobody said.

mod attacks;
mod pair;

use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};

use super::*;
use crate::base::Instant;
use crate::secure::{
    CertificateFault, ClientSecurity, Closed, Failure, Listener, ListenerOutput, Output, Psk, Secret,
    Session, Usage, Version,
};
use pair::{EPOCH, LOCAL, Pair, Pki, Setup, peer};

#[test]
fn both_ends_connect_and_speak_in_pieces_of_any_size() {
    let pki = Pki::new();
    for version in [Version::Only12, Version::Upto13] {
        for piece in [1, 2, 7, 100, 1 << 20] {
            let mut pair = Pair::new(&Setup { version, ..pki.setup() });
            pair.piece = piece;
            pair.run();
            let said = pair.connected();
            assert_eq!(said.identity.as_deref(), Some("meter-1"), "{version:?} {piece}");
            let flights = if version == Version::Only12 { 2 } else { 1 };
            assert_eq!((said.handshake.flights, said.handshake.retransmissions), (flights, 0));
            assert!((1000..3000).contains(&said.handshake.bytes), "{:?}", said.handshake);
            let large = vec![7; 40_000];
            pair.client.send(b"ping".to_vec(), pair.now);
            pair.client.send(large.clone(), pair.now);
            pair.run();
            assert_eq!(pair.at_server.len(), 4 + large.len());
            assert!(pair.at_server.starts_with(b"ping") && pair.at_server.ends_with(&large));
            pair.server.send(peer(1), LOCAL, b"pong".to_vec(), pair.now);
            pair.run();
            assert_eq!(pair.at_client, b"pong");
        }
    }
}

#[test]
fn both_versions_are_what_the_switch_says() {
    let pki = Pki::new();
    let hello = |version| {
        let mut pair = Pair::new(&Setup { version, ..pki.setup() });
        let Some(Output::Transmit(hello)) = pair.client.poll_output() else { panic!("no hello") };
        hello
    };
    // The extension supported_versions (RFC 8446 §4.2.1) with 1.3 in it.
    let offers = |hello: &[u8]| hello.windows(4).any(|four| four == [4, 3, 4, 3] || four == [3, 4, 3, 3]);
    assert!(offers(&hello(Version::Upto13)) && !offers(&hello(Version::Only12)));
    // Either way round, 1.2 is common ground.
    for (client, server) in [(Version::Only12, Version::Upto13), (Version::Upto13, Version::Only12)] {
        let mut pair = Pair::new(&Setup { version: client, server_version: Some(server), ..pki.setup() });
        pair.run();
        assert_eq!(pair.connected().identity.as_deref(), Some("meter-1"));
    }
}

#[test]
fn each_fault_of_the_servers_certificate_is_found_by_the_client_and_told() {
    let pki = Pki::new();
    let other = Pki::new();
    for version in [Version::Only12, Version::Upto13] {
        let check = |setup: Setup, fault: CertificateFault| {
            let mut pair = Pair::new(&Setup { version, ..setup });
            pair.run();
            assert_eq!(pair.client_closed, Some(Closed::Failed(Failure::Certificate(fault))));
            assert_eq!(pair.server_closed, Some(Closed::Failed(Failure::Alert(fault.alert()))));
            assert_eq!((pair.server.counters().failed, pair.server.counters().sessions), (1, 0));
            assert!(pair.disconnected);
        };
        check(pki.with_server("other.example", |_| ()), CertificateFault::WrongName);
        check(
            pki.with_server("meters.example", |p| p.not_after = date_time_ymd(2026, 1, 1)),
            CertificateFault::Expired,
        );
        check(
            pki.with_server("meters.example", |p| p.not_before = date_time_ymd(2026, 1, 3)),
            CertificateFault::NotYetValid,
        );
        let of_clients = |p: &mut rcgen::CertificateParams| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        check(pki.with_server("meters.example", of_clients), CertificateFault::Unusable);
        check(Setup { server: other.setup().server, ..pki.setup() }, CertificateFault::UnknownIssuer);
        check(
            Setup { server: pki.self_signed("meters.example"), ..pki.setup() },
            CertificateFault::SelfSigned,
        );
    }
}

#[test]
fn each_fault_of_the_clients_certificate_is_found_by_the_server_and_told() {
    let pki = Pki::new();
    let other = Pki::new();
    for version in [Version::Only12, Version::Upto13] {
        let check = |setup: Setup, fault: CertificateFault| {
            let mut pair = Pair::new(&Setup { version, ..setup });
            pair.run();
            assert_eq!(pair.client_closed, Some(Closed::Failed(Failure::Alert(fault.alert()))));
            assert_eq!(pair.server_closed, Some(Closed::Failed(Failure::Certificate(fault))));
            let counted: Vec<u64> =
                CertificateFault::ALL.iter().map(|one| u64::from(*one == fault)).collect();
            assert_eq!(pair.server.counters().certificate_faults[..], counted);
        };
        check(pki.with_client(|p| p.not_after = date_time_ymd(2026, 1, 1)), CertificateFault::Expired);
        check(pki.with_client(|p| p.not_before = date_time_ymd(2026, 1, 3)), CertificateFault::NotYetValid);
        let of_servers = |p: &mut rcgen::CertificateParams| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        };
        check(pki.with_client(of_servers), CertificateFault::Unusable);
        check(Setup { client: other.setup().client, ..pki.setup() }, CertificateFault::UnknownIssuer);
        check(Setup { client: pki.self_signed("meter-1"), ..pki.setup() }, CertificateFault::SelfSigned);
    }
}

#[test]
fn a_client_nobody_knows_is_denied_and_counted_apart() {
    let mut pair = Pair::new(&Setup { known: "meter-2", ..Pki::new().setup() });
    pair.run();
    // access_denied
    assert_eq!(pair.client_closed, Some(Closed::Failed(Failure::Alert(49))));
    assert_eq!(pair.server.counters().unknown_identities, 1);
    assert_eq!(pair.server.counters().certificate_faults, [0; 6]);
}

#[test]
fn certificates_between_come_from_the_peer_or_from_the_servers_own_files() {
    let pki = Pki::new();
    let (leaf, middle) = pki.behind_another("meter-1");
    let mut sent = leaf.clone();
    sent.chain.push(middle.clone());
    for (client, intermediates) in [(sent, vec![]), (leaf, vec![middle])] {
        let mut pair = Pair::new(&Setup { client, intermediates, ..pki.setup() });
        pair.run();
        assert_eq!(pair.connected().identity.as_deref(), Some("meter-1"));
    }
}

#[test]
fn a_session_ends_in_good_order_by_close_notify_alone() {
    let pki = Pki::new();
    for version in [Version::Only12, Version::Upto13] {
        let setup = Setup { version, ..pki.setup() };
        let connected = || {
            let mut pair = Pair::new(&setup);
            pair.run();
            pair.connected();
            pair
        };
        let mut pair = connected();
        pair.client.close(pair.now);
        pair.run();
        assert_eq!((pair.client_closed, pair.server_closed), (None, Some(Closed::Orderly)));
        assert!(pair.disconnected);
        assert_eq!((pair.server.counters().closed, pair.server.counters().broken), (1, 0));

        let mut pair = connected();
        pair.server.send(peer(1), LOCAL, b"last words".to_vec(), pair.now);
        pair.server.close(peer(1), pair.now);
        pair.run();
        assert_eq!((pair.client_closed, pair.server_closed), (Some(Closed::Orderly), None));
        assert_eq!(pair.at_client, b"last words");
        assert!(pair.disconnected);

        // Cut short, as by who cannot write but can cut.
        let mut pair = connected();
        pair.client.handle_end(pair.now);
        pair.server.handle_end(peer(1), false, pair.now);
        pair.run();
        let broken = Some(Closed::Failed(Failure::Protocol));
        assert_eq!((pair.client_closed, pair.server_closed), (broken, broken));
        assert_eq!((pair.server.counters().closed, pair.server.counters().broken), (0, 1));
    }
}

#[test]
fn the_protocol_is_coap_or_not_spoken_of() {
    let setup = pair::shared().setup();
    // no_application_protocol (RFC 7301 §3.2)
    for (protocol, alert) in [(&b"h2"[..], Some(120)), (b"coap", None), (b"", None)] {
        let refused = alert.map(|alert| Closed::Failed(Failure::Alert(alert)));
        let mut pair = Pair::new(&setup);
        assert_eq!(pair.with_foreign_client(&setup, protocol), refused, "{protocol:?}");
        assert_eq!(pair.server.counters().completed, u64::from(alert.is_none()));
        let mut pair = Pair::new(&setup);
        pair.with_foreign_server(&setup, protocol);
        assert_eq!(pair.client_closed, refused, "{protocol:?}");
    }
}

#[test]
fn a_server_is_told_the_name_but_no_address() {
    let hello = |name: &str| {
        let mut setup = pair::shared().setup();
        setup.trust.name = name.into();
        let mut pair = Pair::new(&setup);
        let Some(Output::Transmit(hello)) = pair.client.poll_output() else { panic!("no hello") };
        hello
    };
    let name = "meters.example";
    let named = hello(name);
    assert!(named.windows(name.len()).any(|part| part == name.as_bytes()));
    // The extension (RFC 6066 §3) is 9 bytes and the name.
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(hello(address).len() + 9 + name.len(), named.len(), "{address}");
    }
}

#[test]
fn a_message_without_an_end_is_not_kept() {
    let mut pair = Pair::new(&pair::shared().setup());
    let mut record = vec![22, 3, 3, 0x40, 0];
    record.resize(5 + 0x4000, 0);
    // A client_hello of 16 MiB.
    record[5..9].copy_from_slice(&[1, 0xff, 0xff, 0xff]);
    let mut records = 0;
    while pair.server_closed.is_none() {
        pair.server.handle_input(peer(1), LOCAL, &record, pair.now);
        pair.run();
        records += 1;
        assert!(records <= 5, "it keeps {} KiB", records * 16);
    }
}

#[test]
fn silence_in_the_handshake_ends_it_at_both_ends() {
    let mut pair = Pair::new(&Pki::new().setup());
    let deadline = pair.client.poll_timeout().expect("a deadline");
    assert_eq!(Some(deadline), pair.server.poll_timeout());
    assert_eq!(deadline, pair.now + client::HANDSHAKE_TIMEOUT);
    pair.client.handle_timeout(deadline - std::time::Duration::from_nanos(1));
    pair.server.handle_timeout(deadline - std::time::Duration::from_nanos(1));
    assert_eq!(pair.server.counters().sessions, 1);
    pair.client.handle_timeout(deadline);
    pair.server.handle_timeout(deadline);
    pair.run();
    let silent = Some(Closed::Failed(Failure::TimedOut));
    assert_eq!((pair.client_closed, pair.server_closed), (silent, silent));
    assert_eq!((pair.server.counters().timed_out, pair.server.counters().sessions), (1, 0));
    assert_eq!((pair.client.poll_timeout(), pair.server.poll_timeout()), (None, None));
}

#[test]
fn a_connected_session_has_no_deadline() {
    let mut pair = Pair::new(&Pki::new().setup());
    pair.run();
    pair.connected();
    assert_eq!((pair.client.poll_timeout(), pair.server.poll_timeout()), (None, None));
}

#[test]
fn what_streams_cannot_do_is_refused_at_once() {
    let pki = Pki::new();
    let setup = pki.setup();
    let refused = |security: &ClientSecurity| {
        let mut stream = Session::stream(security, &Arc::default(), Instant::ZERO);
        let ended =
            matches!(stream.poll_output(), Some(Output::Closed(Closed::Failed(Failure::Credentials))));
        stream.send(b"nobody hears this".to_vec(), Instant::ZERO);
        ended && stream.poll_output().is_none() && stream.poll_timeout().is_none()
    };
    let psk = Psk { identity: (*b"meter-1").into(), key: Secret::new([7; 16]) };
    assert!(refused(&ClientSecurity::Psk(psk)));
    let with = |own, trust| ClientSecurity::Certificate { own, trust };
    let mut no_key = setup.client.clone();
    no_key.key = Secret::new(*b"no key");
    assert!(refused(&with(no_key, setup.trust.clone())));
    let mut others_key = setup.client.clone();
    others_key.key = setup.server.key.clone();
    assert!(refused(&with(others_key, setup.trust.clone())));
    let mut nothing = setup.client.clone();
    nothing.chain.clear();
    assert!(refused(&with(nothing, setup.trust.clone())));
    let mut unmet = setup.trust.clone();
    unmet.matching_type = 1;
    assert!(refused(&with(setup.client.clone(), unmet)));
    assert!(!refused(&with(setup.client.clone(), setup.trust.clone())));

    let mut config = setup.listener(8);
    config.security.as_mut().expect("there is").certificate = None;
    let mut server = Listener::new(config, Instant::ZERO);
    server.handle_accepted(peer(1), LOCAL, Instant::ZERO);
    let closed = server.poll_output();
    assert!(matches!(closed, Some(ListenerOutput::Closed { how: Closed::Failed(Failure::Credentials), .. })));
    assert!(matches!(server.poll_output(), Some(ListenerOutput::Disconnect { .. })));
    assert_eq!(server.counters().failed, 1);
}

#[test]
fn plain_streams_pass_everything_through() {
    let mut client = Session::stream(&ClientSecurity::None, &Arc::default(), Instant::ZERO);
    assert!(matches!(client.poll_output(), Some(Output::Connected(_))));
    client.send(b"abc".to_vec(), Instant::ZERO);
    assert!(matches!(client.poll_output(), Some(Output::Transmit(bytes)) if bytes == b"abc"));
    client.handle_input(b"de", Instant::ZERO);
    assert!(matches!(client.poll_output(), Some(Output::Received(bytes)) if bytes == b"de"));
    client.handle_end(Instant::ZERO);
    assert!(matches!(client.poll_output(), Some(Output::Closed(Closed::Orderly))));
    assert!(client.poll_output().is_none());

    let mut server = Listener::new(pair::plain(8), Instant::ZERO);
    server.handle_accepted(peer(1), LOCAL, Instant::ZERO);
    assert!(matches!(server.poll_output(), Some(ListenerOutput::Connected { identity: None, .. })));
    server.handle_input(peer(1), LOCAL, b"abc", Instant::ZERO);
    assert!(matches!(server.poll_output(), Some(ListenerOutput::Received { bytes, .. }) if bytes == b"abc"));
    server.send(peer(1), LOCAL, b"de".to_vec(), Instant::ZERO);
    assert!(
        matches!(server.poll_output(), Some(ListenerOutput::Transmit { from: LOCAL, bytes, .. }) if bytes == b"de")
    );
    server.handle_input(peer(2), LOCAL, b"who?", Instant::ZERO);
    server.send(peer(2), LOCAL, b"nobody".to_vec(), Instant::ZERO);
    assert!(server.poll_output().is_none());
    assert_eq!(server.counters().noise, 4);
    server.handle_end(peer(1), true, Instant::ZERO);
    let broken = server.poll_output();
    assert!(matches!(broken, Some(ListenerOutput::Closed { how: Closed::Failed(Failure::Protocol), .. })));
    assert_eq!((server.counters().broken, server.counters().sessions, server.counters().peak), (1, 0, 1));
}

#[test]
fn of_too_many_sessions_the_one_that_was_silent_longest_goes() {
    let mut server = Listener::new(pair::plain(2), Instant::ZERO);
    let at = Instant::from_secs;
    server.handle_accepted(peer(1), LOCAL, at(1));
    server.handle_accepted(peer(2), LOCAL, at(2));
    server.handle_input(peer(1), LOCAL, b"still here", at(5));
    server.handle_accepted(peer(3), LOCAL, at(6));
    let gone = pair::disconnected(&mut server);
    assert_eq!(gone, [peer(2)]);
    assert_eq!((server.counters().evicted, server.counters().sessions), (1, 2));
}

#[test]
fn handshakes_make_room_before_sessions_do_and_a_new_stream_replaces_its_address() {
    let setup = Pki::new().setup();
    let mut pair = Pair::of(&setup, 2);
    pair.run();
    pair.connected();
    pair.server.handle_accepted(peer(2), LOCAL, pair.now);
    pair.server.handle_accepted(peer(3), LOCAL, pair.now);
    assert_eq!(pair::disconnected(&mut pair.server), [peer(2)]);
    pair.server.handle_accepted(peer(3), LOCAL, pair.now);
    assert_eq!((pair.server.counters().replaced, pair.server.counters().sessions), (1, 2));
    pair.server.send(peer(1), LOCAL, b"you are still there".to_vec(), pair.now);
    pair.run();
    assert_eq!(pair.at_client, b"you are still there");
}

#[test]
fn dates_are_held_against_the_time_of_the_handshake() {
    let pki = Pki::new();
    let setup = pki.with_client(|p| p.not_after = date_time_ymd(2026, 1, 4));
    // Its last day is over two days into the run.
    for (days, connects) in [(0, true), (3, false)] {
        let mut pair = Pair::at(&setup, 8, Instant::from_secs(days * 86_400));
        pair.run();
        assert_eq!(pair.server.counters().completed == 1, connects, "{days} {EPOCH}");
    }
}

#[test]
fn the_certificate_itself_is_enough_where_it_is_what_was_given() {
    let pki = Pki::new();
    let mut setup = Setup { server: pki.self_signed("another name"), ..pki.setup() };
    setup.trust.usage = Usage::DomainIssued;
    setup.trust.certificate = setup.server.chain[0].clone();
    let mut pair = Pair::new(&setup);
    pair.run();
    pair.connected();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_nobody_said_never_panic(
        rounds in 0usize..12,
        to_server in any::<bool>(),
        thirteen in any::<bool>(),
        noise in proptest::collection::vec(any::<u8>(), 1..300),
        record in proptest::option::of(20u8..25),
    ) {
        let version = if thirteen { Version::Upto13 } else { Version::Only12 };
        let mut pair = Pair::new(&Setup { version, ..pair::shared().setup() });
        pair.piece = 300;
        for _ in 0..rounds {
            pair.step();
        }
        // Some as a record of a type there is, so that more than the header is looked at.
        let noise = match record {
            Some(kind) => [&[kind, 3, 3, 0, noise.len() as u8][..], &noise[..noise.len() % 256]].concat(),
            None => noise,
        };
        if to_server {
            pair.server.handle_input(peer(1), LOCAL, &noise, pair.now);
        } else {
            pair.client.handle_input(&noise, pair.now);
        }
        pair.run();
        pair.client.send(vec![1; 10], pair.now);
        pair.server.send(peer(1), LOCAL, vec![1; 10], pair.now);
        pair.client.close(pair.now);
        pair.server.close(peer(1), pair.now);
        pair.run();
        prop_assert_eq!(pair.server.counters().sessions, 0);
    }

    #[test]
    fn a_changed_byte_never_changes_what_is_said(
        at in 0usize..3000, change in 1u8.., to_server in any::<bool>(), thirteen in any::<bool>(),
    ) {
        let version = if thirteen { Version::Upto13 } else { Version::Only12 };
        let mut pair = Pair::new(&Setup { version, ..pair::shared().setup() });
        pair.change(to_server, at, change);
        pair.run();
        pair.client.send(b"said".to_vec(), pair.now);
        pair.run();
        let silent = pair.at_server.is_empty();
        prop_assert!(silent || pair.at_server == b"said");
        prop_assert!(!silent || !pair.changes_left(), "nothing was changed");
        // Whoever waits for the rest of a handshake does not wait for ever.
        let deadline = pair.now + client::HANDSHAKE_TIMEOUT;
        pair.client.handle_timeout(deadline);
        pair.server.handle_timeout(deadline);
        pair.run();
        prop_assert_eq!((pair.client.poll_timeout(), pair.server.poll_timeout()), (None, None));
        prop_assert!(pair.server_closed.is_some() || pair.server.counters().completed == 1);
    }
}
