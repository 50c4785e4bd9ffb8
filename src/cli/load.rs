//! The arguments that name a scenario, and reading it with the files it names.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::scenario::{self, Overrides, Part, Scenario};

use super::equip::{equip, source};
use super::exit::RunError;

/// Which scenario, and what to change in it.
#[derive(Args, Clone, Debug, Default)]
pub struct ScenarioArgs {
    /// Scenario file (TOML); left out: the built-in quickstart
    pub scenario: Option<PathBuf>,

    /// Provisioning file (TOML or CSV), one row a meter: endpoint names, Bootstrap-Servers, keys and
    /// other resources
    #[arg(long, value_name = "FILE")]
    pub provision: Option<PathBuf>,

    /// Credentials: a folder that `bootstorm provision` made, or a list (CSV: endpoint, server, mode,
    /// identity, key, certificate, certificate_key)
    #[arg(long, value_name = "DIR|FILE")]
    pub credentials: Option<PathBuf>,

    /// Set one key of the scenario, over the file; may be repeated
    #[arg(long, value_name = "PATH.TO.KEY=VALUE")]
    pub set: Vec<String>,

    /// Seed of all randomness in the run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl ScenarioArgs {
    /// Reads and resolves the scenario, fits its meters with what the files it names have for them, and gives it the
    /// credentials this part of it needs.
    pub fn load(self, part: Part) -> Result<Scenario, RunError> {
        self.equipped(part, true)
    }

    /// The same for whoever only looks: nothing is made.
    pub fn look(self) -> Result<Scenario, RunError> {
        self.equipped(Part::Run, false)
    }

    fn equipped(self, part: Part, make: bool) -> Result<Scenario, RunError> {
        let folder = self.folder();
        let scenario = self.load_bare()?;
        equip(scenario, &folder, part, make)
    }

    /// Files that a scenario names are looked for beside it.
    pub fn folder(&self) -> PathBuf {
        self.scenario.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    }

    /// The same without credentials.
    pub fn load_bare(self) -> Result<Scenario, RunError> {
        let folder = self.folder();
        let overrides = Overrides { set: self.set, seed: self.seed };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        let (name, text) = match &self.scenario {
            None => (scenario::QUICKSTART_NAME.to_owned(), scenario::QUICKSTART.to_owned()),
            Some(path) => {
                let help = "name a scenario file, or none to run the built-in quickstart";
                (path.display().to_string(), read(path, help, |bytes| String::from_utf8(bytes).ok())?)
            }
        };
        let mut scenario = scenario::load(&name, &text, &overrides, cores)?;
        let folder = folder.as_path();
        if let Some(path) = &self.credentials {
            scenario = scenario.with_source(source(path))?;
        }
        let named = scenario.provision.as_ref().map(|file| folder.join(file));
        if let Some(file) = self.provision.or(named) {
            // As the results keep it, so that the run can be done again from elsewhere.
            let file = std::path::absolute(&file).unwrap_or(file);
            scenario = provision(scenario, &file)?;
        }
        scenario = directory(scenario, folder)?;
        cards(scenario, folder)
    }
}

fn provision(mut scenario: Scenario, file: &Path) -> Result<Scenario, RunError> {
    let help = "name a provisioning file with --provision, or with the key provision of the scenario";
    let text = read(file, help, |bytes| String::from_utf8(bytes).ok())?;
    let name = file.display().to_string();
    scenario.provision = Some(name.clone());
    Ok(scenario.provisioned(&name, &text)?)
}

fn directory(mut scenario: Scenario, folder: &Path) -> Result<Scenario, RunError> {
    let Some(file) = scenario.servers.bootstrap_server.directory.take() else { return Ok(scenario) };
    let file = folder.join(file);
    let file = std::path::absolute(&file).unwrap_or(file);
    let help = "name a file beside the scenario with servers.bootstrap_server.directory";
    let text = read(&file, help, |bytes| String::from_utf8(bytes).ok())?;
    let name = file.display().to_string();
    // As the results keep it.
    scenario.servers.bootstrap_server.directory = Some(name.clone());
    Ok(scenario.directed(&name, &text)?)
}

fn cards(mut scenario: Scenario, folder: &Path) -> Result<Scenario, RunError> {
    let files = scenario.card_files();
    if files.is_empty() {
        return Ok(scenario);
    }
    let help = "bootstrap.card.file needs a file for each meter; bootstrap.card.missing takes cards away";
    let contents = files.iter().map(|file| read(&folder.join(file), help, Some));
    let contents = contents.collect::<Result<Vec<_>, _>>()?;
    scenario = scenario.carded(contents)?;
    // As the results keep it, unless the folder's own name stands in the way.
    let file = scenario.bootstrap.card.file.as_ref().map(|file| folder.join(file.to_string()));
    let file = file.and_then(|file| std::path::absolute(file).ok()?.to_str()?.parse().ok());
    scenario.bootstrap.card.file = file.or(scenario.bootstrap.card.file);
    Ok(scenario)
}

fn read<T>(path: &Path, help: &str, take: impl Fn(Vec<u8>) -> Option<T>) -> Result<T, RunError> {
    let name = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| RunError::input(format!("{name}: cannot be read: {error}"), help))?;
    take(bytes).ok_or_else(|| RunError::input(format!("{name}: cannot be read: it is not UTF-8"), help))
}
