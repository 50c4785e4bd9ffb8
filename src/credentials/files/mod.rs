//! Credentials in files: the one part of the room that touches the file system.
//!
//! A folder that [`provision`] wrote holds everything that a fleet and its servers need:
//!
//! | file | what |
//! |---|---|
//! | `manifest.toml` | what the folder is: version, mode, meters, names, servers; written last |
//! | `master.secret` | what all pre-shared keys are derived from |
//! | `ca.pem`, `ca.key.pem` | the authority of all certificates |
//! | `meters.csv`, `meters.jsonl` | the meters' accounts with the Bootstrap-Server, as a list that can be imported, and as the resources of /0 |
//! | `meters.pem`, `meters.key.pem` | their certificates, in the order of their numbers |
//! | `ems-101.csv`, and so on | the same for each LwM2M server, by its Short Server ID |
//! | `bootstrap-server.pem`, `bootstrap-server.key.pem`, `ems-server-101.pem`, and so on | the servers' certificates |
//!
//! The folder and whatever in it holds a secret can be read by its owner alone; where that is not so any more, the
//! secret is not read.

mod folder;
mod guarded;
mod import;
mod make;
mod write;

use std::path::PathBuf;

use super::{ListError, MakeError};

pub use folder::{Manifest, manifest, read};
pub use guarded::{read_key, read_master};
pub use import::{import, list};
pub use make::{count as certificates_of, make};
pub use write::{Order, provision};

/// Why files with credentials could not be read or written. No word of what is in them.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The system said no.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system said no to something that was to be written.
    #[error("{path}: cannot be written: {error}", path = path.display())]
    Unwritable {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others can read a file that holds secrets.
    #[error("{path}: its permissions are {mode:04o}, so others than its owner can read the secrets in it", path = path.display())]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder to write to holds something.
    #[error("{path}: is there already and not empty", path = .0.display())]
    NotEmpty(PathBuf),
    /// A file does not hold what it should.
    #[error("{path}: {problem}", path = path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A mistake in a list.
    #[error(transparent)]
    List(#[from] ListError),
    /// Something could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
}

impl FilesError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            FilesError::File { .. } => {
                "name a folder that `bootstorm provision` made, or a list that is there"
            }
            FilesError::Unwritable { .. } => {
                "name a new folder in one that is there, can be written and has room"
            }
            FilesError::TooOpen { .. } => "take the permissions of others away: chmod 600 (700 for a folder)",
            FilesError::NotEmpty(_) => {
                "name a folder that is not there yet, or is empty: nothing is overwritten"
            }
            FilesError::Content { .. } => "make the folder anew with `bootstorm provision`, or mend the file",
            FilesError::List(_) => {
                "columns are endpoint, server, mode, identity, key, certificate and certificate_key"
            }
            FilesError::Make(_) => "see what the scenario asks for with `bootstorm check`",
        }
    }

    fn content(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        FilesError::Content { path: path.into(), problem: problem.into() }
    }
}

#[cfg(test)]
mod tests;
