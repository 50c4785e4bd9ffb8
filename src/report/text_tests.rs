use super::*;
use crate::metrics::RequestKind;
use crate::report::{CampaignFigures, Goal, fixture};

#[test]
fn a_sound_run_reads_like_this() {
    let expected = "\
PASSED: 20 of 20 meters registered; the run took 1.5 s.
  goal: all 20 meters registered; scenario demo, seed 42

Fleet
  started      20 of 20 meters
  registered   20 at the peak, 20 when the drain began
  onboarded    20 in the best second, 20.0/s on average over 1 second
  finally      18 deregistered, 1 failed, 1 stopped

Latency in ms
                         count       p50       p90       p99     p99.9       max
  onboarding                20     12.16     12.29     12.33     12.33     12.33
  bootstrap                 20     8.155     8.295     8.327     8.327     8.327
  registration              20     3.153     3.289     3.323     3.323     3.323
  bootstrap-request         20     1.153     1.289     1.323     1.323     1.323
  bootstrap-write           20     2.153     2.289     2.323     2.323     2.323
  bootstrap-finish          20     1.153     1.289     1.323     1.323     1.323

Management, as the meters saw it
  notified     20 confirmable, 20 non-confirmable; 19 acknowledged, 1 in flight

Failures
           3  registration-refused-5.03
              e.g. urn:dev:os:meter-0000002, urn:dev:os:meter-0000003
           1  registration-timeout
              e.g. urn:dev:os:meter-0000005
           1  deregistration-timeout
              e.g. urn:dev:os:meter-0000007

Datagrams
  sent         64, of which 1 retransmission
  received     61, of which 20 duplicates and 20 noise
  dropped      0 by the kernel

Generator
  start lag    p99 0.060 ms, max 0.060 ms (planned instant to first datagram)
  receipt lag  p99 0.090 ms, max 0.090 ms (kernel's timestamp to handling)
  CPU          1.2 s, and 0.8 s for the embedded servers
  memory       50.0 MiB

Balances
  all 21 close
  registrations: registrations of the EMS = 2.01s received by the meters + 1
    whose answer was lost
    urn:dev:os:meter-0000005
";
    assert_eq!(summary(&fixture::report(), Style::Plain), expected);
}

#[test]
fn a_run_with_management_shows_what_it_costs_and_who_is_to_blame() {
    let totals = fixture::managed_totals();
    let text = summary(&RunReport::new(fixture::managed(&totals)), Style::Plain);
    let expected = "
A registration, on average
                         count   answers      sent     bytes  received     bytes
  bootstrap                 20       3.0       1.0      70.0       1.0      30.0
  register                  20       1.1       1.2      84.0       1.1      34.5
  interview                 20      12.9      13.0     1,300      13.1       460
  together                          17.1      15.2     1,454      15.2       525
  the interview, from the 2.01 to the last answer: mean 4.322 ms, p50 <= 8.192,
    p99 <= 9.876, max 9.876
  means over each leg's count, failed attempts included; the interview as the
    EMS measured it, the rest as the meters did

Management, as the meters saw it
  answered     253 read, 4 write-replace, 4 execute, 19 observe; 5 of them with
               an error
  notified     20 confirmable, 20 non-confirmable; 19 acknowledged, 1 in flight
  Sends        6 sent, 5 answered, 1 timed out

Failures
           3  registration-refused-5.03
              e.g. urn:dev:os:meter-0000002, urn:dev:os:meter-0000003
           1  registration-timeout
              e.g. urn:dev:os:meter-0000005
           1  deregistration-timeout
              e.g. urn:dev:os:meter-0000007
           1  send-timeout
              e.g. urn:dev:os:meter-0000005

Servers
  misbehaviour the Bootstrap-Server was told to drop 1% of requests: 27 dropped;
               to answer 2.5% of requests late: 3 late
  EMS          1 moved
  interviews   20 begun, 18 completed, 1 failed, 1 cut short; 261 questions, 255
               answered well, 4 with an error
  observations 19 begun, 2 ended by devices, 17 ended here; 36 notifications, 40
               values, 1 overtaken, 1 lost
  Sends        4 accepted, 8 values, 1 refused with 4.00
  queue mode   2 held, 1 released
  campaign 1   read /3/0/13: 12 devices, 8 not registered; 12 requests, 7
               answered well, 1 timed out, 1 passed over, 1 4.04; mean 0.812 ms,
               p50 <= 1.024, p99 <= 1.900, max 1.900
  campaign 2   firmware 2.0: 4 devices; 13 requests, 13 answered well; mean
               2.000 ms, p50 <= 2.048, p99 <= 7.000, max 7.000
               4 updates begun, 4 downloaded, 3 succeeded, 1 installation (8);
               success took mean 1,500 ms, p50 <= 2,000, p99 <= 2,000, max 2,000
  misbehaviour the EMS was told to answer 5% of requests twice: 2 answered twice
";
    let from = text.find("\nA registration").expect("the block is there");
    let to = text.find("\nDatagrams").expect("the block is there");
    assert_eq!(&text[from..to], expected);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
}

#[test]
fn a_campaign_that_came_to_nobody_says_so() {
    let totals = fixture::totals();
    let mut inputs = fixture::managed(&totals);
    let managed = fixture::seen(&mut inputs, 1).management.as_mut().expect("an EMS manages");
    let nobody = CampaignFigures { action: "reboot".to_owned(), ..CampaignFigures::default() };
    managed.campaigns = vec![CampaignFigures { rounds: 1, ..nobody.clone() }, nobody];
    let text = summary(&RunReport::new(inputs), Style::Plain);
    for told in [
        "campaign 1   reboot: no devices, there was none\n",
        "campaign 2   reboot: no devices, it had not begun\n",
    ] {
        assert!(text.contains(told), "no {told:?} in\n{text}");
    }
}

#[test]
fn overload_is_told_with_the_pace_that_made_it() {
    let totals = fixture::totals();
    let mut inputs = fixture::inputs(&totals);
    let desk = &mut fixture::seen(&mut inputs, 1).desk;
    desk.pace = Some("2 at a time, 5ms each, 100 may wait".to_owned());
    let quiet = summary(&RunReport::new(inputs), Style::Plain);
    assert!(!quiet.contains("Servers"), "{quiet}");
    let mut inputs = fixture::inputs(&totals);
    let desk = &mut fixture::seen(&mut inputs, 1).desk;
    desk.pace = Some("2 at a time, 5ms each, 100 may wait".to_owned());
    (desk.overloaded, desk.longest_queue) = (1_234, 100);
    let text = summary(&RunReport::new(inputs), Style::Plain);
    let told = "\
Servers
  pace         the EMS serves 2 at a time, 5ms each, 100 may wait: 1,234
               answered with 5.03, 100 waiting at the most
";
    assert!(text.contains(told), "{text}");
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
  goal: 21 of 20 meters registered; scenario demo, seed 42
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
    assert_eq!([-1_234, 0, 1_234].map(signed), ["-1,234", "0", "1,234"]);
}

#[test]
fn what_lies_above_the_bounds_is_said_and_what_lies_below_is_no_news() {
    let mut report = fixture::report();
    assert!(!summary(&report, Style::Plain).contains("above 1 h"));
    let odd = |(name, figures): (String, StageFigures)| match name.as_str() {
        "registration" => (name, StageFigures { above_range: 2, below_range: 5, ..figures }),
        _ => (name, StageFigures { below_range: 7, ..figures }),
    };
    report.stages = report.stages.entries().to_vec().into_iter().map(odd).collect();
    let text = summary(&report, Style::Plain);
    let notes: Vec<_> = text.lines().filter(|line| line.contains("1 h")).collect();
    assert_eq!(notes, ["  registration: 2 values above 1 h, counted as 1 h"]);
}

#[test]
fn balances_that_were_not_drawn_up_for_one_reason_share_a_line() {
    let totals = fixture::totals();
    let mut inputs = fixture::inputs(&totals);
    inputs.servers[0].seen = None;
    let text = summary(&RunReport::new(inputs), Style::Plain);
    assert!(text.contains("not drawn up: datagrams-to-servers, datagrams-to-meters (a server is"), "{text}");
}

#[test]
fn a_run_in_which_nothing_happened_claims_nothing() {
    let totals = crate::metrics::Totals::new(2, 0);
    let text = summary(&RunReport::new(fixture::inputs(&totals)), Style::Plain);
    for line in ["  nothing was measured", "  start lag    not measured (planned instant to first datagram)"]
    {
        assert!(text.lines().any(|shown| shown == line), "{text}");
    }
    assert!(!text.contains("onboarded"), "{text}");
}

#[test]
fn what_became_of_datagrams_at_the_sockets_is_told_only_if_something_did() {
    assert!(!summary(&fixture::report(), Style::Plain).contains("sockets"));
    let totals = fixture::totals();
    let mut inputs = fixture::inputs(&totals);
    inputs.sockets.send_errors = 1_234;
    inputs.sockets.truncated = 2;
    let text = summary(&RunReport::new(inputs), Style::Plain);
    assert!(text.contains("sockets      1,234 not sent: the kernel would not; 2 too long"), "{text}");
}
