//! Handshakes: the balances they have to close.

use super::balances::signed;
use super::{Balance, Inputs};
use crate::metrics::{HandshakeCounts, Snapshot};

/// Every handshake begun met one end, or is under way; and meters and servers agree on those completed.
pub(super) fn balances(snapshot: &Snapshot, inputs: &Inputs<'_>) -> [Balance; 2] {
    let HandshakeCounts { begun, completed, failed, abandoned, .. } = snapshot.handshakes;
    let ended = completed.saturating_add(failed).saturating_add(abandoned);
    let own = Balance::of(
        "handshakes",
        signed(begun),
        signed(ended.saturating_add(inputs.handshakes_in_flight)),
        "handshakes begun = completed + failed + abandoned + under way",
    );
    [own, agreement(snapshot, inputs)]
}

/// The server is done first or last, depending on the engine; the other end may never get to know.
fn agreement(snapshot: &Snapshot, inputs: &Inputs<'_>) -> Balance {
    const NAME: &str = "handshakes-completed";
    let HandshakeCounts { completed, failed, abandoned, .. } = snapshot.handshakes;
    let servers = inputs.servers.iter().filter(|server| !server.uri.is_empty());
    let seen: Option<Vec<_>> = servers.map(|server| server.seen.as_ref()).collect();
    // Without handshakes there is nothing to know of anybody.
    let none = snapshot.handshakes.begun == 0;
    let Some(seen) = seen.or_else(|| none.then(Vec::new)) else {
        let skipped = Balance::skipped(NAME, "a server is external, so what it saw is not known");
        return Balance { binding: false, ..skipped };
    };
    let secured = seen.iter().filter_map(|seen| seen.sessions.as_ref()).filter(|sessions| sessions.secure);
    let (mut by_servers, mut never_known) = (0, 0);
    for sessions in secured {
        by_servers += sessions.completed;
        never_known += sessions.timed_out + sessions.failed + sessions.evicted + sessions.replaced;
        // From version 1.3 on a server judges a meter's certificate when the meter is done with the handshake.
        never_known += sessions.unknown_identities + sessions.certificates_refused.values().sum::<u64>();
    }
    let only_servers = failed + abandoned + inputs.handshakes_in_flight;
    Balance::between(
        NAME,
        (completed, only_servers),
        (by_servers, never_known),
        "handshakes completed by the meters = by the servers",
        "whose end the server never saw",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Sessions, fixture};

    fn drawn(change: impl FnOnce(&mut Snapshot, &mut Inputs<'_>)) -> [Balance; 2] {
        let totals = fixture::totals();
        let mut inputs = fixture::inputs(&totals);
        let mut snapshot = totals.snapshot();
        snapshot.handshakes = HandshakeCounts { begun: 10, completed: 7, failed: 2, ..Default::default() };
        inputs.handshakes_in_flight = 1;
        let sessions = Sessions { secure: true, completed: 8, ..Sessions::default() };
        fixture::seen(&mut inputs, 0).sessions = Some(sessions);
        change(&mut snapshot, &mut inputs);
        balances(&snapshot, &inputs)
    }

    #[test]
    fn a_handshake_without_an_end_breaks_the_binding_balance() {
        assert!(drawn(|_, _| {}).iter().all(|balance| balance.ok));
        let [own, _] = drawn(|_, inputs| inputs.handshakes_in_flight = 0);
        assert!(!own.ok && own.binding, "{own:?}");
    }

    #[test]
    fn a_meter_may_be_done_with_a_handshake_that_the_server_refuses() {
        let refused = drawn(|snapshot, inputs| {
            snapshot.handshakes.completed = 11;
            let sessions = fixture::seen(inputs, 0).sessions.as_mut().expect("a secure server");
            sessions.certificates_refused.insert("expired".to_owned(), 3);
        });
        assert!(refused[1].ok, "{:?}", refused[1]);
    }

    #[test]
    fn a_server_may_be_done_with_a_handshake_that_failed_for_the_meter() {
        let seen = |completed| {
            drawn(move |_, inputs| {
                let sessions = fixture::seen(inputs, 0).sessions.as_mut().expect("a secure server");
                sessions.completed = completed;
            })
        };
        assert!(seen(10)[1].ok && !seen(11)[1].ok && !seen(6)[1].ok);
        assert!(!seen(11)[1].binding);
    }
}
