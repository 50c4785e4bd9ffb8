//! `[servers]` as TOML.

use std::collections::BTreeMap;

use crate::base::Span;
use crate::protocol::lwm2m::{Entry, Value};
use crate::protocol::server::{Action, Campaign, EndpointPattern, Initiative, PackAnswer};
use crate::scenario::raw::{
    RawAccount, RawBootstrapServer, RawCampaign, RawEmbedded, RawEmsServer, RawInitiative, RawManners,
    RawPlan, RawServers, RawService, Resources,
};
use crate::scenario::resolve::{DELIVERIES, FORMATS, LEVELS, action_name, question_name, step_name};
use crate::scenario::resolved::{
    Account, BootstrapServer, BootstrapTerms, EmsCampaign, EmsServer, Manners, PlanFor, ServerChoice,
    Servers, Service,
};
use crate::scenario::resource::to_toml;

use super::name;

pub(super) fn raw(servers: &Servers) -> RawServers {
    let Servers { bootstrap, ems, accounts, embedded, bootstrap_server: bs, ems_server: ems_how } = servers;
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
        ems_server: self::ems_server(ems_how),
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
    let BootstrapServer { endpoints, terms, plans, directory, patience, initiative, service: how } = server;
    let plain = plan(endpoints, terms);
    RawBootstrapServer {
        endpoints: plain.endpoints,
        directory: directory.clone(),
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

fn ems_server(server: &EmsServer) -> RawEmsServer {
    let EmsServer { versions, refuse, profile_ids, interview, awake, max_waiting, campaigns, service: how } =
        server;
    RawEmsServer {
        versions: Some(format!("{}-{}", versions.0, versions.1)),
        refuse: Some(refuse.iter().map(ToString::to_string).collect()),
        profile_ids: Some(*profile_ids),
        // What it stands for is among the questions.
        interview: Some("off".to_owned()),
        questions: Some(interview.questions().iter().map(question_name).collect()),
        awake: *awake,
        max_waiting: Some((*max_waiting).into()),
        service: service(how),
        manners: manners(&how.manners),
        campaign: campaigns.iter().map(campaign).collect(),
    }
}

fn campaign(told: &EmsCampaign) -> RawCampaign {
    let EmsCampaign { server, campaign } = told;
    let Campaign { action, start, rate, share, repeat } = campaign;
    let plain = RawCampaign {
        action: Some(action_name(action)),
        server: Some((*server).into()),
        start: Some(Span(*start)),
        rate: Some(*rate),
        share: *share,
        repeat: repeat.map(Span),
        ..RawCampaign::default()
    };
    match action {
        Action::Write(_, value) => RawCampaign { value: Some(to_toml(value)), ..plain },
        Action::Firmware(firmware) => RawCampaign {
            version: Some(firmware.version.to_string()),
            size: Some(firmware.size.into()),
            delivery: Some(name(&DELIVERIES, firmware.delivery)),
            poll: Some(Span(firmware.poll)),
            limit: Some(Span(firmware.limit)),
            ..plain
        },
        _ => plain,
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
