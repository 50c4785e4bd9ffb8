//! A resolved scenario as TOML: the file kept with the results, which replays the run.

use crate::fleet::arrivals::{Pace, Process};

use super::raw::{Raw, RawArrivals, RawCoap, RawEmbedded, RawFleet, RawLocal, RawRetry, RawRun, RawServers};
use super::resolved::{Goal, Scenario, ServerChoice};

impl Scenario {
    /// The scenario with every value spelled out; loading it gives the same scenario, on any machine.
    pub fn to_toml(&self) -> String {
        toml::to_string(&raw(self)).expect("strings, numbers and tables are TOML")
    }
}

fn raw(scenario: &Scenario) -> Raw {
    let Scenario { name, description, allow_remote, fleet, arrivals, run, servers, coap, retry, local } =
        scenario;
    let (rate, over) = match arrivals.pace {
        Pace::Rate(rate) => (Some(rate), None),
        Pace::Over(span) => (None, Some(span)),
    };
    Raw {
        name: Some(name.clone()),
        description: Some(description.clone()),
        allow_remote: Some(*allow_remote),
        fleet: RawFleet {
            meters: Some(fleet.meters.into()),
            endpoint: Some(fleet.endpoint.to_string()),
            lwm2m: Some(fleet.version().to_owned()),
            lifetime: Some(fleet.lifetime),
            hold_off: Some(fleet.hold_off),
        },
        arrivals: RawArrivals { rate, over, process: Some(process(arrivals.process).to_owned()) },
        run: RawRun {
            hold: Some(run.hold),
            settle: Some(run.settle),
            drain: Some(run.drain),
            goal: Some(goal(run.goal)),
            seed: Some(i64::try_from(run.seed.0).expect("seeds are checked to be below 2^63")),
            shards: Some(run.shards.into()),
        },
        servers: RawServers {
            bootstrap: Some(server(&servers.bootstrap)),
            ems: Some(server(&servers.ems)),
            embedded: RawEmbedded {
                bootstrap_listen: Some(servers.embedded.bootstrap_listen.to_string()),
                ems_listen: Some(servers.embedded.ems_listen.to_string()),
                short_server_id: Some(servers.embedded.short_server_id.into()),
                workers: Some(servers.embedded.workers.into()),
            },
        },
        coap: RawCoap {
            ack_timeout: Some(coap.ack_timeout),
            ack_random_factor: Some(coap.ack_random_factor),
            max_retransmit: Some(coap.max_retransmit.into()),
            nstart: Some(coap.nstart.into()),
            block_size: Some(coap.block_size.into()),
        },
        retry: RawRetry {
            retry_count: Some(retry.retry_count.into()),
            retry_timer: Some(retry.retry_timer),
            sequence_delay: Some(retry.sequence_delay),
            sequence_count: Some(retry.sequence_count.into()),
            bootstrap_initial: Some(retry.bootstrap_initial),
            bootstrap_max: Some(retry.bootstrap_max),
        },
        local: RawLocal {
            addresses: Some(local.addresses.iter().map(ToString::to_string).collect()),
            ports: Some(format!("{}-{}", local.ports.first, local.ports.last)),
        },
    }
}

fn process(process: Process) -> &'static str {
    match process {
        Process::Steady => "steady",
        Process::Poisson => "poisson",
    }
}

fn goal(goal: Goal) -> String {
    match goal {
        Goal::All => "all".to_owned(),
        Goal::Share(share) => share.to_string(),
    }
}

fn server(server: &ServerChoice) -> String {
    match server {
        ServerChoice::Embedded => "embedded".to_owned(),
        ServerChoice::External(uri) => uri.to_string(),
    }
}
