use crate::report::{RunReport, SocketFigures, fixture};

#[test]
fn the_figures_are_those_of_the_run() {
    let report = fixture::report();
    assert_eq!(
        (report.fleet.meters, report.fleet.registered_peak, report.fleet.registered_end),
        (20, 20, 20)
    );
    assert_eq!(report.fleet.states.get("deregistered"), Some(&18));
    assert_eq!(report.fleet.failed, 1);
    assert_eq!(report.stages.get("onboarding").map(|stage| stage.count), Some(20));
    assert_eq!(report.run.started_at, "2026-01-02T03:04:05.678Z");
    assert_eq!(report.throughput.onboarded_peak, 20);
    assert_eq!(report.throughput.onboarded_mean, 20.0);
    assert_eq!(report.generator.lag_p99_us, report.generator.lag_receipt.p99_us);
}

#[test]
fn what_the_sockets_discard_is_noise_too() {
    let totals = fixture::totals();
    let mut inputs = fixture::inputs(&totals);
    inputs.sockets = SocketFigures { truncated: 2, unknown_source: 3, unknown_slot: 4, ..inputs.sockets };
    let noise = RunReport::new(inputs).noise;
    assert_eq!((noise.get("truncated"), noise.get("unknown-source")), (Some(&2), Some(&7)));
}

#[test]
fn a_stage_without_values_claims_no_latency() {
    let report = fixture::report();
    let read = report.stages.get("bootstrap-read").expect("every stage is listed");
    assert_eq!((read.count, read.p99_us, read.mean_us), (0, None, None));
}

#[test]
fn failures_name_endpoints() {
    let report = fixture::report();
    let kind = "registration-refused-5.03";
    assert_eq!(report.failures.get(kind), Some(&3));
    assert_eq!(report.failure_samples.get(kind).map(Vec::len), Some(2));
    assert_eq!(report.failure_samples.get(kind).expect("sampled")[0], "urn:dev:os:meter-0000002");
}

#[test]
fn a_run_cut_short_before_anything_happened_still_makes_a_report() {
    let totals = crate::metrics::Totals::new(2, 0);
    let mut inputs = fixture::inputs(&totals);
    inputs.run.complete = false;
    let report = RunReport::new(inputs);
    assert_eq!((report.throughput.sent_mean, report.throughput.onboarded_mean), (0.0, 0.0));
    assert!(!report.run.complete);
}
