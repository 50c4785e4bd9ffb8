//! `[servers]` as TOML.

use std::collections::BTreeMap;

use crate::base::Span;
use crate::protocol::lwm2m::{Entry, Value};
use crate::protocol::server::{EndpointPattern, Initiative, PackAnswer};
use crate::scenario::raw::{
    RawAccount, RawBootstrapServer, RawEmbedded, RawEmsServer, RawInitiative, RawManners, RawPlan,
    RawServers, RawService, Resources,
};
use crate::scenario::resolve::{FORMATS, LEVELS, step_name};
use crate::scenario::resolved::{
    Account, BootstrapServer, BootstrapTerms, Manners, PlanFor, ServerChoice, Servers, Service,
};
use crate::scenario::resource::to_toml;

use super::name;

pub(super) fn raw(servers: &Servers) -> RawServers {
    let Servers { bootstrap, ems, accounts, embedded, bootstrap_server: bs, ems_service } = servers;
    RawServers {
        bootstrap: Some(server(bootstrap)),
        ems: Some(server(ems)),
        embedded: RawEmbedded {
            bootstrap_listen: Some(embedded.bootstrap_listen.to_string()),
            ems_listen: Some(embedded.ems_listen.to_string()),
            short_server_id: Some(embedded.short_server_id.into()),
            workers: Some(embedded.workers.into()),
        },
        bootstrap_server: bootstrap_server(bs),
        ems_server: RawEmsServer { service: service(ems_service), manners: manners(&ems_service.manners) },
        account: accounts.iter().map(account).collect(),
    }
}

fn server(server: &ServerChoice) -> String {
    match server {
        ServerChoice::Embedded => "embedded".to_owned(),
        ServerChoice::External(uri) => uri.to_string(),
        ServerChoice::Nobody => "none".to_owned(),
    }
}

fn account(account: &Account) -> RawAccount {
    let resource = |(id, value): &(u16, Value)| (id.to_string(), to_toml(value));
    RawAccount {
        server: Some(server(&account.server)),
        short_server_id: Some(account.short_server_id.into()),
        lifetime: Some(account.lifetime),
        priority: account.priority.map(i64::from),
        delay: account.delay,
        block: account.block,
        resources: account.resources.iter().map(resource).collect(),
    }
}

fn bootstrap_server(server: &BootstrapServer) -> RawBootstrapServer {
    let BootstrapServer { endpoints, terms, plans, patience, initiative, service: how } = server;
    let plain = plan(endpoints, terms);
    RawBootstrapServer {
        endpoints: plain.endpoints,
        sequence: plain.sequence,
        write: plain.write,
        format: plain.format,
        pack: plain.pack,
        command_timeout: patience.command.map(Span),
        session_timeout: patience.session.map(Span),
        extra: plain.extra,
        initiative: initiative
            .map(|Initiative { after, rate }| RawInitiative { after: Some(Span(after)), rate: Some(rate) }),
        service: service(how),
        manners: manners(&how.manners),
        plan: plans.iter().map(|PlanFor { endpoints, terms }| plan(endpoints, terms)).collect(),
    }
}

fn plan(endpoints: &[EndpointPattern], terms: &BootstrapTerms) -> RawPlan {
    let BootstrapTerms { accounts, sequence, write, format, pack, extra } = terms;
    RawPlan {
        endpoints: Some(endpoints.iter().map(ToString::to_string).collect()),
        accounts: Some(accounts.iter().map(|id| i64::from(*id)).collect()),
        sequence: Some(sequence.iter().map(|step| step_name(*step)).collect()),
        write: Some(name(&LEVELS, *write)),
        format: Some(format.map_or_else(|| "preferred".to_owned(), |format| name(&FORMATS, format))),
        pack: Some(match pack {
            PackAnswer::Pack => "pack".to_owned(),
            PackAnswer::Refusal(code) => code.to_string(),
        }),
        extra: resources(extra),
    }
}

fn resources(entries: &[Entry]) -> Resources {
    let resources: BTreeMap<_, _> =
        entries.iter().map(|entry| (entry.path.to_string(), to_toml(&entry.value))).collect();
    resources
}

fn service(service: &Service) -> RawService {
    let Some(pace) = &service.pace else { return RawService::default() };
    RawService {
        workers: Some(pace.workers.into()),
        time: Some(pace.time.to_string()),
        queue: Some(pace.queue.into()),
        max_age: Some(Span(pace.max_age)),
    }
}

fn manners(manners: &Manners) -> RawManners {
    RawManners {
        drop: Some(manners.drop),
        reset: Some(manners.reset),
        error: Some(manners.error),
        error_code: Some(manners.error_code.to_string()),
        unavailable: Some(manners.unavailable),
        max_age: Some(manners.max_age),
        late: Some(manners.late),
        late_by: Some(manners.late_by),
        duplicate: Some(manners.duplicate),
        other_port: Some(manners.other_port),
    }
}
