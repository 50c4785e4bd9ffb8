//! Making a store: out of nothing, or of what was read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::answer::matched;
use super::{Keys, Own, Party, Store, Wanted, WantedServer};
use crate::credentials::authority::self_signed;
use crate::credentials::{Authority, Fault, Faults, MakeError, Master, Mode, Validity};
use crate::secure::{Certificate, Psk};

/// The common name of a run's own authority.
const AUTHORITY: &str = "bootstorm";
/// The common name of an authority that nobody trusts.
const STRANGER: &str = "somebody else";

impl Store {
    /// Makes everything that is wanted, one after the other: fast for keys, and for certificates as long as they
    /// are some thousands; `files::make` uses all cores.
    ///
    /// # Errors
    /// That there is no randomness, or that a name cannot be put into a certificate.
    pub fn make(wanted: &Wanted) -> Result<Self, MakeError> {
        let maker = Maker::new(wanted, None, None)?;
        let certificates = wanted.servers.iter().filter(|server| server.mode == Mode::X509).map(|server| {
            let own = (0..wanted.names.meters()).map(|number| maker.own(server, number));
            own.collect::<Result<Vec<_>, _>>()
        });
        maker.store(certificates.collect::<Result<_, _>>()?)
    }

    /// Puts together what was read: for each wanted server, in their order.
    pub(in crate::credentials) fn of(wanted: &Wanted, material: Vec<Material>) -> Result<Self, MakeError> {
        let mut parties = Vec::new();
        for (server, material) in wanted.servers.iter().zip(material) {
            let keys = match material {
                Material::Derived(master) => Keys::Derived(master),
                Material::Listed(by_number) => {
                    let by_identity =
                        (0..).zip(&by_number).map(|(n, psk)| (psk.identity.clone(), n)).collect();
                    Keys::Listed { by_number, by_identity }
                }
                Material::Certificates { own, server: known } => known.keys(server, own)?,
            };
            parties.push(Party { wanted: server.clone(), keys });
        }
        Ok(Store { names: wanted.names.clone(), parties: parties.into(), faults: wanted.faults.clone() })
    }
}

/// What there is for one server.
pub(in crate::credentials) enum Material {
    /// The secret that keys are derived from.
    Derived(Master),
    /// A key for each meter.
    Listed(Vec<Psk>),
    /// A certificate for each meter, and what goes with them.
    Certificates { own: Vec<Own>, server: ServerMaterial },
}

/// What goes with the certificates of meters.
#[derive(Clone, Default)]
pub(in crate::credentials) struct ServerMaterial {
    /// The server's own, with its key, where it is embedded.
    pub own: Option<Certificate>,
    /// The server's certificate, where only that is known.
    pub certificate: Option<Arc<[u8]>>,
    /// The authorities that are trusted, the first of them also by the meters.
    pub anchors: Vec<Arc<[u8]>>,
    /// What may stand between them and a meter's certificate.
    pub intermediates: Vec<Arc<[u8]>>,
}

impl ServerMaterial {
    fn keys(self, wanted: &WantedServer, own: Vec<Own>) -> Result<Keys, MakeError> {
        let certificate =
            self.certificate.as_ref().or_else(|| self.own.as_ref().and_then(|own| own.chain.first()));
        // Usages 0 and 2 name an authority, 1 and 3 the server itself (RFC 6698 §2.1.1).
        let known = match wanted.usage.unwrap_or(3) {
            0 | 2 => self.anchors.first(),
            _ => certificate,
        };
        let missing = || MakeError::Missing(format!("what meters know server {} by", wanted.role));
        let trust = matched(known.ok_or_else(missing)?, wanted.matching_type);
        let ServerMaterial { own: server, anchors, intermediates, .. } = self;
        Ok(Keys::Certificates { own, trust, server, anchors, intermediates })
    }
}

/// Makes the credentials of a fleet.
pub(in crate::credentials) struct Maker<'a> {
    wanted: &'a Wanted,
    master: Option<Master>,
    authority: Option<Authority>,
    stranger: Option<Authority>,
}

impl<'a> Maker<'a> {
    /// One that takes up this secret and this authority, or makes those that are needed.
    pub(in crate::credentials) fn new(
        wanted: &'a Wanted,
        master: Option<Master>,
        authority: Option<Authority>,
    ) -> Result<Self, MakeError> {
        let some = |mode: Mode| wanted.servers.iter().any(|server| server.mode == mode);
        let around = Validity::around(wanted.now);
        let master = match master {
            None if some(Mode::Psk) => Some(Master::draw()?),
            given => given,
        };
        let authority = match authority {
            None if some(Mode::X509) => Some(Authority::make(AUTHORITY, around)?),
            given => given,
        };
        let stranger = stranger(wanted)?;
        Ok(Maker { wanted, master, authority, stranger })
    }

