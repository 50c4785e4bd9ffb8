//! Observers behind a bad link.

use super::*;

/// Whatever is lost, whoever asks for confirmation has the latest value in the end, or is off the list.
#[test]
fn a_lossy_link_ends_with_the_latest_value() {
    for seed in 0..40 {
        let mut pair = Setup { seed, ..Setup::default() }.start();
        pair.observe("/9/0/7", "con=1&pmin=1", None);
        let mut rng = Seed(seed).child("loss", 0).rng();
        pair.lost = Box::new(move |_| rng.unit() < 0.3);
        for number in 1..=30 {
            pair.write_number("/9/0/7", number);
            pair.run_for(Duration::from_millis(700));
        }
        pair.run_for(secs(300));
        if pair.observations() == 1 {
            let latest = pair.told.iter().rev().find(|told| told.fresh).unwrap();
            assert_eq!(latest.number(), 30, "seed {seed}");
        } else {
            assert!(pair.fates(NotificationFate::TimedOut) > 0, "seed {seed}");
        }
        assert!(pair.fates(NotificationFate::Superseded) > 0, "seed {seed}");
        pair.balance();
    }
}

#[test]
fn numbers_rise_so_that_what_was_overtaken_is_known() {
    let mut pair = Setup::default().start();
    pair.observe("/9/0/7", "", None);
    pair.observe("/9/1/7", "", None);
    for number in 1..=20 {
        pair.write_number("/9/0/7", number);
        pair.write_number("/9/1/7", number);
        pair.run_for(Duration::from_millis(1));
    }
    pair.run_for(secs(1));
    assert_eq!(pair.told.len(), 40);
    assert!(pair.told.iter().all(|told| told.fresh));
}

#[test]
fn a_notification_in_flight_does_not_hold_up_leaving() {
    let mut pair = Setup::default().start();
    pair.observe("/9/0/7", "con=1", None);
    pair.server.forget_observation(Handle(u32::MAX));
    let mut first = true;
    // The acknowledgement never comes, but the answer to De-register does.
    pair.lost = Box::new(move |_| std::mem::take(&mut first));
    pair.write_number("/9/0/7", 1);
    pair.client.shutdown(pair.now);
    pair.settle();
    pair.run_for(secs(1));
    assert_eq!(pair.client.state(), State::Deregistered);
    pair.balance();
}
