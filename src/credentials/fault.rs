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

/// Meters that have a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// What is wrong.
    pub fault: Fault,
    /// With their credentials for which server.
    pub at: Role,
    /// How much of the fleet.
    pub share: Percent,
}

/// Which meters have which fault, one at the most. Drawn from the seed: which meters, never which keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The share of the fleet that has each; at most all of it together.
    pub shares: Vec<Share>,
    /// Where the draw comes from.
    pub seed: Seed,
}

impl Faults {
    /// The fault of a meter's credentials for a server.
    pub fn of(&self, role: Role, number: u32) -> Option<Fault> {
        if self.shares.iter().all(|share| share.at != role) {
            return None;
        }
        let mut drawn = self.seed.child("credentials", 0).child("meter", number.into()).rng().unit();
        let hit = self.shares.iter().find(|share| {
            drawn -= share.share.fraction();
            drawn < 0.0
        });
        hit.filter(|share| share.at == role).map(|share| share.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_drawn_from_the_seed_for_one_server_each() {
        let at = Role::Server(101);
        let share = |fault, at, share: &str| Share { fault, at, share: share.parse().expect(share) };
        let shares = vec![
            share(Fault::WrongKey, at, "20%"),
            share(Fault::UnknownIdentity, at, "30%"),
            share(Fault::Expired, Role::Server(102), "10%"),
        ];
        let faults = Faults { shares, seed: Seed(4) };
        let drawn = |faults: &Faults, role| (0..10_000).map(|n| faults.of(role, n)).collect::<Vec<_>>();
        let found = drawn(&faults, at);
        let count = |fault| found.iter().filter(|found| **found == Some(fault)).count();
        assert!((1_800..2_200).contains(&count(Fault::WrongKey)), "{}", count(Fault::WrongKey));
        assert!((2_800..3_200).contains(&count(Fault::UnknownIdentity)));
        assert_eq!(found, drawn(&faults, at));
        assert_ne!(found, drawn(&Faults { seed: Seed(5), ..faults.clone() }, at));
        // Nobody has two of them.
        let other = drawn(&faults, Role::Server(102));
        assert!((800..1_200).contains(&other.iter().flatten().count()));
        assert!(found.iter().zip(&other).all(|(one, other)| one.is_none() || other.is_none()));
        assert!(drawn(&faults, Role::Bootstrap).iter().all(Option::is_none));
    }
}
