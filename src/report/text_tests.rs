use super::*;
use crate::metrics::RequestKind;
use crate::report::{Goal, fixture};

#[test]
fn a_sound_run_reads_like_this() {
    let expected = "\
PASSED: 20 of 20 meters registered; the run took 1.5 s.
  goal: all 20 meters registered

Fleet
  20 meters, 20 due, 20 started, 20 registered at the peak, 20 at the end, 1
    failed
  after the run: 18 deregistered, 1 failed, 1 stopped
  onboarded per second: 20 on average, 20 in the best second

Latency in ms
                         count       p50       p90       p99     p99.9       max
  onboarding                20     12.16     12.29     12.33     12.33     12.33
  bootstrap                 20     8.155     8.295     8.327     8.327     8.327
  registration              20     3.153     3.289     3.323     3.323     3.323
  bootstrap-request         20     1.153     1.289     1.323     1.323     1.323
  bootstrap-write           20     2.153     2.289     2.323     2.323     2.323
  bootstrap-finish          20     1.153     1.289     1.323     1.323     1.323

Failures
           3  registration-refused-5.03
              e.g. urn:dev:os:meter-0000002, urn:dev:os:meter-0000003
           1  registration-timeout
              e.g. urn:dev:os:meter-0000005
           1  deregistration-timeout
              e.g. urn:dev:os:meter-0000007

Datagrams
  64 sent, 61 received, 1 retransmitted, 20 duplicates, 0 dropped by the kernel,
    20 noise

Generator
  late at start: p99 0.060, max 0.060 ms
  late at receipt: p99 0.090, max 0.090 ms
  CPU 1.2 s (servers 0.8 s), memory 50 MiB

Balances
  9 of 9 close
  registrations: registrations of the EMS = 2.01s received by the meters + 1
    whose answer was lost
    urn:dev:os:meter-0000005
";
    assert_eq!(summary(&fixture::report(), Style::Plain), expected);
}

#[test]
fn a_bad_run_says_so_first_and_what_to_do() {
    let totals = fixture::doubtful_totals();
    let mut inputs = fixture::inputs(&totals);
    inputs.goal = Goal { registered: 21 };
    inputs.run.complete = false;
    inputs.in_flight[RequestKind::Register.index()] = 3;
    let text = summary(&RunReport::new(inputs), Style::Plain);
    let head: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
    let expected = "\
FAILED: 20 of 20 meters registered; the run took 1.5 s.
  goal: 21 of 20 meters registered
  - At most 20 of the 21 meters of the goal were registered at one time.
  - The balance requests-register does not close (24 against 27): register
    requests sent = answered + reset + timed out + abandoned + in flight.
INCOMPLETE: The run was cut short: its figures are not those of the whole
    scenario.
DOUBTFUL: These figures may be the generator's own, not the servers'.
  - 1 % of the meters were started 40.0 ms or more after their planned instant;
    up to 1.0 ms would not matter here. Lower the arrival rate, give the
    generator more cores, or run the servers on another machine.";
    assert_eq!(head.join("\n"), expected);
    assert!(text.contains("  OPEN: requests-register: 24 against 27;"), "{text}");
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    for totals in [fixture::totals(), fixture::doubtful_totals()] {
        let mut inputs = fixture::inputs(&totals);
        inputs.servers[0].seen = None;
        inputs.in_flight = [7; RequestKind::COUNT];
        for line in summary(&RunReport::new(inputs), Style::Plain).lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}

#[test]
fn colours_come_only_when_asked_for_and_doubt_is_red() {
    let report = RunReport::new(fixture::inputs(&fixture::doubtful_totals()));
    assert!(!summary(&report, Style::Plain).contains('\x1b'));
    let text = summary(&report, Style::Ansi);
    assert!(text.contains("\x1b[1;31mDOUBTFUL\x1b[0m"), "{text}");
    assert!(text.starts_with("\x1b[1;32mPASSED\x1b[0m"), "{text}");
}

#[test]
fn figures_fit_their_columns() {
    let cells = [0, 999, 9_999, 10_000, 99_994, 999_940, 1_234_567, 3_600_000_000].map(millis);
    assert_eq!(cells, ["0.000", "0.999", "9.999", "10.00", "99.99", "999.9", "1,235", "3,600,000"]);
    assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
}
