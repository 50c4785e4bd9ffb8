//! What a store answers, for meters and for servers.

use std::sync::Arc;

use aws_lc_rs::digest;

use super::{Keys, Own, Party, Role, Store};
use crate::credentials::{Fault, Mode, Names};
use crate::protocol::lwm2m::Value;
use crate::secure::{Identities, Identity, Psk, Secret, ServerSecurity};

/// The longest identity (LwM2M Transport §5.2.9.1), in bytes.
const LONGEST_IDENTITY: usize = 128;

/// What a meter with the wrong name in mind expects; `.invalid` is nobody's (RFC 6761 §6.4).
const WRONG_NAME: &str = "somebody-else.invalid";

impl Store {
    /// The meters it is for.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The servers it has credentials for, and how each is spoken to.
    pub fn servers(&self) -> impl Iterator<Item = (Role, Mode)> {
        self.parties.iter().map(|party| (party.wanted.role, party.wanted.mode))
    }

    /// What the meter with this number holds of this server's account: resources of /0 by ID, in their order: the
    /// mode (2), the keys (3 to 5), and what goes with a certificate (13 to 15). `None` where the server is
    /// spoken to without security, or there is no such meter.
    pub fn resources(&self, role: Role, number: u32) -> Option<Vec<(u16, Value)>> {
        const PSK: i64 = 0;
        const CERTIFICATE: i64 = 2;
        let opaque = |bytes: &[u8]| Value::Opaque(bytes.into());
        let party = self.party(role)?;
        let fault = self.faults.as_ref().and_then(|faults| faults.of(role, number));
        if let Keys::Certificates { own, trust, .. } = &party.keys {
            let Own { certificate, key } = own.get(number as usize)?;
            let mut resources = vec![
                (2, Value::Integer(CERTIFICATE)),
                (3, opaque(certificate)),
                (4, opaque(trust)),
                (5, opaque(key.expose())),
            ];
            resources.extend(party.known_by(fault));
            return Some(resources);
        }
        let Psk { identity, key } = self.psk(party, number, fault)?;
        Some(vec![(2, Value::Integer(PSK)), (3, opaque(&identity)), (5, opaque(key.expose()))])
    }

    /// As [`Store::resources`], of the meter with this endpoint name.
    pub fn resources_of(&self, role: Role, endpoint: &str) -> Option<Vec<(u16, Value)>> {
        self.party(role)?;
        self.resources(role, self.names.number(endpoint)?)
    }

    /// What a server proves itself with, and knows this fleet by. `None` where it is spoken to without security,
    /// or is somebody else's whose own key is not known here.
    pub fn server(&self, role: Role) -> Option<ServerSecurity> {
        let (certificate, peers, intermediates) = match &self.party(role)?.keys {
            Keys::Certificates { server, anchors, intermediates, .. } => {
                (Some(server.clone()?), anchors.clone(), intermediates.clone())
            }
            Keys::Derived(_) | Keys::Listed { .. } => Default::default(),
        };
        Some(ServerSecurity {
            identities: Arc::new(Known { store: self.clone(), role }),
            psk: certificate.is_none(),
            certificate,
            peers,
            intermediates,
        })
    }

    fn party(&self, role: Role) -> Option<&Party> {
        self.parties.iter().find(|party| party.wanted.role == role)
    }

    /// The pre-shared key of a meter, with what is wrong with it.
    fn psk(&self, party: &Party, number: u32, fault: Option<Fault>) -> Option<Psk> {
        let role = party.wanted.role;
        let mut psk = match &party.keys {
            Keys::Derived(master) if number < self.names.meters() => {
                let endpoint = self.names.name(number);
                Psk { key: master.key(role, &endpoint), identity: endpoint.into_bytes().into() }
            }
            Keys::Derived(_) | Keys::Certificates { .. } => return None,
            Keys::Listed { by_number, .. } => by_number.get(number as usize)?.clone(),
        };
        match fault {
            Some(Fault::WrongKey) => psk.key = wrong_key(&party.keys, role, &psk),
            Some(Fault::UnknownIdentity) => {
                let mut identity = b"nobody-".to_vec();
                identity.extend_from_slice(&psk.identity);
                identity.truncate(LONGEST_IDENTITY);
                psk.identity = identity.into();
            }
            _ => {}
        }
        Some(psk)
    }
}

/// A key that is not the meter's.
fn wrong_key(keys: &Keys, role: Role, psk: &Psk) -> Secret {
    match keys {
        Keys::Derived(master) => master.wrong_key(role, &String::from_utf8_lossy(&psk.identity)),
        Keys::Listed { .. } | Keys::Certificates { .. } => {
            Secret::new(psk.key.expose().iter().map(|byte| !byte).collect::<Vec<_>>())
        }
    }
}

impl Party {
    /// /0/x/13 to 15, by which a meter knows the server; those of their defaults are left out.
    fn known_by(&self, fault: Option<Fault>) -> Vec<(u16, Value)> {
        let name = match fault {
            Some(Fault::WrongName) => Some(WRONG_NAME),
            _ => self.wanted.server_name.as_deref(),
        };
        let matching_type = (self.wanted.matching_type != 0).then_some(self.wanted.matching_type);
        let matching_type = matching_type.map(|kind| (13, Value::Unsigned(kind.into())));
        let name = name.map(|name| (14, Value::String(name.into())));
        let usage = self.wanted.usage.map(|usage| (15, Value::Unsigned(usage.into())));
        matching_type.into_iter().chain(name).chain(usage).collect()
    }
}

/// What goes into /0/x/4 for a certificate: itself, or the hash that the matching type says (RFC 6698 §2.1.3).
pub(super) fn matched(certificate: &Arc<[u8]>, matching_type: u8) -> Arc<[u8]> {
    let algorithm = match matching_type {
        1 => &digest::SHA256,
        2 => &digest::SHA384,
        3 => &digest::SHA512,
        _ => return certificate.clone(),
    };
    digest::digest(algorithm, certificate).as_ref().into()
}

/// The meters of a fleet, as one of its servers knows them.
struct Known {
    store: Store,
    role: Role,
}

impl Identities for Known {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        let party = self.store.party(self.role)?;
        let number = match &party.keys {
            Keys::Derived(_) => self.store.names.number(std::str::from_utf8(identity).ok()?)?,
            Keys::Listed { by_identity, .. } => *by_identity.get(identity)?,
            Keys::Certificates { .. } => return None,
        };
        let psk = self.store.psk(party, number, None)?;
        Some((psk.key, self.store.names.name(number).into()))
    }
}
