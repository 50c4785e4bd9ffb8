//! What the embedded servers counted, in the words of the report.

use std::collections::BTreeMap;

use crate::protocol::server::{
    Action, CampaignCounters, DeskCounters, EmsCounters, FirmwareCounters, Latencies, Pace, Pending, Service,
    Share, Traffic,
};
use crate::report::{
    CampaignFigures, CoarseFigures, Desk, FirmwareFigures, Interviews, Managed, Manner, Observations,
    QueueMode, Seen, Sends, ServerCounts, ServerRequests, Sessions, StreamFigures,
};
use crate::secure::{CertificateFault, ListenerCounters};
use crate::servers::{self, BootstrapCounts, EmbeddedConfig, EmsCounts};
use crate::transport::{TcpCounters, UdpCounters};

/// What the embedded servers were told, as far as it explains what they counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    bootstrap: Service,
    ems: Service,
    /// Whether their peers have to prove who they are.
    bootstrap_secure: bool,
    ems_secure: bool,
    /// What each campaign does.
    campaigns: Vec<String>,
}

impl Told {
    pub(super) fn by(config: &EmbeddedConfig) -> Self {
        let mut told = Told::default();
        if let Some((listen, bootstrap)) = &config.bootstrap {
            told.bootstrap = bootstrap.service.clone();
            told.bootstrap_secure = listen.scheme.is_secure();
        }
        for (listen, ems) in &config.ems {
            told.ems_secure |= listen.scheme.is_secure();
            // They differ in their addresses, Short Server IDs and campaigns only.
            told.ems = ems.service.clone();
            told.campaigns.extend(ems.campaigns.iter().map(|campaign| action(&campaign.action)));
        }
        told
    }

