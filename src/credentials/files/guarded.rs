//! Files that only their owner can read.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::FilesError;
use crate::credentials::Master;
use crate::credentials::list;
use crate::secure::Secret;

/// Permission bits of a folder, of a file that holds secrets, and of one that holds none.
const FOLDER: u32 = 0o700;
const SECRET: u32 = 0o600;
const PLAIN: u32 = 0o644;
/// The bits that let others in.
const OTHERS: u32 = 0o077;

/// Whether a file holds secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Secrets,
    NoSecrets,
}

/// Makes a folder for its owner alone; one that is there already must be empty.
pub(super) fn create_folder(path: &Path) -> Result<(), FilesError> {
    let failed = |error| FilesError::Unwritable { path: path.to_owned(), error };
    match DirBuilder::new().mode(FOLDER).recursive(false).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::read_dir(path).map_err(failed)?.next().is_some() {
                return Err(FilesError::NotEmpty(path.to_owned()));
            }
            fs::set_permissions(path, Permissions::from_mode(FOLDER)).map_err(failed)
        }
        made => made.map_err(failed),
    }
}

/// Makes a file that is not there yet, from its first moment with the permissions it is to have.
pub(super) fn create(path: &Path, holds: Holds) -> Result<File, FilesError> {
    let mode = if holds == Holds::Secrets { SECRET } else { PLAIN };
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    made.map_err(|error| FilesError::Unwritable { path: path.to_owned(), error })
}

/// The bytes of a file that may hold secrets: refused if it does and others than its owner can read it.
pub(super) fn read(path: &Path, holds: Holds) -> Result<Zeroizing<Vec<u8>>, FilesError> {
    let failed = |error| FilesError::File { path: path.to_owned(), error };
    // Of the file that is read, not of what may stand under its name a moment later.
    let mut file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let mode = about.mode() & 0o7777;
    if holds == Holds::Secrets && mode & OTHERS != 0 {
        return Err(FilesError::TooOpen { path: path.to_owned(), mode });
    }
    // Of its full length from the start, or growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0) + 1));
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The same as text.
pub(super) fn read_text(path: &Path, holds: Holds) -> Result<Zeroizing<String>, FilesError> {
    let bytes = read(path, holds)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| FilesError::content(path, "is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads a master secret: 64 hex digits in a file that its owner alone can read.
///
/// # Errors
/// That it cannot be read, that others can, or that it is none.
pub fn read_master(path: &Path) -> Result<Master, FilesError> {
    let text = read_text(path, Holds::Secrets)?;
    Master::from_hex(&text)
        .ok_or_else(|| FilesError::content(path, "is no master secret, which is 64 hex digits"))
}

/// Reads a pre-shared key: hex digits or base64 in a file that its owner alone can read.
///
/// # Errors
/// That it cannot be read, that others can, or that it is none.
pub fn read_key(path: &Path) -> Result<Secret, FilesError> {
    let text = read_text(path, Holds::Secrets)?;
    let key = list::bytes(&text).filter(|key| (1..=64).contains(&key.len()));
    let key = key.ok_or_else(|| FilesError::content(path, "is no key: 1 to 64 bytes in hex or base64"))?;
    Ok(Secret::new(key.as_slice()))
}
