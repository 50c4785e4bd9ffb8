//! A resolved scenario as TOML: the file kept with the results, which replays the run.

mod security;
mod servers;

use crate::base::Span;
use crate::fleet::arrivals::{Pace, Process};
use crate::protocol::client::{NoFinish, PackageFailure, Refusal, RegistrationPolicy, ReportPolicy};

use super::raw::{
    Raw, RawArrivals, RawBootstrap, RawCard, RawCoap, RawFailures, RawFirmware, RawFleet, RawLocal,
    RawNoFinish, RawReport, RawRetry, RawRun, RawSend,
};
use super::resolve::{CONFIRM, FORMATS, MODES, SEND_FORMATS};
use super::resolved::{Bootstrap, CardTerms, Firmware, Fleet, Goal, Scenario};

impl Scenario {
    /// The scenario with every value spelled out; loading it gives the same scenario, on any machine that has
    /// the files it names.
    pub fn to_toml(&self) -> String {
        toml::to_string(&raw(self)).expect("strings, numbers and tables are TOML")
    }
}

fn raw(scenario: &Scenario) -> Raw {
    let Scenario {
        name,
        description,
        allow_remote,
        provision,
        fleet,
        bootstrap,
        report,
        firmware,
        arrivals,
        run,
        servers,
        security,
        coap,
        retry,
        local,
        fitted: _,
    } = scenario;
    let (rate, over) = match arrivals.pace {
        Pace::Rate(rate) => (Some(rate), None),
        Pace::Over(span) => (None, Some(span)),
    };
    Raw {
        name: Some(name.clone()),
        description: Some(description.clone()),
        allow_remote: Some(*allow_remote),
        provision: provision.clone(),
        fleet: raw_fleet(fleet),
        bootstrap: raw_bootstrap(bootstrap),
        report: raw_report(report),
        firmware: raw_firmware(firmware),
        arrivals: RawArrivals { rate, over, process: Some(process(arrivals.process).to_owned()) },
        run: RawRun {
            hold: Some(run.hold),
            settle: Some(run.settle),
            drain: Some(run.drain),
            goal: Some(goal(run.goal)),
            seed: Some(i64::try_from(run.seed.0).expect("seeds are checked to be below 2^63")),
            shards: Some(run.shards.into()),
        },
        servers: servers::raw(servers),
        security: security::raw(security),
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

fn raw_fleet(fleet: &Fleet) -> RawFleet {
    let RegistrationPolicy {
        behaviour,
        update,
        refusal,
        honour_max_age,
        queue_mode,
        profile_id,
        update_with_objects,
        keep_registration_over_reboot,
        deregister_timeout,
        send_endpoint,
    } = &fleet.registration;
    let refusal = refusal.map(|refusal| match refusal {
        Refusal::Try => "try",
        Refusal::Final => "final",
    });
    RawFleet {
        meters: Some(fleet.meters.into()),
        endpoint: Some(fleet.endpoint.to_string()),
        lwm2m: Some(fleet.version().to_owned()),
        lifetime: Some(fleet.lifetime),
        hold_off: Some(fleet.hold_off),
        objects: Some(fleet.objects.to_string()),
        behaviour: Some(behaviour.to_string()),
        update: update.map(|timing| timing.to_string()),
        update_with_objects: Some(*update_with_objects),
        register_refused: refusal.map(str::to_owned),
        honour_max_age: Some(*honour_max_age),
        queue_mode: Some(*queue_mode),
        profile_id: Some(*profile_id),
        keep_registration_over_reboot: Some(*keep_registration_over_reboot),
        deregister_timeout: deregister_timeout.map(Span),
        send_endpoint: Some(*send_endpoint),
    }
}

fn raw_bootstrap(bootstrap: &Bootstrap) -> RawBootstrap {
    let Bootstrap { mode, formats, send_endpoint, pack, pack_retries, no_finish, account_timeout, card } =
        bootstrap;
    let no_finish = no_finish.map(|wait| match wait {
        NoFinish::PerCommand(each) => RawNoFinish { per_command: Some(Span(each)), total: None },
        NoFinish::Total(total) => RawNoFinish { per_command: None, total: Some(Span(total)) },
    });
    RawBootstrap {
        mode: Some(name(&MODES, *mode)),
        formats: Some(formats.iter().map(|format| name(&FORMATS, *format)).collect()),
        send_endpoint: Some(*send_endpoint),
        pack: Some(*pack),
        pack_retries: Some((*pack_retries).into()),
        no_finish,
        account_timeout: *account_timeout,
        card: raw_card(card),
    }
}

fn raw_card(card: &CardTerms) -> RawCard {
    RawCard {
        file: card.file.as_ref().map(ToString::to_string),
        missing: Some(card.missing),
        unreadable: Some(card.unreadable),
        inconsistent: Some(card.inconsistent),
        exchanged_at: card.exchanged_at,
    }
}

fn raw_report(report: &ReportPolicy) -> RawReport {
    let ReportPolicy {
        confirmable,
        confirm_every,
        sampling,
        observations,
        composite_paths,
        stored,
        send,
        send_format,
    } = report;
    // None of them is above 1,000.
    let number = |number: usize| i64::try_from(number).ok();
    RawReport {
        confirmable: Some(name(&CONFIRM, *confirmable)),
        confirm_every: Some(Span(confirm_every.unwrap_or_default())),
        sampling: Some(Span(*sampling)),
        observations: number(*observations),
        composite_paths: number(*composite_paths),
        stored: number(*stored),
        send: send.as_ref().map(|send| RawSend {
            every: Some(Span(send.every)),
            jitter: Some(Span(send.jitter)),
            paths: Some(send.paths.iter().map(ToString::to_string).collect()),
        }),
        send_format: Some(name(&SEND_FORMATS, *send_format)),
    }
}

fn raw_firmware(firmware: &Firmware) -> RawFirmware {
    let Firmware {
        install_time,
        reboots,
        verified,
        capacity,
        resumes,
        resume_wait,
        deferred,
        defer_time,
        failures,
    } = firmware;
    let share = |failure: PackageFailure| {
        failures.iter().find(|(known, _)| *known == failure).map(|(_, share)| *share)
    };
    RawFirmware {
        install_time: Some(*install_time),
        reboots: Some(*reboots),
        verified: Some(*verified),
        capacity: Some((*capacity).into()),
        resumes: Some((*resumes).into()),
        resume_wait: Some(*resume_wait),
        deferred: Some(*deferred),
        defer_time: Some(*defer_time),
        failures: RawFailures {
            not_enough_flash: share(PackageFailure::NotEnoughFlash),
            out_of_memory: share(PackageFailure::OutOfMemory),
            connection_lost: share(PackageFailure::ConnectionLost),
            integrity: share(PackageFailure::Integrity),
            unsupported_type: share(PackageFailure::UnsupportedType),
            invalid_uri: share(PackageFailure::InvalidUri),
            installation: share(PackageFailure::Installation),
            unsupported_protocol: share(PackageFailure::UnsupportedProtocol),
        },
    }
}

/// What a scenario calls one of several things.
fn name<T: PartialEq>(words: &[(&str, T)], meaning: T) -> String {
    let found = words.iter().find(|(_, one)| *one == meaning);
    found.map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}
