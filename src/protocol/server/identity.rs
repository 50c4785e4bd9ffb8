//! Who a device says it is, and who it has proven to be (LwM2M Core §6.1.7.1 and §6.2.1: both servers must compare
//! the endpoint name with what the security protocol has found out).

use super::peers::Peer;
use crate::protocol::coap::Code;

/// Why a request is refused before it is looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nameless {
    /// It gives no name, and nothing stands for it.
    Missing,
    /// It gives another name than the device has proven to have.
    Mismatch,
    /// The device has to prove who it is, and has not.
    Unproven,
}

impl Nameless {
    /// What it is answered with.
    pub fn code(self) -> Code {
        match self {
            // The code for both: a name that is missing, and one that is not the identity's.
            Nameless::Missing | Nameless::Mismatch => Code::BAD_REQUEST,
            Nameless::Unproven => Code::UNAUTHORIZED,
        }
    }

    /// Whether it is for want of a proof.
    pub fn is_mismatch(self) -> bool {
        self != Nameless::Missing
    }
}

/// The name a request goes by: the one it gives (`ep`), or, where it gives none (allowed since LwM2M 1.1), the one
/// its device has proven to have. Where devices are to be `proven`, the two must agree.
pub(super) fn endpoint<'a>(
    given: Option<&'a str>,
    identity: Option<&'a str>,
    proven: bool,
) -> Result<&'a str, Nameless> {
    let given = given.filter(|given| !given.is_empty());
    match (given, identity) {
        (_, None) if proven => Err(Nameless::Unproven),
        (Some(given), Some(identity)) if proven && given != identity => Err(Nameless::Mismatch),
        (Some(given), _) => Ok(given),
        (None, Some(identity)) => Ok(identity),
        (None, None) => Err(Nameless::Missing),
    }
}

impl<T> Peer<T> {
    /// Whether it may act for the endpoint of this name.
    pub fn may_be(&self, name: &str, proven: bool) -> bool {
        self.identity.as_deref().map_or(!proven, |identity| !proven || identity == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_identities_agree_where_they_have_to() {
        let (a, b) = (Some("a"), Some("b"));
        // What the request says, what was proven, whether it has to be; the name, or why there is none.
        let cases = [
            (a, a, true, Ok("a")),
            (None, a, true, Ok("a")),
            (Some(""), a, true, Ok("a")),
            (b, a, true, Err(Nameless::Mismatch)),
            (a, None, true, Err(Nameless::Unproven)),
            (None, None, true, Err(Nameless::Unproven)),
            (a, None, false, Ok("a")),
            (b, a, false, Ok("b")),
            (None, a, false, Ok("a")),
            (None, None, false, Err(Nameless::Missing)),
            (Some(""), None, false, Err(Nameless::Missing)),
        ];
        for (given, identity, proven, expected) in cases {
            assert_eq!(endpoint(given, identity, proven), expected, "{given:?} {identity:?} {proven}");
        }
        assert_eq!(Nameless::Mismatch.code(), Code::BAD_REQUEST);
        assert_eq!(Nameless::Unproven.code(), Code::UNAUTHORIZED);
    }
}