    /// The secret, if any server has keys of it.
    pub(in crate::credentials) fn master(&self) -> Option<&Master> {
        self.master.as_ref()
    }

    /// The authority, if any server has certificates of it.
    pub(in crate::credentials) fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The certificate of a meter for a server, which may be a bad one.
    pub(in crate::credentials) fn own(&self, server: &WantedServer, number: u32) -> Result<Own, MakeError> {
        let Wanted { names, faults, now, .. } = self.wanted;
        let endpoint = names.name(number);
        let fault = faults.as_ref().and_then(|faults| faults.of(server.role, number));
        let fault = fault.filter(|fault| fault.is_of_own_certificate());
        let made = match fault {
            Some(fault) => bad(fault, &endpoint, self.authority.as_ref(), self.stranger.as_ref(), *now)?,
            None => self.signer()?.client(&endpoint, Validity::around(*now))?,
        };
        own(made)
    }

    /// The certificate of a server.
    pub(in crate::credentials) fn server(&self, server: &WantedServer) -> Result<Certificate, MakeError> {
        self.signer()?.server(&server.names, Validity::around(self.wanted.now))
    }

    fn signer(&self) -> Result<&Authority, MakeError> {
        self.authority.as_ref().ok_or_else(|| MakeError::Missing("an authority".to_owned()))
    }

    /// Everything, given the meters' certificates for each server that has any, in their order.
    pub(in crate::credentials) fn store(&self, certificates: Vec<Vec<Own>>) -> Result<Store, MakeError> {
        let mut certificates = certificates.into_iter();
        let material = self.wanted.servers.iter().map(|server| match server.mode {
            Mode::Psk => {
                let missing = || MakeError::Missing(format!("server {}", server.role));
                Ok(Material::Derived(self.master.clone().ok_or_else(missing)?))
            }
            Mode::X509 => {
                let anchors = vec![self.signer()?.certificate().clone()];
                let known =
                    ServerMaterial { own: Some(self.server(server)?), anchors, ..ServerMaterial::default() };
                Ok(Material::Certificates { own: certificates.next().unwrap_or_default(), server: known })
            }
        });
        Store::of(self.wanted, material.collect::<Result<_, _>>()?)
    }
}

/// The authority that nobody trusts, where some meters are to have their certificates from it.
fn stranger(wanted: &Wanted) -> Result<Option<Authority>, MakeError> {
    let wrong = |faults: &Faults| faults.shares.iter().any(|share| share.fault == Fault::WrongAuthority);
    let wrong = wanted.faults.as_ref().is_some_and(wrong);
    wrong.then(|| Authority::make(STRANGER, Validity::around(wanted.now))).transpose()
}

/// Puts bad certificates in the place of good ones that were read; `authority` signs those that need it.
pub(in crate::credentials) fn spoil(
    wanted: &Wanted,
    server: &WantedServer,
    own: &mut [Own],
    authority: Option<&Authority>,
) -> Result<(), MakeError> {
    let Some(faults) = &wanted.faults else { return Ok(()) };
    let stranger = stranger(wanted)?;
    for (number, own) in (0..).zip(own) {
        let fault = faults.of(server.role, number).filter(|fault| fault.is_of_own_certificate());
        if let Some(fault) = fault {
            let endpoint = wanted.names.name(number);
            *own = self::own(bad(fault, &endpoint, authority, stranger.as_ref(), wanted.now)?)?;
        }
    }
    Ok(())
}

/// A certificate with this wrong with it.
fn bad(
    fault: Fault,
    endpoint: &str,
    authority: Option<&Authority>,
    stranger: Option<&Authority>,
    now: u64,
) -> Result<Certificate, MakeError> {
    let nobody = || {
        let fault = fault.name();
        MakeError::Fault(format!(
            "{fault} takes an authority that signs, and its key is not among the credentials"
        ))
    };
    match fault {
        Fault::WrongAuthority => stranger.ok_or_else(nobody)?.client(endpoint, Validity::around(now)),
        Fault::Expired => authority.ok_or_else(nobody)?.client(endpoint, Validity::over_before(now)),
        Fault::NotYetValid => authority.ok_or_else(nobody)?.client(endpoint, Validity::only_after(now)),
        _ => self_signed(endpoint, Validity::around(now)),
    }
}

fn own(certificate: Certificate) -> Result<Own, MakeError> {
    let Certificate { mut chain, key } = certificate;
    let own = chain.drain(..).next().ok_or_else(|| MakeError::Missing("a certificate".to_owned()))?;
    Ok(Own { certificate: own, key })
}

/// The pre-shared keys by identity: two meters of one identity cannot be told apart.
pub(in crate::credentials) fn shared_identity(keys: &[Psk]) -> Option<(u32, u32)> {
    let mut taken: FxHashMap<&[u8], u32> = FxHashMap::default();
    (0..).zip(keys).find_map(|(number, psk)| taken.insert(&psk.identity, number).map(|other| (other, number)))
}
