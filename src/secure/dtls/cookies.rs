//! Cookies: whether a peer is where its datagrams say it is (RFC 6347 §4.2.1), without anything kept of it.
//!
//! The secret is this module's own, drawn from the system. The engine's would come from the seed of all its random
//! numbers, so that engines that know each other's cookies would also draw the same server random; these do not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac, rand};

use super::wire::COOKIE;
use crate::base::Instant;

/// How long cookies are made with one secret; they are good for as long again.
const ROTATION: Duration = Duration::from_secs(300);

/// The secrets of one server.
pub(super) struct Cookies {
    current: hmac::Key,
    previous: Option<hmac::Key>,
    since: Instant,
}

impl Cookies {
    pub(super) fn new(now: Instant) -> Self {
        Cookies { current: fresh(), previous: None, since: now }
    }

    /// The cookie for a hello of this peer.
    pub(super) fn make(&mut self, peer: SocketAddr, random: &[u8; 32], now: Instant) -> [u8; COOKIE] {
        self.rotate(now);
        made(&of_peer(&self.current, peer), random)
    }

    /// The key that the cookie of a hello was made with; `None` if it was not made here for this peer, or too long
    /// ago. Cookies made with that key are this peer's alone.
    pub(super) fn key_of(
        &mut self,
        peer: SocketAddr,
        random: &[u8; 32],
        cookie: &[u8],
        now: Instant,
    ) -> Option<hmac::Key> {
        self.rotate(now);
        let keys = [Some(&self.current), self.previous.as_ref()];
        let mut keys = keys.into_iter().flatten().map(|secret| of_peer(secret, peer));
        keys.find(|key| constant_time::verify_slices_are_equal(&made(key, random), cookie).is_ok())
    }

    fn rotate(&mut self, now: Instant) {
        let age = now.since(self.since);
        if age >= ROTATION {
            let last = std::mem::replace(&mut self.current, fresh());
            self.previous = Some(last).filter(|_| age < 2 * ROTATION);
            self.since = now;
        }
    }
}

/// From the operating system: who can guess it can make others' cookies.
fn fresh() -> hmac::Key {
    let mut secret = [0; 32];
    rand::fill(&mut secret).expect("the system has random bytes: AWS-LC aborts where it has not");
    hmac::Key::new(hmac::HMAC_SHA256, &secret)
}

/// The key for one peer. A key of its own, as the engine that checks cookies is told no address.
fn of_peer(secret: &hmac::Key, peer: SocketAddr) -> hmac::Key {
    let mut context = hmac::Context::with_key(secret);
    match peer.ip() {
        IpAddr::V4(ip) => context.update(&ip.octets()),
        IpAddr::V6(ip) => context.update(&ip.octets()),
    }
    context.update(&peer.port().to_be_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
}

/// As the engine makes them: of the peer's random number, which is new for each handshake.
fn made(key: &hmac::Key, random: &[u8; 32]) -> [u8; COOKIE] {
    let mut cookie = [0; COOKIE];
    cookie.copy_from_slice(hmac::sign(key, random).as_ref());
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_peer_and_hello_and_for_a_while() {
        let (peer, random) = (SocketAddr::from(([192, 0, 2, 1], 5684)), [7; 32]);
        let at = Instant::from_secs;
        let mut cookies = Cookies::new(at(0));
        let cookie = cookies.make(peer, &random, at(1));
        let mut is_good =
            |peer, random: &_, cookie: &[u8], now| cookies.key_of(peer, random, cookie, now).is_some();
        assert!(is_good(peer, &random, &cookie, at(2)));
        assert!(!is_good(SocketAddr::new(peer.ip(), 5685), &random, &cookie, at(2)), "another port");
        assert!(!is_good(SocketAddr::from(([192, 0, 2, 2], 5684)), &random, &cookie, at(2)), "another host");
        assert!(!is_good(peer, &[8; 32], &cookie, at(2)), "another hello");
        assert!(!is_good(peer, &random, &cookie[..31], at(2)) && !is_good(peer, &random, &[], at(2)));
        assert!(is_good(peer, &random, &cookie, at(301)), "after one rotation");
        assert!(!is_good(peer, &random, &cookie, at(602)), "after two");
        assert!(Cookies::new(at(0)).key_of(peer, &random, &cookie, at(2)).is_none(), "of another server");
    }

    #[test]
    fn after_a_long_silence_no_old_cookie_is_good() {
        let peer = SocketAddr::from(([192, 0, 2, 1], 5684));
        let mut cookies = Cookies::new(Instant::ZERO);
        let cookie = cookies.make(peer, &[7; 32], Instant::ZERO);
        assert!(cookies.key_of(peer, &[7; 32], &cookie, Instant::from_secs(6000)).is_none());
    }
}