    /// Both servers by name, where each is, and what it counted if it is embedded.
    pub(super) fn counts(
        &self,
        counts: &servers::ServerCounts,
        uris: [(&'static str, String); 2],
    ) -> Vec<ServerCounts> {
        let server = |(name, uri): (&str, String)| {
            let seen = match name {
                "bootstrap" => counts.bootstrap.as_ref().map(|counts| self.bootstrap(counts)),
                _ => counts.ems.as_ref().map(|counts| self.ems(counts)),
            };
            ServerCounts { name: name.to_owned(), uri, seen }
        };
        uris.into_iter().map(server).collect()
    }

    fn bootstrap(&self, counts: &BootstrapCounts) -> Seen {
        let BootstrapCounts { counters, traffic, udp, tcp, sessions } = counts;
        let wire = Wire { traffic, udp, tcp, sessions: sessions.as_ref(), secure: self.bootstrap_secure };
        let operations = named([
            ("requests", counters.requests),
            ("refused", counters.refused),
            ("initiated", counters.initiated),
            ("packs", counters.packs),
            ("packs-refused", counters.packs_refused),
            ("discovers", counters.discovers),
            ("reads", counters.reads),
            ("deletes", counters.deletes),
            ("writes", counters.writes),
            ("command-errors", counters.command_errors),
            ("finished", counters.finished),
            ("failed", counters.failed),
            ("timed-out", counters.timed_out),
            ("unencodable", counters.unencodable),
            ("restarted", counters.restarted),
            ("lost", counters.lost),
            ("identity-mismatch", counters.identity_mismatch),
        ]);
        seen(operations, &wire, desk(&self.bootstrap, &counters.desk), None)
    }

    fn ems(&self, counts: &EmsCounts) -> Seen {
        let EmsCounts { counters, pending, traffic, udp, tcp, sessions, .. } = counts;
        let wire = Wire { traffic, udp, tcp, sessions: sessions.as_ref(), secure: self.ems_secure };
        let operations = named([
            ("registrations", counters.registrations),
            ("replaced", counters.replaced),
            ("updates", counters.updates),
            ("moved", counters.moved),
            ("relisted", counters.relisted),
            ("deregistrations", counters.deregistrations),
            ("expired", counters.expired),
            ("refused", counters.refused),
            ("unknown-profile", counters.unknown_profile),
            ("identity-mismatch", counters.identity_mismatch),
            ("unknown-location", counters.unknown_location),
            ("bad-updates", counters.bad_updates),
            ("registered", counters.registered),
        ]);
        let managed = self.managed(counters, pending);
        seen(operations, &wire, desk(&self.ems, &counters.desk), Some(managed))
    }

    fn managed(&self, counters: &EmsCounters, pending: &Pending) -> Managed {
        let EmsCounters { interviews, observations, sends, queue, .. } = counters;
        let campaigns = self.campaigns.iter().zip(&counters.campaigns);
        let campaigns: Vec<_> = campaigns.map(|(action, counted)| campaign(action, counted)).collect();
        let sum = |of: fn(&CampaignFigures) -> u64| campaigns.iter().map(of).sum::<u64>();
        Managed {
            requests: ServerRequests {
                sent: interviews.requests + sum(|campaign| campaign.sent),
                answered: interviews.ok + interviews.errors + sum(CampaignFigures::answered),
                failed: interviews.failed + sum(|campaign| campaign.timed_out + campaign.broken),
                abandoned: counters.abandoned,
                in_flight: pending.sent,
                in_flight_of_campaigns: pending.sent_of_campaigns,
                waiting: pending.waiting,
            },
            interviews: Interviews {
                begun: interviews.begun,
                completed: interviews.completed,
                failed: interviews.failed,
                cut_short: interviews.cut_short,
                under_way: pending.interviews,
                requests: interviews.requests,
                ok: interviews.ok,
                errors: interviews.errors,
                sent: interviews.sent,
                sent_bytes: interviews.sent_bytes,
                received: interviews.received,
                received_bytes: interviews.received_bytes,
                duration: coarse(&interviews.duration),
            },
            observations: Observations {
                begun: observations.begun,
                ended: observations.ended,
                dropped: observations.dropped,
                fresh: observations.fresh,
                stale: observations.stale,
                lost: observations.lost,
                bytes: observations.bytes,
                values: observations.values,
                undecodable: observations.undecodable,
            },
            sends: Sends {
                accepted: sends.accepted,
                unregistered: sends.unregistered,
                unknown_format: sends.unknown_format,
                undecodable: sends.undecodable,
                bytes: sends.bytes,
                values: sends.values,
            },
            queue: QueueMode { held: queue.held, released: queue.released, dropped: queue.dropped },
            firmware_requests: counters.firmware_requests,
            campaigns,
        }
    }
}

/// What a server's sockets and sessions counted.
struct Wire<'a> {
    traffic: &'a Traffic,
    udp: &'a UdpCounters,
    tcp: &'a TcpCounters,
    sessions: Option<&'a ListenerCounters>,
    secure: bool,
}

impl Wire<'_> {
    /// Datagrams and bytes received, then sent: messages where they are what is on the wire, else what the
    /// sockets counted.
    fn datagrams(&self) -> [(u64, u64); 2] {
        let Wire { traffic, udp, tcp, sessions, .. } = self;
        match sessions {
            None => [(traffic.received, traffic.received_bytes), (traffic.sent, traffic.sent_bytes)],
            Some(_) if tcp.attempted == 0 => [(udp.received, udp.received_bytes), (udp.sent, udp.sent_bytes)],
            // EMSs may be of both kinds.
            Some(_) => [
                (traffic.received, udp.received_bytes + tcp.received_bytes + tcp.late_bytes),
                (traffic.sent, udp.sent_bytes + tcp.sent_bytes),
            ],
        }
    }
}

fn seen(
    mut operations: BTreeMap<String, u64>,
    wire: &Wire<'_>,
    desk: Desk,
    management: Option<Managed>,
) -> Seen {
    let Wire { traffic, udp, tcp, sessions, secure } = *wire;
    operations.append(&mut named([
        ("retransmitted", traffic.retransmitted),
        ("duplicates", traffic.duplicates),
        ("noise", traffic.noise),
        ("evicted-peers", traffic.evicted_peers),
        ("left", traffic.left),
        ("broken", traffic.broken),
        ("socket-truncated", udp.truncated),
        ("socket-unknown-source", udp.unknown_source),
        ("socket-receive-errors", udp.receive_errors),
        ("socket-refused", udp.refused),
        ("socket-queue-dropped", udp.queue_dropped),
        ("socket-send-errors", udp.all_send_errors()),
    ]));
    let [(received, received_bytes), (sent, sent_bytes)] = wire.datagrams();
    Seen {
        received,
        received_bytes,
        sent,
        sent_bytes,
        operations,
        sessions: sessions.map(|counters| self::sessions(counters, secure)),
        streams: (tcp.attempted > 0).then(|| streams(tcp)),
        desk,
        management,
    }
}

