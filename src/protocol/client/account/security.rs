//! How an account wants the way to its server: where it leads, and how both ends prove who they are (/0/x/0, 2-5
//! and 13-16; LwM2M Transport §5.2).

use smallvec::SmallVec;

use super::{Credentials, SECURITY, integer, servers, text, uri};
use crate::protocol::client::event::{Failure, Security};
use crate::protocol::lwm2m::{Path, Scheme, ServerUri, Tree, Value};

/// Where the server of this instance of /0 is, and how both ends prove who they are; `None` where they do not.
///
/// # Errors
/// [`Failure::ServerUri`] if there is no URI, or none that can be used; [`Failure::SecurityMode`] if the Security
/// Mode is not one for its scheme, or lacks a key. A device never falls back to a way without security: what
/// the mode says and what the scheme says have to be the same.
pub(in super::super) fn way(
    tree: &Tree,
    instance: u16,
) -> Result<(ServerUri, Option<Box<Security>>), Failure> {
    let uri: ServerUri = uri(tree, instance).and_then(|uri| uri.parse().ok()).ok_or(Failure::ServerUri)?;
    let security = security(tree, instance, uri.scheme)?;
    Ok((uri, security))
}

/// Over what the server of this instance of /0 is spoken to; UDP where its URI says nothing of use.
pub(in super::super) fn scheme(tree: &Tree, instance: u16) -> Scheme {
    uri(tree, instance).and_then(Scheme::of_uri).unwrap_or_default()
}

/// How a package at this place is fetched over a way with security: as the LwM2M server of the same scheme, host
/// and port is spoken to.
pub(in super::super) fn security_at(tree: &Tree, place: &ServerUri) -> Option<Box<Security>> {
    let ways = servers(tree).into_iter().filter_map(|account| way(tree, account.security).ok());
    let mut there = ways.filter(|(uri, _)| uri == place);
    there.find_map(|(_, security)| security)
}

fn security(tree: &Tree, instance: u16, scheme: Scheme) -> Result<Option<Box<Security>>, Failure> {
    let mode = integer(tree, Path::resource(SECURITY, instance, 2));
    match (scheme.is_secure(), mode) {
        // An account without a mode is told by its scheme.
        (false, Some(3) | None) => Ok(None),
        (true, Some(mode)) => {
            let credentials = credentials(tree, instance, mode).ok_or(Failure::SecurityMode)?;
            Ok(Some(Box::new(Security {
                credentials,
                server_name: text(tree, Path::resource(SECURITY, instance, 14))
                    .filter(|name| !name.is_empty())
                    .map(Into::into),
                matching_type: small(tree, instance, 13).unwrap_or_default(),
                cipher_suites: cipher_suites(tree, instance),
            })))
        }
        (false, Some(_)) | (true, None) => Err(Failure::SecurityMode),
    }
}

/// The keys of this mode (LwM2M Core §E.1); `None` for one that is none or has no security, and if a key is
/// missing or empty.
fn credentials(tree: &Tree, instance: u16, mode: i64) -> Option<Credentials> {
    let key = |id| match tree.get(Path::resource(SECURITY, instance, id)) {
        Some(Value::Opaque(bytes)) if !bytes.is_empty() => Some(bytes.to_vec()),
        _ => None,
    };
    Some(match mode {
        0 => Credentials::PreSharedKey { identity: key(3)?, key: key(5)? },
        1 => Credentials::RawPublicKey { public: key(3)?, private: key(5)?, server: key(4)? },
        2 => Credentials::Certificate {
            certificate: key(3)?,
            private: key(5)?,
            server: key(4)?,
            usage: small(tree, instance, 15),
        },
        4 => Credentials::Est { server: key(4)? },
        _ => return None,
    })
}

/// A number of a few values. One that is out of all bounds stays so, for whoever has to refuse it.
fn small(tree: &Tree, instance: u16, id: u16) -> Option<u8> {
    let number = integer(tree, Path::resource(SECURITY, instance, id))?;
    Some(u8::try_from(number).unwrap_or(u8::MAX))
}

/// /0/x/16. A number of more than two bytes is that of no cipher suite.
fn cipher_suites(tree: &Tree, instance: u16) -> SmallVec<[u16; 2]> {
    let numbers = tree.entries(Path::resource(SECURITY, instance, 16));
    numbers.filter_map(|(_, value)| u16::try_from(value.as_integer()?).ok()).collect()
}

/// What credentials are, and what is of use together with them only.
const CREDENTIALS: [u16; 7] = [2, 3, 4, 5, 13, 15, 16];

/// Gives the Bootstrap-Server Account of `to` the credentials that the one of `from` has, if both have one.
pub(in super::super) fn keep_bootstrap_credentials(from: &Tree, to: &mut Tree) {
    let (Some(old), Some(new)) = (super::bootstrap_server(from), super::bootstrap_server(to)) else { return };
    for id in CREDENTIALS {
        let (old, new) = (Path::resource(SECURITY, old, id), Path::resource(SECURITY, new, id));
        to.remove(new);
        for (path, value) in from.entries(old) {
            let at = if path == old { Some(new) } else { new.child(path.ids()[3]) };
            if let Some(at) = at {
                to.set(at, value.clone());
            }
        }
    }
}
