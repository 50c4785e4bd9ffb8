//! A small made-up run for tests: twenty meters on two shards, on for a second, gone half a second later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    CampaignFigures, ClientRegistrations, CoarseFigures, FirmwareFigures, GeneratorHealth, Goal, Inputs,
    Interviews, Managed, Manner, Observations, QueueMode, Registrations, RunInfo, RunReport, Seen, Sends,
    ServerCounts, ServerRequests, SocketFigures,
};
use crate::base::{Instant, Seed};
use crate::metrics::{
    Event, FailureKind, Leg, ManagementKind, MeterState, NoiseKind, NotificationFate, Phase, Recorder,
    RequestFate, RequestKind, Stage, States, Totals,
};

pub const METERS: u32 = 20;
pub const SCENARIO: &str = "[fleet]\nmeters = 20\n";

/// A sound run: all register, one loses a registration's answer, one fails while it de-registers.
pub fn totals() -> Totals {
    totals_with(Duration::from_micros(60), &|_, _| {})
}

/// The same, with a generator that starts meters 40 ms late.
pub fn doubtful_totals() -> Totals {
    totals_with(Duration::from_millis(40), &|_, _| {})
}

pub fn report() -> RunReport {
    RunReport::new(inputs(&totals()))
}

/// What is known beside the totals of [`totals`].
pub fn inputs(totals: &Totals) -> Inputs<'_> {
    let mut census = States::default();
    census[MeterState::Deregistered] = 18;
    census[MeterState::Failed] = 1;
    census[MeterState::Stopped] = 1;
    Inputs {
        run: RunInfo {
            scenario: "demo".to_owned(),
            scenario_toml: SCENARIO.to_owned(),
            seed: 42,
            version: "0.1.0".to_owned(),
            started_at: Duration::from_millis(1_767_323_045_678),
            complete: true,
            machine: BTreeMap::from([("cores".to_owned(), "2".to_owned())]),
        },
        goal: Goal { registered: u64::from(METERS) },
        strict: false,
        totals,
        endpoint: &|meter| format!("urn:dev:os:meter-{meter:07}"),
        census: Some(census).filter(|_| totals.snapshot().meters > 0),
        in_flight: [0, 0, 0, 1, 0, 0, 0].map(|count| if totals.snapshot().meters > 0 { count } else { 0 }),
        notifications_in_flight: if totals.snapshot().meters > 0 { 1 } else { 0 },
        handshakes_in_flight: 0,
        servers: vec![server("bootstrap"), server("ems")],
        sockets: SocketFigures::default(),
        streams: None,
        registrations: registrations(),
        generator: GeneratorHealth {
            cpu_seconds: 1.25,
            server_cpu_seconds: Some(0.75),
            max_rss_bytes: 52_428_800,
        },
    }
}

/// The run of [`totals`] with management: twelve Reads of each meter and an Observe, a campaign of Reads, a
/// firmware wave, and Sends.
pub fn managed_totals() -> Totals {
    totals_with(Duration::from_micros(60), &manage)
}

/// What is known beside [`managed_totals`].
pub fn managed(totals: &Totals) -> Inputs<'_> {
    let mut inputs = inputs(totals);
    let bootstrap = &mut seen(&mut inputs, 0).desk;
    bootstrap.drop = Manner { share: 0.01, times: 27 };
    bootstrap.late = Manner { share: 0.025, times: 3 };
    let ems = seen(&mut inputs, 1);
    ems.desk.duplicate = Manner { share: 0.05, times: 2 };
    ems.operations.insert("moved".to_owned(), 1);
    ems.management = Some(Managed {
        requests: ServerRequests {
            sent: 284,
            answered: 280,
            failed: 2,
            abandoned: 1,
            in_flight: 1,
            in_flight_of_campaigns: 1,
            waiting: 1,
        },
        interviews: interviews(),
        observations: Observations {
            begun: 19,
            ended: 2,
            dropped: 17,
            fresh: 36,
            stale: 1,
            lost: 1,
            bytes: 1_800,
            values: 40,
            undecodable: 0,
        },
        sends: Sends { accepted: 4, undecodable: 1, bytes: 400, values: 8, ..Sends::default() },
        queue: QueueMode { held: 2, released: 1, dropped: 0 },
        firmware_requests: 0,
        campaigns: vec![reads(), wave()],
    });
    inputs
}

