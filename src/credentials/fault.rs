//! What is wrong with the credentials of some meters, on purpose.

use crate::base::{Percent, Seed};

use super::Role;

/// What may be wrong with a meter's credentials for one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Its pre-shared key is not the one the server has.
    WrongKey,
    /// Its identity is none the server knows.
    UnknownIdentity,
    /// Its certificate is of an authority that the server does not trust.
    WrongAuthority,
    /// Its certificate is valid no longer.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate has signed itself.
    SelfSigned,
    /// It expects another name in the server's certificate.
    WrongName,
}

impl Fault {
    /// Every one, in the order in which they are drawn.
    pub const ALL: [Fault; 7] = [
        Fault::WrongKey,
        Fault::UnknownIdentity,
        Fault::WrongAuthority,
        Fault::Expired,
        Fault::NotYetValid,
        Fault::SelfSigned,
        Fault::WrongName,
    ];

    /// As scenarios call it.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::WrongKey => "wrong_key",
            Fault::UnknownIdentity => "unknown_identity",
            Fault::WrongAuthority => "wrong_ca",
            Fault::Expired => "expired",
            Fault::NotYetValid => "not_yet_valid",
            Fault::SelfSigned => "self_signed",
            Fault::WrongName => "wrong_name",
        }
    }

    /// Whether it is one of pre-shared keys; the others are of certificates.
    pub const fn is_of_keys(self) -> bool {
        matches!(self, Fault::WrongKey | Fault::UnknownIdentity)
    }

    /// Whether the meter's own certificate is another one for it.
    pub(super) const fn is_of_own_certificate(self) -> bool {
        !self.is_of_keys() && !matches!(self, Fault::WrongName)
    }
}

/// Which meters have which fault. Drawn from the seed: which meters, never which keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// For which server their credentials are bad.
    pub at: Role,
    /// The share of the fleet that has each; at most all of it together.
    pub shares: Vec<(Fault, Percent)>,
    /// Where the draw comes from.
    pub seed: Seed,
}

impl Faults {
    /// The fault of a meter's credentials for a server.
    pub fn of(&self, role: Role, number: u32) -> Option<Fault> {
        if self.shares.is_empty() || role != self.at {
            return None;
        }
        let mut drawn = self.seed.child("credentials", 0).child("meter", number.into()).rng().unit();
        self.shares.iter().find_map(|(fault, share)| {
            drawn -= share.fraction();
            (drawn < 0.0).then_some(*fault)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_drawn_from_the_seed_for_one_server() {
        let share = |text: &str| text.parse().expect(text);
        let shares = vec![(Fault::WrongKey, share("20%")), (Fault::UnknownIdentity, share("30%"))];
        let faults = Faults { at: Role::Server(101), shares, seed: Seed(4) };
        let drawn = |faults: &Faults, role| (0..10_000).map(|n| faults.of(role, n)).collect::<Vec<_>>();
        let found = drawn(&faults, Role::Server(101));
        let count = |fault| found.iter().filter(|found| **found == Some(fault)).count();
        assert!((1_800..2_200).contains(&count(Fault::WrongKey)), "{}", count(Fault::WrongKey));
        assert!((2_800..3_200).contains(&count(Fault::UnknownIdentity)));
        assert_eq!(found, drawn(&faults, Role::Server(101)));
        assert_ne!(found, drawn(&Faults { seed: Seed(5), ..faults.clone() }, Role::Server(101)));
        assert!(drawn(&faults, Role::Bootstrap).iter().all(Option::is_none));
    }
}
