//! Credentials as `bootstorm provision` makes them, and as other programs want them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::process::bootstorm;

/// Name of the first meter of a folder.
pub const METER: &str = "urn:dev:os:meter-0000000";

/// A folder that `bootstorm provision` made for a few meters at 127.0.0.1.
pub struct Keys {
    folder: TempDir,
}

impl Keys {
    /// By `psk` or `x509`.
    pub fn provision(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys { folder };
        let made = bootstorm("provision").args(&["--meters", "5", "--mode", mode, "--out"]);
        made.arg(keys.folder()).finish().expect_code(0);
        keys
    }

    /// The folder itself.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// One of the folder's files, for a command line.
    pub fn file(&self, name: &str) -> String {
        text(&self.folder().join(name))
    }

    /// The first meter's key for the Bootstrap-Server, in hex.
    pub fn key(&self) -> String {
        let list = fs::read_to_string(self.file("meters.csv")).expect("a list");
        let row = list.lines().find_map(|line| line.strip_prefix(METER)).expect("a row");
        row.rsplit(',').next().expect("a key").to_owned()
    }

    /// The first meter's certificate and private key: `meters` for the Bootstrap-Server, `ems-101` for the EMS.
    pub fn certificate(&self, list: &str) -> [String; 2] {
        ["pem", "key.pem"].map(|kind| {
            let all = fs::read_to_string(self.file(&format!("{list}.{kind}"))).expect("they are there");
            let end = all.find("-----END").expect("PEM");
            let line = all[end..].find('\n').map_or(all.len(), |line| end + line + 1);
            self.keep(&format!("first-{list}.{kind}"), &all[..line])
        })
    }

    /// The certificate and the key of a server in one file.
    pub fn server(&self, name: &str) -> String {
        let parts = ["pem", "key.pem"]
            .map(|kind| fs::read_to_string(self.file(&format!("{name}.{kind}"))).expect("they are there"));
        self.keep(&format!("both-{name}.pem"), &parts.concat())
    }

    /// The setting that gives a scenario these credentials.
    pub fn setting(&self) -> String {
        format!("security.credentials={}", text(&self.folder()))
    }

    fn keep(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("writable");
        text(&path)
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}