fn interviews() -> Interviews {
    Interviews {
        begun: 20,
        completed: 18,
        failed: 1,
        cut_short: 1,
        under_way: 0,
        requests: 261,
        ok: 255,
        errors: 4,
        sent: 262,
        sent_bytes: 9_200,
        received: 260,
        received_bytes: 26_000,
        duration: coarse(18, 4_321.5, 9_876),
    }
}

fn reads() -> CampaignFigures {
    CampaignFigures {
        action: "read /3/0/13".to_owned(),
        rounds: 1,
        devices: 12,
        unregistered: 8,
        requests: 12,
        sent: 10,
        held: 2,
        passed_over: 1,
        ok: 7,
        errors: BTreeMap::from([("4.04".to_owned(), 1)]),
        timed_out: 1,
        latency: coarse(8, 812.0, 1_900),
        ..CampaignFigures::default()
    }
}

fn wave() -> CampaignFigures {
    CampaignFigures {
        action: "firmware 2.0".to_owned(),
        rounds: 1,
        devices: 4,
        requests: 13,
        sent: 13,
        ok: 13,
        latency: coarse(13, 2_000.0, 7_000),
        firmware: Some(FirmwareFigures {
            begun: 4,
            downloaded: 4,
            succeeded: 3,
            failed: BTreeMap::from([("8".to_owned(), 1)]),
            duration: coarse(3, 1_500_000.0, 2_000_000),
            ..FirmwareFigures::default()
        }),
        ..CampaignFigures::default()
    }
}

fn coarse(count: u64, mean: f64, max: u64) -> CoarseFigures {
    let (mean_us, p50_us) = (Some(mean), Some((mean as u64).next_power_of_two().min(max)));
    CoarseFigures { count, mean_us, p50_us, p99_us: Some(max), max_us: Some(max) }
}

/// What an embedded server of these inputs saw.
pub fn seen<'a>(inputs: &'a mut Inputs<'_>, server: usize) -> &'a mut Seen {
    inputs.servers[server].seen.as_mut().expect("the fixture's servers are embedded")
}

fn server(name: &str) -> ServerCounts {
    let operations = BTreeMap::from([("register".to_owned(), 21)]);
    let management = (name == "ems").then(Managed::default);
    let seen = Seen { received: 32, sent: 32, operations, management, ..Seen::default() };
    ServerCounts { name: name.to_owned(), uri: "coap://127.0.0.1:5683".to_owned(), seen: Some(seen) }
}

fn registrations() -> Registrations {
    let endpoint = |meter: u32| format!("urn:dev:os:meter-{meter:07}");
    Registrations::Known {
        server: (0..METERS).map(|meter| (endpoint(meter), if meter == 5 { 2 } else { 1 })).collect(),
        clients: (0..METERS)
            .map(|meter| ClientRegistrations {
                endpoint: endpoint(meter),
                created: 1,
                unanswered: u64::from(meter == 5),
            })
            .collect(),
    }
}

fn totals_with(late: Duration, manage: &dyn Fn(&mut Recorder, u32)) -> Totals {
    let mut totals = Totals::new(2, u64::from(METERS));
    let mut shards = [0, 1].map(|shard| Recorder::new(shard, METERS / 2, Seed(42)));
    let mut quarter = |totals: &mut Totals, number: u64, step: &dyn Fn(&mut Recorder, u32)| {
        for (shard, recorder) in shards.iter_mut().enumerate() {
            (0..METERS / 2).map(|n| n * 2 + shard as u32).for_each(|meter| step(recorder, meter));
            recorder.set_due(u64::from(METERS) / 2);
            totals.absorb(recorder.take(Instant::from_millis(number * 250)));
        }
    };
    quarter(&mut totals, 1, &|recorder, meter| start(recorder, meter, late));
    totals.set_phase(Phase::Arriving);
    quarter(&mut totals, 4, &register);
    quarter(&mut totals, 5, manage);
    totals.set_phase(Phase::Draining);
    quarter(&mut totals, 6, &leave);
    totals.set_phase(Phase::Finished);
    totals
}

fn start(recorder: &mut Recorder, meter: u32, late: Duration) {
    recorder.record(Event::Started { late });
    recorder.record(state(MeterState::Planned, MeterState::Bootstrapping));
    request(recorder, RequestKind::BootstrapRequest, Some(RequestFate::Answered));
    latency(recorder, Stage::BootstrapRequest, 1, meter);
    latency(recorder, Stage::BootstrapWrite, 2, meter);
    latency(recorder, Stage::BootstrapFinish, 1, meter);
    latency(recorder, Stage::Bootstrap, 8, meter);
    recorder.record(state(MeterState::Bootstrapping, MeterState::Registering));
}

