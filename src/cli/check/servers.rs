//! What the servers are and do, in words.

use crate::base::Span;
use crate::base::text::{count, counted, figure, memory};
use crate::protocol::lwm2m::{Scheme, Version};
use crate::protocol::server::{Action, Ask, Delivery, Pace, PackAnswer, Plan, WriteLevel};
use crate::scenario::{
    Account, BootstrapTerms, EmsCampaign, EmsServer, ListenAt, Manners, Scenario, ServerChoice, Service,
};

/// Lines by name; those that go on have none.
pub(super) fn lines(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let servers = &scenario.servers;
    let mut lines = vec![("bootstrap", place(&servers.bootstrap, servers.embedded.bootstrap_listen))];
    if servers.bootstrap.is_embedded() {
        let server = &servers.bootstrap_server;
        lines.extend(terms(&server.terms).map(|words| ("", words)));
        if !server.plans.is_empty() {
            let plans = counted(server.plans.len() as u64, "plan");
            lines.push(("", format!("and {plans} for other endpoints, which come first")));
        }
        lines.extend(directory(scenario));
        lines.extend(server.initiative.map(|initiative| {
            let (after, rate) = (Span(initiative.after), initiative.rate);
            ("", format!("begins to bootstrap meters itself {after} after the first, {rate}"))
        }));
        lines.extend(service(&server.service, scenario));
    }
    let mut port = servers.embedded.ems_listen;
    for (index, account) in servers.accounts.iter().enumerate() {
        let name = if index == 0 { "ems" } else { "" };
        lines.push((name, self::account(account, port, servers.accounts.len())));
        if account.server.is_embedded() && port.address.port() != 0 {
            port.address.set_port(port.address.port().saturating_add(1));
        }
    }
    if servers.embedded_accounts().next().is_some() {
        lines.extend(ems(&servers.ems_server));
        lines.extend(service(&servers.ems_server.service, scenario));
        lines.extend(access(scenario));
    }
    lines
}

/// The file that says what single endpoints are given.
fn directory(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let Some(file) = &scenario.servers.bootstrap_server.directory else { return Vec::new() };
    let Some(directory) = scenario.fitted.directory() else { return Vec::new() };
    let rows = counted(directory.rows() as u64, "endpoint");
    let different = counted(directory.different() as u64, "plan");
    let mut lines = vec![("directory", format!("{file}: {rows} by name, {different}"))];
    if directory.secured() > 0 {
        let rows = counted(directory.secured() as u64, "endpoint");
        lines.push(("", format!("{rows} with keys of it")));
    }
    lines
}

/// A word on meters with several accounts whose EMSs are refused what they ask: such meters have access control
/// (OMA-TS-LightweightM2M_Core V1.2.2, section 8), and there is no Access Control object unless it is written.
fn access(scenario: &Scenario) -> Option<(&'static str, String)> {
    let servers = &scenario.servers;
    let asks =
        !servers.ems_server.interview.questions().is_empty() || !servers.ems_server.campaigns.is_empty();
    let mut written = servers.bootstrap_server.terms.extra.iter();
    let open = scenario.provision.is_some() || written.any(|entry| entry.path.ids().first() == Some(&2));
    (asks && servers.accounts.len() > 1 && !open).then(|| {
        let words = "meters with several servers answer 4.01 to what no /2 allows; \
                     servers.bootstrap_server.extra writes it";
        ("access", words.to_owned())
    })
}

fn place(server: &ServerChoice, listen: ListenAt) -> String {
    match server {
        ServerChoice::External(uri) => uri.to_string(),
        ServerChoice::Nobody => "none".to_owned(),
        ServerChoice::Embedded if listen.address.port() == 0 => {
            let by =
                if listen.scheme == Scheme::Coap { String::new() } else { format!(" by {}", listen.scheme) };
            format!("embedded, on a free port of {}{by}", listen.address.ip())
        }
        ServerChoice::Embedded => format!("embedded, on {listen}"),
    }
}

fn account(account: &Account, listen: ListenAt, of: usize) -> String {
    let mut words = vec![place(&account.server, listen)];
    if of > 1 {
        words.push(format!("id {}", account.short_server_id));
        words.push(format!("lifetime {}", account.lifetime));
    }
    words.extend(account.priority.map(|priority| format!("priority {priority}")));
    words.extend(account.delay.map(|delay| format!("after {delay}")));
    if account.block == Some(true) {
        words.push("those behind it wait".to_owned());
    }
    words.join(", ")
}

