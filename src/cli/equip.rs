//! Credentials for a scenario: read from a folder or a list, or made for the run.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::RunError;
use crate::base::Clock;
use crate::credentials::{FilesError, List, Role, Wanted, files};
use crate::scenario::{Holders, Part, Scenario, Source};
use crate::secure::Psk;

/// Certificates that take a moment to make; fewer are made at once.
const A_MOMENT: u64 = 200;

impl From<FilesError> for RunError {
    fn from(error: FilesError) -> Self {
        RunError::input(error.to_string(), error.help())
    }
}

/// Where credentials are to be taken from, as it stands on the command line: a folder, or else a list.
pub(super) fn source(path: &Path) -> Source {
    let name = absolute(path).display().to_string();
    if path.is_dir() { Source::Folder(name) } else { Source::List(name) }
}

/// Gives a scenario its credentials. What it names lies beside it, in `folder`. Without `make`, what would be made
/// for the run is left out, for those who only look.
pub(super) fn equip(scenario: Scenario, folder: &Path, part: Part, make: bool) -> Result<Scenario, RunError> {
    let now = Clock::start().origin_unix().as_secs();
    match scenario.security.source.clone() {
        Source::RunLocal => {
            let Some(wanted) = scenario.wanted_credentials(part, now)?.filter(|_| make) else {
                return Ok(scenario);
            };
            let bar = bar(certificates(&wanted));
            let made = files::make(&wanted, &|more| bar.inc(more));
            bar.finish_and_clear();
            let failed = |error: FilesError| RunError::environment(error.to_string(), error.help());
            Ok(scenario.with_credentials(made.map_err(failed)?))
        }
        Source::Folder(name) => from_folder(scenario, &absolute(&folder.join(name)), part, now),
        Source::List(name) => {
            let path = absolute(&folder.join(name));
            let list = files::list(&path)?;
            from_list(scenario, &path, folder, &list, part, now)
        }
    }
}

/// Gives the one meter of a scenario this key for its server.
pub(super) fn equip_one(scenario: Scenario, role: Role, psk: Psk) -> Result<Scenario, RunError> {
    let list = List::of_one(&scenario.fleet.endpoint.name(0), role, psk);
    let scenario = scenario.with_source(Source::List("--psk-key-file".to_owned()))?;
    from_list(scenario, Path::new("--psk-key-file"), Path::new(""), &list, Part::Meters, 0)
}

fn from_folder(mut scenario: Scenario, path: &Path, part: Part, now: u64) -> Result<Scenario, RunError> {
    let manifest = files::manifest(path)?;
    // As the results keep it, so that the run can be done again from elsewhere.
    scenario.security.source = Source::Folder(path.display().to_string());
    let holders = Holders {
        file: path.display().to_string(),
        meters: manifest.meters,
        template: manifest.endpoint.clone(),
        names: manifest.names.clone(),
        modes: manifest.servers.iter().map(|(role, _)| (*role, manifest.mode)).collect(),
    };
    let scenario = scenario.held_by(holders, part)?;
    let Some(wanted) = scenario.wanted_credentials(part, now)? else { return Ok(scenario) };
    let store = files::read(path, &manifest, &wanted)?;
    Ok(scenario.with_credentials(store))
}

fn from_list(
    mut scenario: Scenario,
    path: &Path,
    folder: &Path,
    list: &List,
    part: Part,
    now: u64,
) -> Result<Scenario, RunError> {
    scenario.security.source = Source::List(path.display().to_string());
    let trust: Option<PathBuf> = scenario.security.trust.as_ref().map(|name| absolute(&folder.join(name)));
    scenario.security.trust = trust.as_ref().map(|path| path.display().to_string());
    let roles = std::iter::once(Role::Bootstrap)
        .chain(scenario.servers.accounts.iter().map(|account| Role::Server(account.short_server_id)));
    let modes = roles.filter_map(|role| Some((role, list.mode(role)?))).collect();
    let holders = Holders {
        file: path.display().to_string(),
        meters: u32::try_from(list.endpoints().len()).unwrap_or(u32::MAX),
        template: None,
        names: list.endpoints().to_vec(),
        modes,
    };
    let scenario = scenario.held_by(holders, part)?;
    let Some(wanted) = scenario.wanted_credentials(part, now)? else { return Ok(scenario) };
    let bar = bar(certificates(&wanted));
    let store = files::import(path, list, trust.as_deref(), &wanted, &|more| bar.inc(more));
    bar.finish_and_clear();
    Ok(scenario.with_credentials(store?))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn certificates(wanted: &Wanted) -> u64 {
    files::certificates_of(wanted)
}

/// A bar for so many certificates, on a terminal and where there is time to see it.
pub(super) fn bar(count: u64) -> ProgressBar {
    if count < A_MOMENT || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("making certificates  {bar:30}  {human_pos} of {human_len}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