fn register(recorder: &mut Recorder, meter: u32) {
    if meter == 5 {
        request(recorder, RequestKind::Register, Some(RequestFate::TimedOut));
        recorder.record(Event::Retransmitted);
        recorder.record_of(meter, Event::Failure(FailureKind::RegistrationTimeout));
    }
    // Meter 2 is refused twice, meter 3 once.
    for _ in 0..4_u32.saturating_sub(meter).min(2) * u32::from(meter > 1) {
        request(recorder, RequestKind::Register, Some(RequestFate::Answered));
        recorder.record_of(meter, Event::Failure(FailureKind::RegistrationRefused(0xa3)));
    }
    request(recorder, RequestKind::Register, Some(RequestFate::Answered));
    latency(recorder, Stage::Registration, 3, meter);
    latency(recorder, Stage::Onboarding, 12, meter);
    recorder.record(state(MeterState::Registering, MeterState::Registered));
    recorder.record(Event::Notification(NotificationFate::SentConfirmable));
    // Meter 8 stops before its notification is acknowledged.
    if meter != 8 {
        recorder.record(Event::Notification(NotificationFate::Acknowledged));
    }
    recorder.record(Event::Notification(NotificationFate::SentNonConfirmable));
    recorder.record(Event::Noise(NoiseKind::Ping));
    recorder.record(Event::Duplicate);
}

fn manage(recorder: &mut Recorder, meter: u32) {
    use ManagementKind::{Execute, Observe, Read, WriteReplace};
    let mut served = |kind, success, times| {
        (0..times).for_each(|_| recorder.record(Event::Served { kind, success }));
    };
    // The interview: four meters lack what is asked for; one Observe never came.
    served(Read, false, u32::from(meter < 4));
    served(Read, true, if meter < 4 { 11 } else { 12 });
    served(Observe, true, u32::from(meter != 9));
    // The campaigns.
    served(Read, meter != 0, u32::from(meter < 8));
    served(WriteReplace, true, u32::from(meter < 4));
    served(Execute, true, u32::from(meter < 4));
    served(Read, true, u32::from(meter < 5));
    if meter < 6 {
        let fate = if meter == 5 { RequestFate::TimedOut } else { RequestFate::Answered };
        request(recorder, RequestKind::Send, Some(fate));
        if meter == 5 {
            recorder.record_of(meter, Event::Failure(FailureKind::SendTimeout));
        } else {
            latency(recorder, Stage::Send, 2, meter);
        }
    }
}

fn leave(recorder: &mut Recorder, meter: u32) {
    recorder.record(state(MeterState::Registered, MeterState::Deregistering));
    let (fate, end) = match meter {
        7 => (Some(RequestFate::TimedOut), MeterState::Failed),
        8 => (None, MeterState::Stopped),
        _ => (Some(RequestFate::Answered), MeterState::Deregistered),
    };
    request(recorder, RequestKind::Deregister, fate);
    if fate == Some(RequestFate::TimedOut) {
        recorder.record_of(meter, Event::Failure(FailureKind::DeregistrationTimeout));
    }
    recorder.record(state(MeterState::Deregistering, end));
}

/// Sends a request, which meets a fate or stays in flight.
fn request(recorder: &mut Recorder, kind: RequestKind, fate: Option<RequestFate>) {
    recorder.record(Event::Request { kind, fate: RequestFate::Sent });
    let leg = match kind {
        RequestKind::BootstrapRequest => Leg::Bootstrap,
        RequestKind::Register => Leg::Register,
        _ => Leg::Other,
    };
    recorder.record(Event::Sent { leg, bytes: 70 });
    if let Some(fate) = fate {
        recorder.record(Event::Request { kind, fate });
    }
    if fate == Some(RequestFate::Answered) {
        recorder.record(Event::Received { leg, bytes: 30 });
        recorder.record(Event::Handled { late: Duration::from_micros(90) });
    }
}

fn latency(recorder: &mut Recorder, stage: Stage, millis: u64, meter: u32) {
    recorder.record(Event::Stage {
        stage,
        latency: Duration::from_micros(millis * 1000 + u64::from(meter) * 17),
    });
}

fn state(from: MeterState, to: MeterState) -> Event {
    Event::State { from, to }
}
