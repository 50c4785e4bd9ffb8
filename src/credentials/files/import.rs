//! Reading somebody else's list, and the certificates it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::guarded::{Holds, read, read_text};
use super::{FilesError, make};
use crate::credentials::authority::checked_key;
use crate::credentials::list::{List, Listed, Reference};
use crate::credentials::store::{Maker, Material, Own, ServerMaterial, shared_identity, spoil};
use crate::credentials::{ListError, MakeError, Mode, Role, Store, Wanted, WantedServer, pem};

/// Reads a list. One that holds keys must be readable by its owner alone.
///
/// # Errors
/// That it cannot be read, that others can, or the first mistake in it.
pub fn list(path: &Path) -> Result<List, FilesError> {
    let text = read_text(path, Holds::NoSecrets)?;
    let list = List::parse(&path.display().to_string(), &text)?;
    if list.holds_keys() {
        // Only now is it known that it should not be open.
        read(path, Holds::Secrets)?;
    }
    Ok(list)
}

/// What a list has for a fleet; `path` is where the list is, for the files it names. `trust` holds the certificates
/// by which the two ends know each other: authorities, those between them and the meters, and servers' own.
///
/// An embedded server that the list has nothing for is given credentials of this run's own.
///
/// # Errors
/// That a meter is not in the list, that a file cannot be read, or that a certificate and its key do not belong
/// together.
pub fn import(
    path: &Path,
    list: &List,
    trust: Option<&Path>,
    wanted: &Wanted,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Store, FilesError> {
    let trust = trust.map(Trust::read).transpose()?.unwrap_or_default();
    // Those the list has nothing for are as if there were no list.
    let listed = |server: &&WantedServer| list.mode(server.role).is_some();
    let own = |server: &&WantedServer| !listed(server) && server.embedded && server.role != Role::Bootstrap;
    let unlisted = Wanted { servers: wanted.servers.iter().filter(own).cloned().collect(), ..wanted.clone() };
    // The certificates of embedded servers are made here, whoever made the meters'.
    let maker = Maker::new(wanted, None, None)?;
    let mut made = make::certificates(&maker, &unlisted, progress)?.into_iter();
    let mut bundles = Bundles { folder: path.parent().unwrap_or(Path::new("")), read: FxHashMap::default() };
    let mut material = Vec::new();
    for server in &wanted.servers {
        let known = |anchors: Vec<Arc<[u8]>>| -> Result<ServerMaterial, FilesError> {
            let own = server.embedded.then(|| maker.server(server)).transpose()?;
            let own_anchor =
                maker.authority().filter(|_| server.embedded).map(|own| own.certificate().clone());
            Ok(ServerMaterial {
                own,
                certificate: trust.servers.first().filter(|_| !server.embedded).cloned(),
                anchors: own_anchor.into_iter().chain(anchors).collect(),
                intermediates: trust.intermediates.clone(),
            })
        };
        material.push(match (unlisted.servers.contains(server), server.mode) {
            (true, Mode::Psk) => {
                let master = maker.master().cloned();
                Material::Derived(master.ok_or_else(|| MakeError::Missing(server.role.to_string()))?)
            }
            (true, Mode::X509) => {
                Material::Certificates { own: made.next().unwrap_or_default(), server: known(Vec::new())? }
            }
            (false, Mode::Psk) => Material::Listed(keys(list, server, wanted)?),
            (false, Mode::X509) => {
                if trust.anchors.is_empty() {
                    let problem = "whose the listed certificates are is not known: name their authority with security.trust";
                    return Err(FilesError::content(path, problem));
                }
                let mut own = listed_certificates(path, list, server, wanted, &mut bundles)?;
                spoil(wanted, server, &mut own, None)?;
                Material::Certificates { own, server: known(trust.anchors.clone())? }
            }
        });
    }
    Ok(Store::of(wanted, material)?)
}

/// The number that the list has a meter of the fleet under, and what it has for it.
fn found<'a>(
    list: &'a List,
    server: &WantedServer,
    wanted: &Wanted,
    number: u32,
) -> Result<&'a Listed, MakeError> {
    let endpoint = wanted.names.name(number);
    // Meters are named after the list, so that they have the same numbers, unless another file names them.
    let same = |at: &usize| list.endpoints().get(*at).is_some_and(|name| **name == *endpoint);
    let at = Some(number as usize)
        .filter(same)
        .or_else(|| list.endpoints().iter().position(|name| **name == *endpoint));
    let listed = at.and_then(|at| list.get(u32::try_from(at).ok()?, server.role));
    listed.ok_or_else(|| MakeError::NoneFor { number, endpoint, server: server.role.to_string() })
}

fn keys(list: &List, server: &WantedServer, wanted: &Wanted) -> Result<Vec<crate::secure::Psk>, FilesError> {
    let mut keys = Vec::with_capacity(wanted.names.meters() as usize);
    for number in 0..wanted.names.meters() {
        match found(list, server, wanted, number)? {
            Listed::Psk(psk) => keys.push(psk.clone()),
            Listed::Certificate { .. } => return Err(other_mode(server, wanted, number).into()),
        }
    }
    match shared_identity(&keys) {
        Some((one, other)) => {
            Err(MakeError::Fault(format!("meters {one} and {other} have the same identity")).into())
        }
        None => Ok(keys),
    }
}