fn sessions(counters: &ListenerCounters, secure: bool) -> Sessions {
    let faults = CertificateFault::ALL.into_iter().zip(counters.certificate_faults);
    let faults = faults.filter(|(_, times)| *times > 0);
    Sessions {
        secure,
        hellos: counters.hellos,
        begun: counters.begun,
        completed: counters.completed,
        certificates_refused: faults.map(|(fault, times)| (fault.name().to_owned(), times)).collect(),
        unknown_identities: counters.unknown_identities,
        timed_out: counters.timed_out,
        failed: counters.failed,
        retransmissions: counters.retransmissions,
        handshake_bytes: counters.handshake_bytes,
        closed: counters.closed,
        broken: counters.broken,
        replaced: counters.replaced,
        evicted: counters.evicted,
        noise: counters.noise,
        peak: counters.peak,
    }
}

/// What one end's streams came to, in the words of the report.
pub(super) fn streams(tcp: &TcpCounters) -> StreamFigures {
    StreamFigures {
        opened: tcp.opened,
        refused: tcp.refused,
        unanswered: tcp.unanswered,
        unconnected: tcp.unconnected + tcp.no_socket + tcp.gate_refused,
        turned_away: tcp.turned_away,
        ended: tcp.ended,
        closed: tcp.closed + tcp.cut_short,
        reset: tcp.reset,
        broken: tcp.timed_out + tcp.overflowed + tcp.failed,
        received_bytes: tcp.received_bytes,
        sent_bytes: tcp.sent_bytes,
        unsent_bytes: tcp.unsent_bytes,
        peak: tcp.peak,
    }
}

fn desk(service: &Service, counters: &DeskCounters) -> Desk {
    let manners = &service.manners;
    let manner = |share: Share, times| Manner { share: share.fraction(), times };
    Desk {
        pace: service.pace.as_ref().map(pace),
        overloaded: counters.overloaded,
        longest_queue: counters.longest_queue,
        orphaned: counters.orphaned,
        drop: manner(manners.drop, counters.dropped),
        reset: manner(manners.reset, counters.reset),
        error: manner(manners.error, counters.failed),
        unavailable: manner(manners.unavailable, counters.unavailable),
        late: manner(manners.late, counters.delayed),
        duplicate: manner(manners.duplicate, counters.doubled),
        other_port: manner(manners.other_port, counters.misplaced),
    }
}

fn pace(pace: &Pace) -> String {
    format!("{} at a time, {} each, {} may wait", pace.workers.max(1), pace.time, pace.queue)
}

fn campaign(action: &str, counters: &CampaignCounters) -> CampaignFigures {
    CampaignFigures {
        action: action.to_owned(),
        rounds: counters.rounds,
        devices: counters.devices,
        unregistered: counters.unregistered,
        requests: counters.requests,
        sent: counters.sent,
        held: counters.held,
        passed_over: counters.passed_over,
        overflowed: counters.overflowed,
        ok: counters.ok,
        errors: counters.errors.iter().map(|(code, times)| (code.to_string(), *times)).collect(),
        timed_out: counters.timed_out,
        broken: counters.broken,
        cancelled: counters.cancelled,
        latency: coarse(&counters.latency),
        firmware: action.starts_with(FIRMWARE).then(|| firmware(&counters.firmware)),
    }
}

fn firmware(counters: &FirmwareCounters) -> FirmwareFigures {
    FirmwareFigures {
        begun: counters.begun,
        downloaded: counters.downloaded,
        succeeded: counters.succeeded,
        failed: counters.failed.iter().map(|(result, times)| (result.to_string(), *times)).collect(),
        refused: counters.refused,
        gave_up: counters.gave_up,
        duration: coarse(&counters.duration),
    }
}

fn coarse(latencies: &Latencies) -> CoarseFigures {
    let micros = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let some = latencies.count > 0;
    CoarseFigures {
        count: latencies.count,
        mean_us: some.then(|| latencies.mean().as_secs_f64() * 1e6),
        p50_us: some.then(|| micros(latencies.quantile(0.5))),
        p99_us: some.then(|| micros(latencies.quantile(0.99))),
        max_us: some.then(|| micros(latencies.max)),
    }
}

