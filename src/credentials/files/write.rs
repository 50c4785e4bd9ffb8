//! Writing a folder: what the meters hold, and what the servers under test need to know them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize as _, Zeroizing};

use super::folder::{Files, Manifest};
use super::guarded::{Holds, create, create_folder};
use super::{FilesError, make};
use crate::credentials::master::hex;
use crate::credentials::store::{Maker, Own};
use crate::credentials::{Master, Mode, Role, Store, Wanted, WantedServer, pem};
use crate::protocol::lwm2m::Value;

/// What to provision.
#[derive(Clone, Debug)]
pub struct Order {
    /// The meters and their servers, all in one mode; nothing of it is to be bad.
    pub wanted: Wanted,
    /// How they prove themselves.
    pub mode: Mode,
    /// The template of the endpoint names; none where they follow no template.
    pub endpoint: Option<String>,
    /// Where each of the servers is, in the order of `wanted`.
    pub uris: Vec<String>,
    /// A master secret to use again.
    pub master: Option<Master>,
}

impl Order {
    /// How many certificates have to be made for meters.
    pub fn certificates(&self) -> u64 {
        make::count(&self.wanted)
    }
}

/// Writes a folder with the credentials of a fleet. `progress` is told, from any thread, how many more certificates
/// there are.
///
/// # Errors
/// That the folder is there and not empty, or that something cannot be made or written. What was written until
/// then stays, without a manifest.
pub fn provision(folder: &Path, order: &Order, progress: &(dyn Fn(u64) + Sync)) -> Result<(), FilesError> {
    create_folder(folder)?;
    let Order { wanted, mode, endpoint, uris, master } = order;
    let maker = Maker::new(wanted, master.clone(), None)?;
    let certificates = make::certificates(&maker, wanted, progress)?;
    let store = maker.store(certificates.clone())?;
    let folder = Folder { path: folder, order, store: &store };
    if let Some(master) = maker.master() {
        folder.whole(
            Files::MASTER,
            Holds::Secrets,
            &Zeroizing::new(format!("{}\n", master.to_hex().as_str())),
        )?;
    }
    if let Some(authority) = maker.authority() {
        folder.pem(Files::AUTHORITY, Holds::NoSecrets, pem::CERTIFICATE, [&**authority.certificate()])?;
        folder.pem(Files::AUTHORITY_KEY, Holds::Secrets, pem::PRIVATE_KEY, [authority.key().expose()])?;
    }
    let mut certificates = certificates.iter();
    for (server, uri) in wanted.servers.iter().zip(uris) {
        let own = match server.mode {
            Mode::Psk => None,
            Mode::X509 => certificates.next(),
        };
        folder.server(server, uri, own)?;
    }
    let servers = wanted.servers.iter().zip(uris).map(|(server, uri)| (server.role, uri.clone())).collect();
    let manifest = Manifest {
        mode: *mode,
        meters: wanted.names.meters(),
        endpoint: endpoint.clone(),
        names: Vec::new(),
        servers,
        made: wanted.now,
    };
    folder.whole(Files::MANIFEST, Holds::NoSecrets, &manifest.to_toml())
}

/// The folder being written.
struct Folder<'a> {
    path: &'a Path,
    order: &'a Order,
    store: &'a Store,
}

