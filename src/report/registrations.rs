//! The two sides of every registration, and whether they agree.

use std::collections::BTreeMap;

use super::balances::{Balance, Listed};

/// What the embedded EMS and the meters say of registrations, or why they cannot be compared.
#[derive(Clone, Debug)]
pub enum Registrations {
    /// Both sides are known.
    Known {
        /// By endpoint, how often the EMS answered a Register with 2.01.
        server: BTreeMap<String, u64>,
        /// Every meter that sent at least one Register.
        clients: Vec<ClientRegistrations>,
    },
    /// The EMS is not embedded.
    Unknown {
        /// Why, as a sentence.
        reason: String,
    },
}

/// What one meter says of its registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRegistrations {
    /// Its endpoint name.
    pub endpoint: String,
    /// 2.01s it received to a Register.
    pub created: u64,
    /// Registers of its that got no answer: timed out, abandoned, reset, or still in flight.
    pub unanswered: u64,
}

impl Registrations {
    /// The EMS's registrations are the clients' plus those whose answer was lost, endpoint by endpoint:
    /// 0 <= EMS - client <= the client's unanswered Registers.
    ///
    /// Endpoints whose answer was lost are listed; if any endpoint is outside these bounds, those are
    /// listed instead.
    pub(super) fn balance(&self) -> Balance {
        let (server, clients) = match self {
            Registrations::Known { server, clients } => (server, clients),
            Registrations::Unknown { reason } => return Balance::skipped("registrations", reason),
        };
        let sides = join(server, clients);
        let mut lost = Listed::default();
        let mut wrong = Listed::default();
        let mut explained = 0;
        for (endpoint, side) in &sides {
            let surplus = side.server - side.created;
            if !(0..=side.unanswered).contains(&surplus) {
                wrong.push(|| {
                    format!(
                        "{endpoint}: EMS {}, meter {}, unanswered {}",
                        side.server, side.created, side.unanswered
                    )
                });
            } else if surplus > 0 {
                explained += surplus;
                lost.push(|| (*endpoint).to_owned());
            }
        }
        let ok = wrong.total == 0;
        Balance {
            name: "registrations".to_owned(),
            ok,
            binding: true,
            left: sides.values().map(|side| side.server).sum(),
            right: sides.values().map(|side| side.created).sum::<i64>() + explained,
            explanation: if ok {
                format!(
                    "registrations of the EMS = 2.01s received by the meters + {explained} whose answer was lost"
                )
            } else {
                format!(
                    "{} endpoints have registrations at one side that the other cannot explain",
                    wrong.total
                )
            },
            skipped: None,
            listed: if ok { lost } else { wrong },
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    server: i64,
    created: i64,
    unanswered: i64,
}

fn join<'a>(
    server: &'a BTreeMap<String, u64>,
    clients: &'a [ClientRegistrations],
) -> BTreeMap<&'a str, Sides> {
    let mut sides: BTreeMap<&str, Sides> = BTreeMap::new();
    for (endpoint, &count) in server {
        sides.entry(endpoint).or_default().server += signed(count);
    }
    for client in clients {
        let side = sides.entry(&client.endpoint).or_default();
        side.created += signed(client.created);
        side.unanswered += signed(client.unanswered);
    }
    sides
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(server: &[(&str, u64)], clients: &[(&str, u64, u64)]) -> Balance {
        Registrations::Known {
            server: server.iter().map(|&(endpoint, count)| (endpoint.to_owned(), count)).collect(),
            clients: clients
                .iter()
                .map(|&(endpoint, created, unanswered)| ClientRegistrations {
                    endpoint: endpoint.to_owned(),
                    created,
                    unanswered,
                })
                .collect(),
        }
        .balance()
    }

    #[test]
    fn equal_sides_close() {
        let balance = balance(&[("a", 1), ("b", 2)], &[("a", 1, 0), ("b", 2, 3)]);
        assert!(balance.ok);
        assert_eq!((balance.left, balance.right, balance.listed.total), (3, 3, 0));
    }

    #[test]
    fn a_lost_answer_is_listed_and_closes() {
        let balance = balance(&[("a", 2), ("b", 1)], &[("a", 1, 1), ("b", 1, 0)]);
        assert!(balance.ok);
        assert_eq!((balance.left, balance.right), (3, 3));
        assert_eq!(balance.listed.shown, ["a"]);
    }

    #[test]
    fn a_registration_without_an_unanswered_request_breaks_it() {
        let balance = balance(&[("a", 2)], &[("a", 1, 0)]);
        assert!(!balance.ok);
        assert_eq!(balance.listed.shown, ["a: EMS 2, meter 1, unanswered 0"]);
    }

    #[test]
    fn a_registration_the_ems_never_made_breaks_it() {
        assert!(!balance(&[], &[("a", 1, 5)]).ok);
    }

    #[test]
    fn an_endpoint_outside_the_fleet_breaks_it() {
        assert!(!balance(&[("stranger", 1)], &[]).ok);
    }

    #[test]
    fn one_surplus_does_not_make_up_for_another_deficit() {
        let balance = balance(&[("a", 2), ("b", 0)], &[("a", 1, 0), ("b", 1, 0)]);
        assert!(!balance.ok, "the totals are equal, and both endpoints are wrong");
        assert_eq!(balance.listed.total, 2);
    }

    #[test]
    fn an_external_ems_is_a_reason_to_skip() {
        let balance = Registrations::Unknown { reason: "the EMS is external".to_owned() }.balance();
        assert!(balance.ok);
        assert_eq!(balance.skipped.as_deref(), Some("the EMS is external"));
    }

    #[test]
    fn the_list_is_bounded_and_the_total_is_not() {
        let names: Vec<_> = (0..500).map(|n| format!("m{n:03}")).collect();
        let server: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let clients: Vec<_> = names.iter().map(|name| (name.as_str(), 0, 1)).collect();
        let balance = balance(&server, &clients);
        assert!(balance.ok);
        assert_eq!((balance.listed.shown.len(), balance.listed.total), (super::super::LISTED, 500));
    }
}
