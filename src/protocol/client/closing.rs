//! What a device does about a way to a server that was closed, though it had not done with it.
//!
//! | way | how it ended | opened again | not before |
//! |---|---|---|---|
//! | DTLS | in any way | when there is something to say | at once |
//! | TCP, TLS | in good order | by itself, then an Update | 1 to 10 s |
//! | TCP, TLS | Release with a Hold-Off | by itself, then an Update | the Hold-Off, or 1 to 10 s if that is later |
//! | TCP, TLS | torn down | by itself, then an Update | /1/x/18 |
//! | TCP, TLS, the device asleep | in good order | when there is something to say | at once |
//! | TCP, TLS, the device asleep | Release with a Hold-Off | when there is something to say | the Hold-Off |
//! | TCP, TLS, the device asleep | torn down | when there is something to say | /1/x/18 |
//!
//! A server reaches a device on datagrams by opening nothing at all, and over a connection only while there is
//! one; hence the difference. The Update tells it which connection is the device's now (LwM2M Core §6.2.2); a
//! device it has forgotten meanwhile hears so by 4.04 and registers. What it observed ends with the connection
//! (RFC 8323 appendix A.4), and outlives a session. Of one in queue mode the server expects
//! nothing before the next Update.
//!
//! The 1 to 10 s are so that a server which restarts meets its fleet spread over some seconds, and not before
//! it is up. Whatever the row says, a way that is closed again and again is opened ever later: after the second
//! time in a row /1/x/18 doubles with each (up to /1/x/17 times), and each wait is stretched by 1 to 1.5.
//! [`CALM`] without a closing starts the count anew.
//!
//! The table is about registrations with nothing under way. What was under way fails, and what follows is what
//! follows any failure of it, though not before the way may be opened again. Other phases open a way when their
//! time comes: a device that a server has disabled opens none, nor one that waits for its next try.

use std::time::Duration;

use super::account::Terms;
use crate::base::Rng;
use crate::protocol::coap::Leave;

/// How a way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In good order.
    Orderly,
    /// So it was, and it may be opened again after this time (RFC 8323 §5.5).
    Released(Duration),
    /// Torn down, by this alert if there was one.
    Broken(Option<u8>),
}

impl From<Leave> for Ending {
    fn from(why: Leave) -> Self {
        match why {
            Leave::Released { hold_off } => Ending::Released(hold_off),
            Leave::Aborted | Leave::Broken => Ending::Broken(None),
        }
    }
}

/// When a way is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reopening {
    /// As soon as it may be; otherwise when there is something to say.
    pub by_itself: bool,
    /// What is waited for at the least, after the first closing in a row.
    pub first: Wait,
}

/// The wait after the first closing in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// None.
    None,
    /// 1 to 10 s.
    Short,
    /// /1/x/18.
    Terms,
}

/// A way that was not closed for so long, since it could be opened, is as good as new: servers that close what has
/// been idle for some minutes mean no harm, and a device that comes back every two minutes does none.
pub(super) const CALM: Duration = Duration::from_secs(120);

/// The row of the table.
pub(super) fn reopening(how: Ending, stream: bool, asleep: bool) -> Reopening {
    let by_itself = stream && !asleep;
    let first = match how {
        Ending::Broken(_) if stream => Wait::Terms,
        Ending::Orderly | Ending::Released(_) if by_itself => Wait::Short,
        _ => Wait::None,
    };
    Reopening { by_itself, first }
}

impl Reopening {
    /// A way that was closed, and could not be opened when there was something to say: tried again when there is,
    /// though not at once.
    pub(super) fn after_failure() -> Self {
        Reopening { by_itself: false, first: Wait::Terms }
    }

    /// How long the way is not opened after it was closed for the `closings`-th time in a row (1 is the first).
    pub(super) fn wait(self, how: Ending, closings: u32, terms: &Terms, rng: &mut Rng) -> Duration {
        let hold_off = match how {
            Ending::Released(hold_off) => hold_off,
            Ending::Orderly | Ending::Broken(_) => Duration::ZERO,
        };
        let own = match (self.first, closings) {
            (Wait::None, ..=1) => Duration::ZERO,
            (Wait::Short, ..=1) => Duration::from_secs(1) + Duration::from_secs(9).mul_f64(rng.unit()),
            (Wait::None | Wait::Short, _) => longer(closings - 1, terms, rng),
            (Wait::Terms, _) => longer(closings, terms, rng),
        };
        own.max(hold_off)
    }
}

/// /1/x/18, doubled with each closing after the first, at the most as often as there are tries (/1/x/17).
fn longer(closings: u32, terms: &Terms, rng: &mut Rng) -> Duration {
    // A week at the most, whatever the store says.
    const LONGEST: Duration = Duration::from_secs(7 * 86_400);
    let doublings = closings.min(terms.retry_count).saturating_sub(1).min(31);
    let plain = terms.retry_timer.saturating_mul(1 << doublings).min(LONGEST);
    plain.mul_f64(1.0 + rng.unit() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seed;

    const TERMS: Terms = Terms {
        bootstrap_on_failure: true,
        retry_count: 3,
        retry_timer: Duration::from_secs(60),
        sequence_delay: None,
        sequence_count: 1,
    };
    const HOLD_OFF: Duration = Duration::from_secs(100);

    /// Whether it is opened by itself, and the shortest and longest wait in seconds after the first closing.
    fn row(how: Ending, stream: bool, asleep: bool) -> (bool, u64, u64) {
        let row = reopening(how, stream, asleep);
        let mut rng = Seed(1).rng();
        let waits: Vec<Duration> = (0..200).map(|_| row.wait(how, 1, &TERMS, &mut rng)).collect();
        let (shortest, longest) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        (row.by_itself, shortest.as_secs(), longest.as_secs())
    }

    #[test]
    fn each_row_of_the_table() {
        let broken = Ending::Broken(Some(80));
        let released = Ending::Released(HOLD_OFF);
        for how in [Ending::Orderly, broken] {
            assert_eq!(row(how, false, false), (false, 0, 0));
            assert_eq!(row(how, false, true), (false, 0, 0));
        }
        assert_eq!(row(Ending::Orderly, true, false), (true, 1, 9));
        assert_eq!(row(released, true, false), (true, 100, 100));
        assert_eq!(row(broken, true, false), (true, 60, 89));
        assert_eq!(row(Ending::Orderly, true, true), (false, 0, 0));
        assert_eq!(row(released, true, true), (false, 100, 100));
        assert_eq!(row(broken, true, true), (false, 60, 89));
    }

    #[test]
    fn a_way_that_is_closed_again_and_again_is_opened_ever_later() {
        let mut rng = Seed(1).rng();
        let mut wait = |first, closings| {
            let row = Reopening { by_itself: true, first };
            row.wait(Ending::Orderly, closings, &TERMS, &mut rng).as_secs()
        };
        for (closings, at_least) in [(2, 60), (3, 120), (4, 240), (5, 240), (u32::MAX, 240)] {
            let (short, none) = (wait(Wait::Short, closings), wait(Wait::None, closings));
            assert!((at_least..=at_least * 3 / 2).contains(&short), "{closings}: {short}");
            assert!((at_least..=at_least * 3 / 2).contains(&none), "{closings}: {none}");
        }
        assert!((120..=180).contains(&wait(Wait::Terms, 2)));
    }
}
