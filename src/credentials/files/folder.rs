//! Reading a folder that was provisioned.

use std::path::Path;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::FilesError;
use super::guarded::{Holds, read as read_bytes, read_text};
use super::import::{certificates, private_keys};
use crate::credentials::authority::checked_key;
use crate::credentials::store::{Material, Own, ServerMaterial, spoil};
use crate::credentials::{Authority, List, MakeError, Mode, Role, Store, Wanted, WantedServer};
use crate::secure::Certificate;

/// The version of folders that are written and read.
const VERSION: u32 = 1;

/// What a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How its meters prove themselves.
    pub mode: Mode,
    /// How many they are.
    pub meters: u32,
    /// The template of their names, if they follow one.
    pub endpoint: Option<String>,
    /// Their names, if they do not: those of `meters.csv`.
    pub names: Vec<Box<str>>,
    /// The servers it is for, and where they are.
    pub servers: Vec<(Role, String)>,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub made: u64,
}

/// The same as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    mode: String,
    meters: u32,
    endpoint: Option<String>,
    made: u64,
    #[serde(default)]
    server: Vec<WrittenServer>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenServer {
    role: String,
    uri: String,
}

impl Manifest {
    /// As it stands in its file.
    pub(super) fn to_toml(&self) -> String {
        let server =
            self.servers.iter().map(|(role, uri)| WrittenServer { role: role.to_string(), uri: uri.clone() });
        let written = Written {
            version: VERSION,
            mode: self.mode.name().to_owned(),
            meters: self.meters,
            endpoint: self.endpoint.clone(),
            made: self.made,
            server: server.collect(),
        };
        toml::to_string(&written).expect("strings and numbers are TOML")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().replace('\n', ", "))?;
        if written.version != VERSION {
            return Err(format!("is of version {}, and version {VERSION} is read", written.version));
        }
        let mode = [Mode::Psk, Mode::X509].into_iter().find(|mode| mode.name() == written.mode);
        let servers = written.server.into_iter().map(|server| {
            let role = Role::parse(&server.role).ok_or_else(|| format!("{} is no server", server.role))?;
            Ok((role, server.uri))
        });
        Ok(Manifest {
            mode: mode.ok_or_else(|| format!("knows no mode \"{}\"", written.mode))?,
            meters: written.meters,
            endpoint: written.endpoint,
            names: Vec::new(),
            servers: servers.collect::<Result<_, String>>()?,
            made: written.made,
        })
    }
}

/// The names of the files in a folder.
pub(super) struct Files {
    /// The meters' certificates and keys for a server.
    pub own: String,
    pub own_key: String,
    /// Their accounts, as a list and as JSON lines.
    pub list: String,
    pub accounts: String,
    /// The server's certificate and key.
    pub server: String,
    pub server_key: String,
}

impl Files {
    pub const MANIFEST: &str = "manifest.toml";
    pub const MASTER: &str = "master.secret";
    pub const AUTHORITY: &str = "ca.pem";
    pub const AUTHORITY_KEY: &str = "ca.key.pem";

    /// Those of one server.
    pub fn of(role: Role) -> Self {
        let (own, server) = match role {
            Role::Bootstrap => ("meters".to_owned(), "bootstrap-server".to_owned()),
            Role::Server(id) => (format!("ems-{id}"), format!("ems-server-{id}")),
        };
        Files {
            list: format!("{own}.csv"),
            accounts: format!("{own}.jsonl"),
            own_key: format!("{own}.key.pem"),
            own: format!("{own}.pem"),
            server_key: format!("{server}.key.pem"),
            server: format!("{server}.pem"),
        }
    }
}

/// What a folder says it is.
///
/// # Errors
/// That there is no manifest, or none that is understood.
pub fn manifest(folder: &Path) -> Result<Manifest, FilesError> {
    let path = folder.join(Files::MANIFEST);
    let text = read_text(&path, Holds::NoSecrets)?;
    let mut manifest = Manifest::parse(&text).map_err(|problem| FilesError::content(&path, problem))?;
    if manifest.endpoint.is_some() {
        return Ok(manifest);
    }
    let role = manifest.servers.first().map_or(Role::Bootstrap, |(role, _)| *role);
    let path = folder.join(Files::of(role).list);
    let holds = if manifest.mode == Mode::Psk { Holds::Secrets } else { Holds::NoSecrets };
    let list = List::parse(&path.display().to_string(), &read_text(&path, holds)?)?;
    manifest.names = list.endpoints().to_vec();
    Ok(manifest)
}

/// Reads what is wanted out of a folder.
///
/// # Errors
/// That a file cannot be read, that others can read a secret, that the folder has not what is wanted, or that what
/// it has does not fit together.
pub fn read(folder: &Path, manifest: &Manifest, wanted: &Wanted) -> Result<Store, FilesError> {
    let wrong = |problem: String| FilesError::content(folder.join(Files::MANIFEST), problem);
    if wanted.names.meters() > manifest.meters {
        return Err(wrong(format!(
            "is for {} meters, and {} are wanted",
            manifest.meters,
            wanted.names.meters()
        )));
    }
    let mut material = Vec::new();
    for server in &wanted.servers {
        if server.mode != manifest.mode {
            let (has, wants, role) = (manifest.mode.name(), server.mode.name(), server.role);
            return Err(wrong(format!("has credentials of mode {has}, and server {role} wants {wants}")));
        }
        material.push(match server.mode {
            Mode::Psk => Material::Derived(super::read_master(&folder.join(Files::MASTER))?),
            Mode::X509 => self::server(folder, server, wanted)?,
        });
    }
    Ok(Store::of(wanted, material)?)
}

