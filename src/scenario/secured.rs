//! Fitting a scenario to the credentials there are: its meters' names, and how they prove themselves.

use std::sync::Arc;

use crate::base::text::{count, counted};
use crate::credentials::{Mode, Role};
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Scheme, Version};

use super::configs::Part;
use super::error::ScenarioError;
use super::resolved::{Scenario, Source};

/// Whose credentials there are, as far as a folder or a list says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holders {
    /// The folder or list, as errors call it.
    pub file: String,
    /// How many meters.
    pub meters: u32,
    /// The template of their names, if they follow one.
    pub template: Option<String>,
    /// Their names, in order, if they do not.
    pub names: Vec<Box<str>>,
    /// How they prove themselves to the servers there is something for.
    pub modes: Vec<(Role, Mode)>,
}

impl Scenario {
    /// Takes the credentials from there, whatever the file says.
    ///
    /// # Errors
    /// That no server is spoken to in security, so that they would serve for nothing.
    pub fn with_source(mut self, source: Source) -> Result<Self, ScenarioError> {
        let listening = [self.servers.embedded.bootstrap_listen, self.servers.embedded.ems_listen];
        let mut schemes = self.spoken_to().map(|(_, _, scheme)| scheme).chain(listening.map(|at| at.scheme));
        let secure = schemes.any(Scheme::is_secure);
        drop(schemes);
        if !secure {
            return Err(ScenarioError {
                origin: "--credentials".to_owned(),
                key: String::new(),
                value: None,
                problem: "no server of the scenario is spoken to by coaps:// or coaps+tcp://".to_owned(),
                hint:
                    "try --set servers.embedded.bootstrap_listen=coaps://127.0.0.1:0, and ems_listen likewise"
                        .to_owned(),
            });
        }
        self.security.source = source;
        Ok(self)
    }

    /// Fits the meters to those who hold credentials: they are called as those, unless they have names of their own
    /// already, and prove themselves as those, unless the scenario says how. Servers for a fleet elsewhere know all
    /// of them.
    ///
    /// # Errors
    /// That the scenario has more meters than there are holders, or that two have one name.
    pub fn held_by(mut self, holders: Holders, part: Part) -> Result<Self, ScenarioError> {
        let Holders { file, meters, template, names, modes } = holders;
        let refuse = |problem: String, hint: String| ScenarioError {
            origin: file.clone(),
            key: String::new(),
            value: None,
            problem,
            hint,
        };
        if part == Part::Servers {
            self.fleet.meters = meters.max(1);
        }
        if self.fleet.meters > meters {
            let problem = format!(
                "is for {}, and the scenario has {}",
                counted(meters, "meter"),
                count(self.fleet.meters)
            );
            return Err(refuse(problem, format!("set fleet.meters = {meters}, or provision more")));
        }
        if self.fleet.endpoint.listed(0).is_none() {
            if let Some(template) = template {
                let template = template.parse::<EndpointTemplate>();
                self.fleet.endpoint =
                    template.map_err(|error| refuse(error.to_string(), "mend the manifest".to_owned()))?;
            }
            self.fleet.endpoint = self.fleet.endpoint.with_listed(Arc::from(names));
        }
        if let Some((one, other)) = self.fleet.endpoint.first_shared(self.fleet.meters) {
            let problem = format!("meters {one} and {other} have the same endpoint name");
            return Err(refuse(problem, "give each a name of its own".to_owned()));
        }
        self.prove_by(&modes);
        Ok(self)
    }

    /// Proves by what there is, where the scenario leaves it open.
    fn prove_by(&mut self, modes: &[(Role, Mode)]) {
        let only = |mode: Mode| !modes.is_empty() && modes.iter().all(|(_, one)| *one == mode);
        // Over TLS there are certificates anyway.
        if self.security.mode.is_some() || !only(Mode::X509) {
            return;
        }
        self.security.mode = Some(Mode::X509);
        const TRUST_ANCHOR: u8 = 2;
        if self.security.usage.is_none() && self.fleet.lwm2m >= Version::V1_1 {
            self.security.usage = Some(TRUST_ANCHOR);
        }
    }
}
