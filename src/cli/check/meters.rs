//! What the meters do, in words: only where it is not the usual.

use crate::base::Span;
use crate::base::text::{counted, figure};
use crate::meter::{ObjectSet, device_objects};
use crate::protocol::client::{Behaviour, NoFinish, Refusal, RegistrationPolicy};
use crate::protocol::lwm2m::Scheme;
use crate::scenario::{Bootstrap, CardTerms, Mode, Scenario, Servers};

/// Lines by name; those that go on have none.
pub(super) fn lines(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let registration = registration(&scenario.fleet.registration);
    if !registration.is_empty() {
        lines.push(("behaviour", registration.join(", ")));
    }
    if scenario.fleet.objects != ObjectSet::Minimal {
        let objects = device_objects(scenario.fleet.objects);
        let mut objects: Vec<u16> = objects.iter().map(|entry| entry.path.ids()[0]).collect();
        objects.dedup();
        let list: Vec<_> = objects.iter().map(|object| format!("/{object}")).collect();
        lines.push(("objects", format!("{}: {}", scenario.fleet.objects, list.join(", "))));
    }
    lines.extend(scenario.report.send.as_ref().map(|send| {
        let paths: Vec<_> = send.paths.iter().map(ToString::to_string).collect();
        let rate = f64::from(scenario.fleet.meters) / (send.every + send.jitter / 2).as_secs_f64();
        ("sends", format!("{} every {}: {} sends/s", paths.join(", "), Span(send.every), figure(rate)))
    }));
    let failures = &scenario.firmware.failures;
    if !failures.is_empty() {
        let share: f64 = failures.iter().map(|(_, share)| share.percent()).sum();
        lines.push(("firmware", format!("{share}% of the updates come to a bad end")));
    }
    let way = way(&scenario.bootstrap);
    if !way.is_empty() {
        lines.push(("way", way.join(", ")));
    }
    if scenario.bootstrap.mode == Mode::Smartcard {
        lines.push(("cards", cards(&scenario.bootstrap.card)));
    }
    lines.extend(provisioning(scenario));
    lines
}

fn registration(policy: &RegistrationPolicy) -> Vec<String> {
    let mut words = Vec::new();
    if policy.behaviour != Behaviour::Spec {
        words.push(policy.behaviour.to_string());
    }
    words.extend(policy.update.map(|timing| format!("Updates {timing}")));
    words.extend(policy.refusal.map(|refusal| match refusal {
        Refusal::Try => "a refused Register is tried again".to_owned(),
        Refusal::Final => "a refused Register is final".to_owned(),
    }));
    let switches = [
        (policy.queue_mode, "queue mode"),
        (policy.profile_id, "profile IDs"),
        (policy.honour_max_age, "5.03 waits for its Max-Age"),
        (policy.update_with_objects, "Updates list the objects"),
        (policy.keep_registration_over_reboot, "registrations outlive a reboot"),
    ];
    words.extend(switches.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned()));
    words.extend(policy.deregister_timeout.map(|wait| format!("De-register waits {}", Span(wait))));
    words
}

fn way(bootstrap: &Bootstrap) -> Vec<String> {
    let mut words = Vec::new();
    match bootstrap.mode {
        Mode::ClientInitiated => {}
        Mode::Factory => words.push("factory: the meters hold their accounts".to_owned()),
        Mode::Smartcard => words.push("smartcard: the accounts are on it".to_owned()),
        Mode::ServerInitiated => {
            words.push(
                "server-initiated: after their first bootstrap the meters listen for another".to_owned(),
            );
        }
    }
    if bootstrap.pack {
        words.push("a Bootstrap-Pack is asked for first".to_owned());
    }
    if !bootstrap.send_endpoint {
        words.push("the Bootstrap-Request names no endpoint".to_owned());
    }
    words.extend(bootstrap.no_finish.map(|wait| match wait {
        NoFinish::PerCommand(each) => format!("waits {} for each command", Span(each)),
        NoFinish::Total(total) => format!("waits {} for Finish", Span(total)),
    }));
    let timeout = bootstrap.account_timeout;
    words.extend(timeout.map(|span| format!("the Bootstrap-Server Account is gone {span} later")));
    words
}

fn cards(card: &CardTerms) -> String {
    let mut words = vec![match &card.file {
        Some(file) => file.to_string(),
        None => "made of the accounts below".to_owned(),
    }];
    let faults =
        [(card.missing, "missing"), (card.unreadable, "unreadable"), (card.inconsistent, "inconsistent")];
    let faults = faults.iter().filter(|(share, _)| share.percent() > 0.0);
    words.extend(faults.map(|(share, fault)| format!("{share} {fault}")));
    words.extend(card.exchanged_at.map(|at| format!("exchanged at {at}")));
    words.join(", ")
}

/// Over what meters speak to the server whose account is at this instance of /0.
fn scheme_of(scenario: &Scenario, instance: u16) -> Option<Scheme> {
    let Servers { bootstrap, accounts, embedded, .. } = &scenario.servers;
    match usize::from(instance).checked_sub(1) {
        None => bootstrap.scheme(embedded.bootstrap_listen),
        Some(place) => accounts.get(place)?.server.scheme(embedded.ems_listen),
    }
}

fn provisioning(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let Some(file) = &scenario.provision else { return Vec::new() };
    let Some(provisioning) = scenario.fitted.provisioning() else { return Vec::new() };
    let rows = provisioning.rows().map_or("a template".to_owned(), |rows| counted(rows as u64, "row"));
    let mut lines = vec![("provision", format!("{file}: {rows}"))];
    let secured = provisioning.secured(scenario.fleet.meters);
    if secured > 0 {
        lines.push(("", format!("{} with keys of it", counted(secured, "meter"))));
    }
    let at_odds = provisioning.at_odds(scenario.fleet.meters, |instance| scheme_of(scenario, instance));
    if at_odds > 0 {
        let meters = counted(at_odds, "meter");
        let why = "its Security Mode (/0/x/2) does not go with the scheme of the server's URI";
        lines.push(("", format!("{meters} will not speak to a server, as {why}")));
    }
    lines
}