/// The certificates of the meters for one server, and of the server.
fn server(folder: &Path, server: &WantedServer, wanted: &Wanted) -> Result<Material, FilesError> {
    let files = Files::of(server.role);
    let anchor_path = folder.join(Files::AUTHORITY);
    let anchors = certificates(&anchor_path, &read_bytes(&anchor_path, Holds::NoSecrets)?)?;
    if anchors.is_empty() {
        return Err(FilesError::content(&anchor_path, "holds no certificate"));
    }
    // Verification takes trust anchors as they are (RFC 5280 §6.1.1): nobody else would look at the date.
    if anchors.iter().any(|anchor| ended_before(anchor, wanted.now)) {
        return Err(FilesError::content(&anchor_path, "has expired, and so has what it signed"));
    }
    let [own, own_key] = [&files.own, &files.own_key].map(|name| folder.join(name));
    let mut own = by_name(pairs(&own, &own_key)?, server, wanted)?;
    // Whoever took the authority's key away wants no more certificates made.
    let key_path = folder.join(Files::AUTHORITY_KEY);
    if wanted.faults.is_some() && key_path.exists() {
        let keys = private_keys(&key_path, &read_bytes(&key_path, Holds::Secrets)?)?;
        let both = anchors.first().zip(keys.first());
        let authority = both.map(|(anchor, key)| Authority::read(anchor, key)).transpose()?;
        spoil(wanted, server, &mut own, authority.as_ref())?;
    } else {
        spoil(wanted, server, &mut own, None)?;
    }
    let [path, key_path] = [&files.server, &files.server_key].map(|name| folder.join(name));
    let (own_server, certificate) = if server.embedded {
        let pair = pairs(&path, &key_path)?.into_iter().next();
        let Own { certificate, key } =
            pair.ok_or_else(|| FilesError::content(&path, "holds no certificate"))?;
        carries(&certificate, &server.names).map_err(|problem| FilesError::content(&path, problem))?;
        (Some(Certificate { chain: vec![certificate.clone()], key }), Some(certificate))
    } else {
        let known = path.exists().then(|| read_bytes(&path, Holds::NoSecrets)).transpose()?;
        let known = known.map(|bytes| certificates(&path, &bytes)).transpose()?;
        (None, known.and_then(|chain| chain.into_iter().next()))
    };
    let known = ServerMaterial { own: own_server, certificate, anchors, ..ServerMaterial::default() };
    Ok(Material::Certificates { own, server: known })
}

/// The certificates of a bundle with their keys out of another.
fn pairs(path: &Path, key_path: &Path) -> Result<Vec<Own>, FilesError> {
    let found = certificates(path, &read_bytes(path, Holds::NoSecrets)?)?;
    let keys = private_keys(key_path, &read_bytes(key_path, Holds::Secrets)?)?;
    if found.len() != keys.len() {
        let problem = format!("holds {} keys for {} certificates", keys.len(), found.len());
        return Err(FilesError::content(key_path, problem));
    }
    let pairs = found.into_iter().zip(&keys).enumerate().map(|(number, (certificate, key))| {
        let key = checked_key(&certificate, key)
            .map_err(|problem| FilesError::content(key_path, format!("key {number} {problem}")))?;
        Ok(Own { certificate, key })
    });
    pairs.collect()
}

/// The certificates of the wanted meters, in their order. Most often it is that of the bundle.
fn by_name(all: Vec<Own>, server: &WantedServer, wanted: &Wanted) -> Result<Vec<Own>, FilesError> {
    let names: Vec<String> = all.iter().map(|own| common_name(&own.certificate)).collect();
    let mut places: Option<FxHashMap<&str, usize>> = None;
    let meters = (0..wanted.names.meters()).map(|number| {
        let name = wanted.names.name(number);
        let mut place = Some(number as usize).filter(|place| names.get(*place) == Some(&name));
        if place.is_none() {
            let places = places
                .get_or_insert_with(|| (0..).zip(&names).map(|(at, name)| (name.as_str(), at)).collect());
            place = places.get(name.as_str()).copied();
        }
        let missing =
            || MakeError::NoneFor { number, endpoint: name.clone(), server: server.role.to_string() };
        Ok(all[place.ok_or_else(missing)?].clone())
    });
    meters.collect()
}

/// Whether a certificate was valid until some time before `now`, in seconds since 1970-01-01 UTC.
fn ended_before(certificate: &[u8], now: u64) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0) < now)
}

/// Whose certificate it is; empty if it does not say.
fn common_name(certificate: &[u8]) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return String::new() };
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().to_owned()
}

/// Whether a certificate carries all the names and addresses its server is met under.
fn carries(certificate: &[u8], names: &[String]) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "is no certificate")?;
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let carried: Vec<String> = alternative.map_or_else(Vec::new, |alternative| {
        let names = alternative.value.general_names.iter();
        names
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            })
            .collect()
    });
    match names.iter().find(|name| !carried.contains(name)) {
        Some(missing) => Err(format!(
            "is not for {missing}, where the server is met; make the folder anew with --name {missing}"
        )),
        None => Ok(()),
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}
