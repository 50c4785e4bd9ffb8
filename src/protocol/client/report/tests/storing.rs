//! Notifications due while the server is out of reach.

use super::super::observation::Told as Marks;
use super::super::stored;
use super::*;
use crate::protocol::coap::Token;
use crate::protocol::content::decode_timed;

/// The way to the server is lost while the registration holds, until it is found again.
fn lose(pair: &mut Pair) -> Phase {
    let registration = pair.client.registration(SSID).unwrap();
    std::mem::replace(&mut registration.phase, Phase::Connecting)
}

fn find(pair: &mut Pair, phase: Phase) {
    pair.client.registration(SSID).unwrap().phase = phase;
    pair.run_for(secs(1));
}

fn away(setup: Setup, query: &str, format: ContentFormat) -> Pair {
    let mut pair = setup.start();
    pair.observe("/9/0/7", query, Some(format));
    let phase = lose(&mut pair);
    for number in 1..=6 {
        pair.write_number("/9/0/7", number);
        pair.run_for(secs(10));
    }
    assert!(pair.told.is_empty());
    find(&mut pair, phase);
    pair
}

#[test]
fn what_was_stored_is_told_with_its_age() {
    let pair = away(Setup::default(), "hqmax=3", ContentFormat::SENML_CBOR);
    assert_eq!((pair.fates(NotificationFate::Stored), pair.fates(NotificationFate::Dropped)), (6, 3));
    assert_eq!(pair.told.len(), 1);
    let payload = pair.told[0].message.payload();
    let timed = decode_timed(ContentFormat::SENML_CBOR, path("/9/0/7"), payload).unwrap();
    let told: Vec<(i64, i64)> = timed
        .iter()
        .map(|timed| (timed.taken_at(0.0).round() as i64, timed.entry.value.as_integer().unwrap()))
        .collect();
    assert_eq!(told, [(-30, 4), (-20, 5), (-10, 6), (0, 6)]);
    pair.balance();
}

#[test]
fn a_format_without_times_tells_the_latest_only() {
    let pair = away(Setup::default(), "", ContentFormat::TEXT);
    assert_eq!(pair.told.len(), 1);
    assert_eq!(pair.told[0].number(), 6);
    assert_eq!((pair.fates(NotificationFate::Stored), pair.fates(NotificationFate::Dropped)), (6, 6));
}

#[test]
fn a_server_that_wants_nothing_stored_is_told_what_changes_later() {
    let mut pair = away(Setup::default().with(flag("/1/0/6", false)), "", ContentFormat::SENML_CBOR);
    assert_eq!((pair.fates(NotificationFate::Stored), pair.fates(NotificationFate::Dropped)), (0, 6));
    assert!(pair.told.is_empty());
    pair.write_number("/9/0/7", 7);
    pair.run_for(secs(1));
    assert_eq!(pair.told.len(), 1);
}

#[test]
fn the_oldest_of_the_same_observation_gives_way() {
    let [a, b] = [1, 2].map(|byte| Token::new(&[byte]).unwrap());
    let entry = |token, at| stored::Stored { token, at: Instant::from_secs(at), entries: Vec::new() };
    let mut all = Vec::new();
    assert_eq!(stored::keep(&mut all, entry(a, 1), 2), 0);
    assert_eq!(stored::keep(&mut all, entry(b, 2), 2), 0);
    assert_eq!(stored::keep(&mut all, entry(a, 3), 2), 0);
    assert_eq!(stored::keep(&mut all, entry(a, 4), 2), 1);
    assert_eq!(stored::keep(&mut all, entry(a, 5), 0), 1, "no room for any");
    let taken: Vec<Instant> = stored::take(&mut all, a).iter().map(|stored| stored.at).collect();
    assert_eq!(taken, [Instant::from_secs(3), Instant::from_secs(4)]);
    assert_eq!(all.len(), 1);
    assert_eq!(Marks::new(&[]).bits(), [0; 0]);
}