impl Folder<'_> {
    /// Everything of one server: its own certificate, and the meters' accounts with it.
    fn server(&self, server: &WantedServer, uri: &str, own: Option<&Vec<Own>>) -> Result<(), FilesError> {
        let files = Files::of(server.role);
        if let Some(certificate) = self.store.server(server.role).and_then(|server| server.certificate) {
            let chain = certificate.chain.iter().map(|one| &**one);
            self.pem(&files.server, Holds::NoSecrets, pem::CERTIFICATE, chain)?;
            self.pem(&files.server_key, Holds::Secrets, pem::PRIVATE_KEY, [certificate.key.expose()])?;
        }
        if let Some(own) = own {
            let certificates = own.iter().map(|own| &*own.certificate);
            self.pem(&files.own, Holds::NoSecrets, pem::CERTIFICATE, certificates)?;
            self.pem(
                &files.own_key,
                Holds::Secrets,
                pem::PRIVATE_KEY,
                own.iter().map(|own| own.key.expose()),
            )?;
        }
        let holds = if server.mode == Mode::Psk { Holds::Secrets } else { Holds::NoSecrets };
        self.lines(&files.list, holds, |line, number| self.csv(line, number, server.role, &files))?;
        self.lines(&files.accounts, Holds::Secrets, |line, number| self.json(line, number, server.role, uri))
    }

    /// The header, and the row of each meter.
    fn csv(&self, line: &mut String, number: Option<u32>, role: Role, files: &Files) {
        let of_keys = self.order.mode == Mode::Psk;
        let Some(number) = number else {
            let columns = if of_keys { "identity,key" } else { "certificate,certificate_key" };
            *line += &format!("endpoint,server,mode,{columns}\n");
            return;
        };
        let endpoint = quoted(&self.order.wanted.names.name(number));
        *line += &format!("{endpoint},{role},{},", self.order.mode.name());
        if !of_keys {
            *line += &format!("{}#{number},{}#{number}\n", files.own, files.own_key);
            return;
        }
        let resources = self.store.resources(role, number).unwrap_or_default();
        let bytes = |id| resources.iter().find_map(|(other, value)| opaque(value).filter(|_| *other == id));
        *line += &quoted(&String::from_utf8_lossy(bytes(3).unwrap_or_default()));
        line.push(',');
        *line += &hex(bytes(5).unwrap_or_default());
        line.push('\n');
    }

    /// The account of a meter, as the resources of its Security object; opaque ones in base64.
    fn json(&self, line: &mut String, number: Option<u32>, role: Role, uri: &str) {
        let Some(number) = number else { return };
        let text = |text: &str| serde_json::Value::from(text).to_string();
        *line += &format!("{{\"endpoint\":{}", text(&self.order.wanted.names.name(number)));
        *line += &format!(",\"server\":{},\"uri\":{}", text(&role.to_string()), text(uri));
        for (id, value) in self.store.resources(role, number).unwrap_or_default() {
            let Some((_, name)) = RESOURCES.iter().find(|(known, _)| *known == id) else { continue };
            *line += &format!(",\"{name}\":");
            match &value {
                Value::Opaque(bytes) => {
                    line.push('"');
                    STANDARD.encode_string(bytes, line);
                    line.push('"');
                }
                Value::Integer(number) => *line += &number.to_string(),
                Value::Unsigned(number) => *line += &number.to_string(),
                other => *line += &text(other.as_str().unwrap_or_default()),
            }
        }
        *line += "}\n";
    }

    /// A file of a line for nobody, which may be a header, and one for each meter.
    fn lines(
        &self,
        name: &str,
        holds: Holds,
        write: impl Fn(&mut String, Option<u32>),
    ) -> Result<(), FilesError> {
        let numbers = (0..self.order.wanted.names.meters()).map(Some);
        self.file(name, holds, |out| {
            let mut line = Zeroizing::new(String::with_capacity(4_096));
            for number in std::iter::once(None).chain(numbers) {
                write(&mut line, number);
                out.write_all(line.as_bytes())?;
                line.zeroize();
            }
            Ok(())
        })
    }

    fn pem<'a>(
        &self,
        name: &str,
        holds: Holds,
        label: &str,
        ders: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), FilesError> {
        self.file(name, holds, |out| {
            let mut text = Zeroizing::new(String::with_capacity(4_096));
            for der in ders {
                pem::write(&mut text, label, der);
                out.write_all(text.as_bytes())?;
                text.zeroize();
            }
            Ok(())
        })
    }

    fn whole(&self, name: &str, holds: Holds, text: &str) -> Result<(), FilesError> {
        self.file(name, holds, |out| out.write_all(text.as_bytes()))
    }

    fn file(
        &self,
        name: &str,
        holds: Holds,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        let path: PathBuf = self.path.join(name);
        let mut out = BufWriter::with_capacity(1 << 16, create(&path, holds)?);
        let written = write(&mut out).and_then(|()| out.flush());
        written.map_err(|error| FilesError::Unwritable { path, error })
    }
}

/// What the resources of /0 are called in `.jsonl` files.
const RESOURCES: [(u16, &str); 7] = [
    (2, "security_mode"),
    (3, "public_key_or_identity"),
    (4, "server_public_key"),
    (5, "secret_key"),
    (13, "matching_type"),
    (14, "sni"),
    (15, "certificate_usage"),
];

fn opaque(value: &Value) -> Option<&[u8]> {
    if let Value::Opaque(bytes) = value { Some(bytes) } else { None }
}

/// A cell of a table (RFC 4180).
fn quoted(text: &str) -> String {
    let plain = !text.contains(['"', ',', '\n', '\r', '#']) && text.trim() == text;
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}
