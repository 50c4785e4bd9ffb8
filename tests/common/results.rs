//! What runs and servers leave behind.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::{Process, bootstorm};

/// `report.json` of a run.
pub struct Report {
    pub json: Value,
}

impl Report {
    /// Reads it from a folder of results.
    #[track_caller]
    pub fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join("report.json")).expect("a report");
        Report { json: serde_json::from_slice(&text).expect("the report is JSON") }
    }

    /// What is at a JSON pointer.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {:#}", self.json))
    }

    /// The whole number at a JSON pointer.
    #[track_caller]
    pub fn figure(&self, pointer: &str) -> u64 {
        let value = self.at(pointer);
        value.as_u64().unwrap_or_else(|| panic!("{pointer} is {value}"))
    }

    /// The truth at a JSON pointer.
    #[track_caller]
    pub fn is(&self, pointer: &str) -> bool {
        let value = self.at(pointer);
        value.as_bool().unwrap_or_else(|| panic!("{pointer} is {value}"))
    }

    /// How often meters failed in this way.
    pub fn failures(&self, kind: &str) -> u64 {
        self.at("/failures").get(kind).map_or(0, |count| count.as_u64().expect("a count"))
    }

    /// Requires that every balance closes, those for information included, and that the states add up.
    #[track_caller]
    pub fn expect_balanced(&self) {
        let balances = self.at("/balances").as_object().expect("an object");
        assert!(balances.len() >= 9, "{balances:?}");
        for (name, balance) in balances {
            assert_eq!(balance["ok"], true, "{name}: {balance:#}");
        }
        let states = self.at("/fleet/states").as_object().expect("an object");
        let sum: u64 = states.values().map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(sum, self.figure("/fleet/meters"), "{states:?}");
    }
}

/// `bootstorm serve` in a process of its own.
pub struct Serving {
    pub process: Process,
    /// URI of the Bootstrap-Server.
    pub bootstrap: String,
    /// URI of the EMS.
    pub ems: String,
}

impl Serving {
    /// Starts both servers, on free ports if `set` gives no others.
    pub fn start(set: &[&str]) -> Self {
        let mut process = bootstorm("serve").set(set).start();
        let mut uri = |name: &str| {
            let line = process.await_line(name, |line| line.starts_with(name));
            line.split_whitespace().last().expect("a name and a URI").to_owned()
        };
        let (bootstrap, ems) = (uri("bootstrap"), uri("ems"));
        Serving { process, bootstrap, ems }
    }

    /// Where the Bootstrap-Server listens.
    pub fn bootstrap_address(&self) -> &str {
        host(&self.bootstrap)
    }

    /// Where the EMS listens.
    pub fn ems_address(&self) -> &str {
        host(&self.ems)
    }

    /// What they have counted, the next time they say so.
    pub fn await_counts(&mut self, what: &str, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let is_counts = |line: &str| Counts::parse(line).is_some_and(|counts| wanted(&counts));
        Counts::parse(&self.process.await_line(what, is_counts)).expect("it was parsed before")
    }

    /// Stops them; what they counted in all.
    pub fn stop(self) -> Counts {
        self.process.signal(Signal::SIGTERM);
        let ended = self.process.finish().expect_code(0);
        // What was out of the ordinary follows behind them.
        let last = ended.stdout.lines().rev().find_map(Counts::parse);
        last.unwrap_or_else(|| panic!("no counts at the end of\n{}", ended.stdout))
    }
}

fn host(uri: &str) -> &str {
    uri.split_once("://").expect("a URI").1
}

/// A line of counts of `bootstorm serve`.
#[derive(Debug)]
pub struct Counts {
    bootstrap: Vec<(String, u64)>,
    ems: Vec<(String, u64)>,
}

impl Counts {
    fn parse(line: &str) -> Option<Self> {
        let (bootstrap, ems) = line.split_once("  bootstrap: ")?.1.split_once("  ems: ")?;
        let figures = |list: &str| -> Option<Vec<(String, u64)>> {
            list.trim_end()
                .split(", ")
                .map(|item| {
                    let (count, name) = item.split_once(' ')?;
                    // What the kernel dropped stands behind the last count.
                    let name = name.split("  ").next()?;
                    Some((name.to_owned(), count.replace(',', "").parse().ok()?))
                })
                .collect()
        };
        Some(Counts { bootstrap: figures(bootstrap)?, ems: figures(ems)? })
    }

    /// A figure of the Bootstrap-Server.
    #[track_caller]
    pub fn bootstrap(&self, name: &str) -> u64 {
        find(&self.bootstrap, name)
    }

    /// A figure of the EMS.
    #[track_caller]
    pub fn ems(&self, name: &str) -> u64 {
        find(&self.ems, name)
    }
}

/// Most counts are always there; of these, only if there is something to count.
const ODD: [&str; 5] = ["failed", "refused", "expired", "sent again", "noise"];

#[track_caller]
fn find(figures: &[(String, u64)], name: &str) -> u64 {
    let found = figures.iter().find(|(known, _)| known == name).map(|(_, count)| *count);
    found.or(ODD.contains(&name).then_some(0)).unwrap_or_else(|| panic!("no {name} in {figures:?}"))
}