const FIRMWARE: &str = "firmware";

/// What a campaign does, in a word and a path.
fn action(action: &Action) -> String {
    match action {
        Action::UpdateTrigger => "update-trigger".to_owned(),
        Action::BootstrapTrigger => "bootstrap-trigger".to_owned(),
        Action::Disable => "disable".to_owned(),
        Action::Reboot => "reboot".to_owned(),
        Action::FactoryReset => "factory-reset".to_owned(),
        Action::Execute { path, .. } => format!("execute {path}"),
        Action::Read(path) => format!("read {path}"),
        Action::Observe(path) => format!("observe {path}"),
        Action::Cancel(path) => format!("cancel {path}"),
        Action::Write(path, _) => format!("write {path}"),
        Action::Firmware(firmware) => format!("{FIRMWARE} {}", firmware.version),
    }
}

fn named<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Percent;
    use crate::protocol::lwm2m::Path;
    use crate::protocol::server::{InterviewCounters, Manners, ServiceTime};
    use std::time::Duration;

    fn share(percent: &str) -> Share {
        percent.parse::<Percent>().expect("a percentage").into()
    }

    #[test]
    fn every_manner_is_told_with_what_it_did() {
        let manners = Manners {
            drop: share("1%"),
            reset: share("2%"),
            error: share("3%"),
            unavailable: share("4%"),
            late: share("5%"),
            duplicate: share("6%"),
            other_port: share("7%"),
            ..Manners::default()
        };
        let counters = DeskCounters {
            dropped: 1,
            reset: 2,
            failed: 3,
            unavailable: 4,
            delayed: 5,
            doubled: 6,
            misplaced: 7,
            overloaded: 8,
            longest_queue: 9,
            orphaned: 10,
        };
        let time = ServiceTime::Fixed(Duration::from_millis(5));
        let pace = Pace { workers: 2, time, queue: 100, max_age: Duration::from_secs(1) };
        let desk = desk(&Service { pace: Some(pace), manners }, &counters);
        let manners =
            [desk.drop, desk.reset, desk.error, desk.unavailable, desk.late, desk.duplicate, desk.other_port];
        for (number, manner) in (1..).zip(manners) {
            assert_eq!((manner.times, (manner.share * 100.0).round() as u64), (number, number));
        }
        assert_eq!((desk.overloaded, desk.longest_queue, desk.orphaned), (8, 9, 10));
        assert_eq!(desk.pace.as_deref(), Some("2 at a time, 5ms each, 100 may wait"));
    }

    #[test]
    fn requests_to_devices_are_those_of_interviews_and_campaigns() {
        let read = CampaignCounters {
            requests: 20,
            sent: 15,
            ok: 7,
            errors: [(crate::protocol::coap::Code::NOT_FOUND, 2)].into(),
            timed_out: 1,
            broken: 3,
            cancelled: 4,
            ..CampaignCounters::default()
        };
        let interviews = InterviewCounters {
            begun: 6,
            completed: 4,
            failed: 1,
            requests: 40,
            ok: 30,
            errors: 5,
            ..InterviewCounters::default()
        };
        let counters =
            EmsCounters { interviews, campaigns: vec![read], abandoned: 2, ..EmsCounters::default() };
        let pending = Pending { interviews: 1, sent: 4, sent_of_campaigns: 1, waiting: 2 };
        let actions = [Action::Read(Path::resource(3, 0, 13))].iter().map(action).collect();
        let told = Told { campaigns: actions, ..Told::default() };
        let Managed { requests, interviews, campaigns, .. } = told.managed(&counters, &pending);
        assert_eq!((requests.sent, requests.answered, requests.failed), (55, 44, 5));
        assert_eq!((requests.abandoned, requests.in_flight, requests.waiting), (2, 4, 2));
        assert_eq!(
            requests.sent,
            requests.answered + requests.failed + requests.abandoned + requests.in_flight
        );
        assert_eq!((interviews.begun, interviews.under_way), (6, 1));
        assert_eq!(campaigns[0].action, "read /3/0/13");
        assert_eq!(campaigns[0].errors.get("4.04"), Some(&2));
        assert!(campaigns[0].firmware.is_none() && campaigns[0].latency.p99_us.is_none());
    }
}
