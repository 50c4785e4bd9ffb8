//! Making certificates on all cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::FilesError;
use crate::credentials::store::{Maker, Own};
use crate::credentials::{MakeError, Mode, Store, Wanted};

/// Certificates a thread makes before it looks for more.
const AT_ONCE: u32 = 32;

/// Makes all that is wanted, on all cores. `progress` is told, from any thread, how many more certificates there
/// are.
///
/// # Errors
/// That there is no randomness, or that a name cannot be put into a certificate.
pub fn make(wanted: &Wanted, progress: &(dyn Fn(u64) + Sync)) -> Result<Store, FilesError> {
    let maker = Maker::new(wanted, None, None)?;
    Ok(maker.store(certificates(&maker, wanted, progress)?)?)
}

/// How many certificates of meters that will be.
pub fn count(wanted: &Wanted) -> u64 {
    let servers = wanted.servers.iter().filter(|server| server.mode == Mode::X509).count();
    servers as u64 * u64::from(wanted.names.meters())
}

/// The meters' certificates for each server that wants any.
pub(super) fn certificates(
    maker: &Maker<'_>,
    wanted: &Wanted,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Vec<Own>>, MakeError> {
    let servers = wanted.servers.iter().filter(|server| server.mode == Mode::X509);
    servers.map(|server| all(wanted.names.meters(), &|number| maker.own(server, number), progress)).collect()
}

/// What one turn of a thread has made: from which number on, and what.
type Batch = (u32, Result<Vec<Own>, MakeError>);

/// One for each number below `count`, in their order.
fn all(
    count: u32,
    one: &(dyn Fn(u32) -> Result<Own, MakeError> + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Own>, MakeError> {
    let (next, failed) = (AtomicU32::new(0), AtomicBool::new(false));
    let made: Mutex<Vec<Batch>> = Mutex::default();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            if first >= count {
                return;
            }
            let last = first.saturating_add(AT_ONCE).min(count);
            let part: Result<Vec<Own>, MakeError> = (first..last).map(one).collect();
            failed.fetch_or(part.is_err(), Ordering::Relaxed);
            progress(u64::from(last - first));
            made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((first, part));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 1..cores {
            scope.spawn(work);
        }
        work();
    });
    let mut parts = made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    parts.sort_unstable_by_key(|(first, _)| *first);
    let mut all = Vec::with_capacity(count as usize);
    for (_, part) in parts {
        all.extend(part?);
    }
    Ok(all)
}