/// What a Bootstrap-Server does in another way than usual.
fn terms(terms: &BootstrapTerms) -> Option<String> {
    let mut words = Vec::new();
    if terms.sequence != Plan::SEQUENCE {
        words.push(counted(terms.sequence.len() as u64, "step"));
    }
    if terms.write == WriteLevel::Object {
        words.push("writes whole objects".to_owned());
    }
    words.extend(terms.format_name().map(|format| format!("writes {format}")));
    if let PackAnswer::Refusal(code) = terms.pack {
        words.push(format!("refuses packs with {code}"));
    }
    if !terms.extra.is_empty() {
        words.push(format!("writes {} more", counted(terms.extra.len() as u64, "resource")));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// What EMSs ask and tell.
fn ems(server: &EmsServer) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let questions = server.interview.questions();
    if !questions.is_empty() {
        let count = |ask| questions.iter().filter(|question| question.ask == ask).count() as u64;
        let (reads, observes) = (count(Ask::Read), count(Ask::Observe));
        let words = [(reads, "reads"), (observes, "observes")];
        let words = words.iter().filter(|(count, _)| *count > 0);
        let words: Vec<_> =
            words.map(|(count, word)| format!("{word} {}", counted(*count, "path"))).collect();
        lines.push(("interview", format!("{} of each meter, where it has them", words.join(" and "))));
    }
    if !server.refuse.is_empty() {
        let patterns: Vec<_> = server.refuse.iter().map(ToString::to_string).collect();
        lines.push(("", format!("refuses {}", patterns.join(", "))));
    }
    let (lowest, highest) = server.versions;
    if (lowest, highest) != (Version::V1_0, Version::V1_2) {
        lines.push(("", format!("accepts LwM2M {lowest} to {highest}")));
    }
    for (index, EmsCampaign { server: id, campaign }) in server.campaigns.iter().enumerate() {
        let name = if index == 0 { "campaigns" } else { "" };
        let of = campaign.share.map_or("all".to_owned(), |share| share.to_string());
        let again = campaign.repeat.map(|every| format!(", again every {}", Span(every))).unwrap_or_default();
        let (start, rate, what) = (Span(campaign.start), campaign.rate, told(&campaign.action));
        lines.push((name, format!("EMS {id} from {start}: {what}, {of} of its meters, {rate}{again}")));
    }
    lines
}

fn told(action: &Action) -> String {
    match action {
        Action::UpdateTrigger => "Update now".to_owned(),
        Action::BootstrapTrigger => "bootstrap again".to_owned(),
        Action::Disable => "stay away".to_owned(),
        Action::Reboot => "reboot".to_owned(),
        Action::FactoryReset => "reset to the factory's state".to_owned(),
        Action::Execute { path, .. } => format!("execute {path}"),
        Action::Read(path) => format!("read {path}"),
        Action::Observe(path) => format!("observe {path}"),
        Action::Cancel(path) => format!("no longer observe {path}"),
        Action::Write(path, _) => format!("write {path}"),
        Action::Firmware(firmware) => {
            let way = if firmware.delivery == Delivery::Push { "pushed" } else { "pulled" };
            format!("firmware {}, {}, {way}", firmware.version, memory(firmware.size.into()))
        }
    }
}

fn service(service: &Service, scenario: &Scenario) -> Vec<(&'static str, String)> {
    let pace = service.pace.as_ref().map(|pace| ("", self::pace(pace, scenario)));
    let manners = manners(&service.manners);
    let manners = (!manners.is_empty()).then(|| ("", format!("of its requests {}", manners.join(", "))));
    pace.into_iter().chain(manners).collect()
}

fn pace(pace: &Pace, scenario: &Scenario) -> String {
    let workers = counted(pace.workers, "worker");
    let capacity = f64::from(pace.workers) / pace.time.mean().as_secs_f64();
    let arriving = scenario.plan().schedule().mean_rate();
    let short = match arriving {
        Some(rate) if rate > capacity => ": less than arrive",
        None => ": all arrive at once",
        Some(_) => "",
    };
    let (time, queue, capacity) = (&pace.time, count(pace.queue), figure(capacity));
    format!("{workers} of one desk, {time} a request, room for {queue} more; {capacity} requests/s{short}")
}

fn manners(manners: &Manners) -> Vec<String> {
    let Manners {
        drop,
        reset,
        error,
        error_code,
        unavailable,
        max_age,
        late,
        late_by,
        duplicate,
        other_port,
    } = manners;
    let shares = [
        (drop, "dropped".to_owned()),
        (reset, "reset".to_owned()),
        (error, format!("answered with {error_code}")),
        (unavailable, format!("answered with 5.03, come back in {max_age}")),
        (late, format!("answered {late_by} late")),
        (duplicate, "answered twice".to_owned()),
        (other_port, "answered from another port".to_owned()),
    ];
    let some = shares.into_iter().filter(|(share, _)| share.percent() > 0.0);
    some.map(|(share, what)| format!("{share} {what}")).collect()
}