fn other_mode(server: &WantedServer, wanted: &Wanted, number: u32) -> MakeError {
    let (endpoint, role) = (wanted.names.name(number), server.role);
    MakeError::Fault(format!(
        "meter {number} ({endpoint}) is listed with another mode than {} for server {role}",
        server.mode.name()
    ))
}

fn listed_certificates(
    path: &Path,
    list: &List,
    server: &WantedServer,
    wanted: &Wanted,
    bundles: &mut Bundles<'_>,
) -> Result<Vec<Own>, FilesError> {
    let mut all = Vec::with_capacity(wanted.names.meters() as usize);
    for number in 0..wanted.names.meters() {
        let Listed::Certificate { certificate, key } = found(list, server, wanted, number)? else {
            return Err(other_mode(server, wanted, number).into());
        };
        let der = bundles.section(certificate, Kind::Certificate)?;
        let secret = bundles.section(key, Kind::PrivateKey)?;
        let key = checked_key(&der, &secret).map_err(|problem| {
            let (line, column) = key.at;
            let name = "certificate_key".to_owned();
            ListError { file: path.display().to_string(), line, column, name, problem: problem.to_owned() }
        })?;
        all.push(Own { certificate: der.as_slice().into(), key });
    }
    Ok(all)
}

/// What a section of a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Certificate,
    PrivateKey,
}

/// The files that a list names; bundles are read once.
struct Bundles<'a> {
    folder: &'a Path,
    read: FxHashMap<(String, Kind), Vec<Zeroizing<Vec<u8>>>>,
}

impl Bundles<'_> {
    fn section(&mut self, reference: &Reference, kind: Kind) -> Result<Zeroizing<Vec<u8>>, FilesError> {
        let path = self.folder.join(&reference.file);
        let missing = || FilesError::content(&path, "has no such section");
        let Some(section) = reference.section else {
            return self.sections(&path, kind)?.into_iter().next().ok_or_else(missing);
        };
        let key = (reference.file.clone(), kind);
        if !self.read.contains_key(&key) {
            let sections = self.sections(&path, kind)?;
            self.read.insert(key.clone(), sections);
        }
        self.read.get(&key).and_then(|sections| sections.get(section)).cloned().ok_or_else(missing)
    }

    fn sections(&self, path: &Path, kind: Kind) -> Result<Vec<Zeroizing<Vec<u8>>>, FilesError> {
        let holds = if kind == Kind::PrivateKey { Holds::Secrets } else { Holds::NoSecrets };
        sections(path, &read(path, holds)?, kind)
    }
}

/// The certificates of a file, PEM or DER.
pub(super) fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<Arc<[u8]>>, FilesError> {
    let found = sections(path, bytes, Kind::Certificate)?;
    for der in &found {
        X509Certificate::from_der(der)
            .map_err(|_| FilesError::content(path, "holds what is no certificate"))?;
    }
    Ok(found.iter().map(|der| der.as_slice().into()).collect())
}

/// The private keys of a file, PEM or DER.
pub(super) fn private_keys(path: &Path, bytes: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, FilesError> {
    sections(path, bytes, Kind::PrivateKey)
}

fn sections(path: &Path, bytes: &[u8], kind: Kind) -> Result<Vec<Zeroizing<Vec<u8>>>, FilesError> {
    // DER begins with a SEQUENCE, which no text does.
    const SEQUENCE: u8 = 0x30;
    if bytes.first() == Some(&SEQUENCE) && !bytes.starts_with(b"0-") && std::str::from_utf8(bytes).is_err() {
        return Ok(vec![Zeroizing::new(bytes.to_vec())]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| FilesError::content(path, "is neither PEM nor DER"))?;
    let found = pem::sections(text);
    let found = found.map_err(|line| FilesError::content(path, format!("is broken in line {line}")))?;
    let fits = |label: &str| match kind {
        Kind::Certificate => label == pem::CERTIFICATE,
        // PKCS#8, and SEC 1 as OpenSSL writes it.
        Kind::PrivateKey => label == pem::PRIVATE_KEY || label == "EC PRIVATE KEY",
    };
    let sealed = found.iter().any(|section| section.label == "ENCRYPTED PRIVATE KEY");
    if kind == Kind::PrivateKey && sealed {
        return Err(FilesError::content(
            path,
            "holds a key under a pass phrase, which nobody is here to give",
        ));
    }
    Ok(found.into_iter().filter(|section| fits(section.label)).map(|section| section.der).collect())
}

/// Certificates by which the two ends know each other.
#[derive(Default)]
struct Trust {
    anchors: Vec<Arc<[u8]>>,
    intermediates: Vec<Arc<[u8]>>,
    servers: Vec<Arc<[u8]>>,
}

impl Trust {
    fn read(path: &Path) -> Result<Self, FilesError> {
        let mut trust = Trust::default();
        for der in certificates(path, &read(path, Holds::NoSecrets)?)? {
            let Ok((_, parsed)) = X509Certificate::from_der(&der) else { continue };
            let kind = match (parsed.is_ca(), parsed.issuer() == parsed.subject()) {
                (true, true) => &mut trust.anchors,
                (true, false) => &mut trust.intermediates,
                (false, _) => &mut trust.servers,
            };
            kind.push(der.clone());
        }
        match trust.anchors.is_empty() && trust.servers.is_empty() {
            true => Err(FilesError::content(
                PathBuf::from(path),
                "holds no certificate of an authority or a server",
            )),
            false => Ok(trust),
        }
    }
}
