//! `bootstorm check`: the resolved plan of a scenario and what it will cost.

mod meters;
mod security;
mod servers;

use clap::Args;

use crate::base::Span;
use crate::base::text::{count, counted, figure, memory, wrap};
use crate::fleet::arrivals::{Pace, Process};
use crate::fleet::plan::{BYTES_PER_METER, Plan};
use crate::scenario::{Goal, Mode, Scenario};
use crate::transport::resources;

use super::exit::{DESCRIPTORS_HELP, RunError};
use super::load::ScenarioArgs;
use super::print;

const EXAMPLES: &str = "\
Examples:
  bootstorm check
  bootstorm check scenarios/hundred-thousand.toml --set arrivals.rate=2000/s
  bootstorm check scenarios/external.toml --credentials keys";

/// Arguments of `bootstorm check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
}

pub(super) fn check(args: &CheckArgs) -> Result<(), RunError> {
    let scenario = args.scenario.clone().look()?;
    print(&describe(&scenario, resources::raise_descriptor_limit()))
}

/// The plan in words; `limit` is how many descriptors the process may have open.
fn describe(scenario: &Scenario, limit: u64) -> String {
    let plan = scenario.plan();
    let mut lines = Lines::default();
    lines.add("scenario", &scenario.name);
    if !scenario.description.is_empty() {
        lines.add("", &scenario.description);
    }
    lines.add("fleet", fleet(scenario));
    lines.add("endpoints", endpoints(scenario, &plan));
    lines.add("arrivals", arrivals(scenario, &plan));
    lines.add("run", run(scenario));
    for (name, what) in
        meters::lines(scenario).into_iter().chain(servers::lines(scenario)).chain(security::lines(scenario))
    {
        lines.add(name, what);
    }
    lines.add("shards", format!("{}, up to {} each", plan.shards(), counted(plan.meters_of(0), "meter")));
    lines.add("packets", packets(&plan));
    let per_meter = format!("{} of it for each meter", memory(BYTES_PER_METER));
    lines.add("memory", format!("about {}, {per_meter}", memory(plan.memory_bytes())));
    // RLIM_INFINITY is the largest number there is.
    let allowed =
        if limit == u64::MAX { "no limit".to_owned() } else { format!("of {} allowed", count(limit)) };
    lines.add("descriptors", format!("about {}, {allowed}", count(plan.descriptors())));
    if plan.descriptors() > limit {
        lines.add("", format!("too many: {DESCRIPTORS_HELP}"));
    }
    lines.text
}

fn fleet(scenario: &Scenario) -> String {
    let fleet = &scenario.fleet;
    let own = matches!(scenario.bootstrap.mode, Mode::Factory | Mode::Smartcard);
    let lifetime = if own || scenario.servers.bootstrap.is_embedded() {
        format!("lifetime {}", fleet.lifetime)
    } else {
        "lifetime as the Bootstrap-Server says".to_owned()
    };
    format!("{}, LwM2M {}, {lifetime}", counted(fleet.meters, "meter"), fleet.version())
}

fn endpoints(scenario: &Scenario, plan: &Plan) -> String {
    match scenario.fleet.meters {
        1 => plan.endpoint(0),
        meters => format!("{} to {}", plan.endpoint(0), plan.endpoint(meters - 1)),
    }
}

fn arrivals(scenario: &Scenario, plan: &Plan) -> String {
    let process = match scenario.arrivals.process {
        Process::Steady => "steady",
        Process::Poisson => "Poisson",
    };
    let rate = plan.schedule().mean_rate().map(|rate| format!("{}/s", figure(rate)));
    match (scenario.arrivals.pace, rate) {
        (Pace::Over(_), None) | (_, None) => "all at once".to_owned(),
        (Pace::Over(span), Some(rate)) => format!("{process}, all over {span}: {rate}"),
        (Pace::Rate(_), Some(rate)) => {
            format!("{process}, {rate} for {}", Span(plan.schedule().nominal_span()))
        }
    }
}

fn run(scenario: &Scenario) -> String {
    let run = &scenario.run;
    let meters = scenario.fleet.meters;
    let goal = match run.goal {
        Goal::All => "all".to_owned(),
        Goal::Share(share) => format!("{share} ({} of {})", count(run.goal.needed(meters)), count(meters)),
    };
    let (hold, settle, drain) = (run.hold, run.settle, run.drain);
    format!(
        "hold {hold}, settle up to {settle}, drain up to {drain}; goal: {goal} registered; seed {}",
        run.seed.0
    )
}

fn packets(plan: &Plan) -> String {
    let arriving = match plan.packets_per_second() {
        Some(rate) => format!("{}/s while meters arrive", figure(rate)),
        None => "as fast as the servers answer while meters arrive".to_owned(),
    };
    let updates = match plan.update_packets_per_second() {
        Some(rate) => format!("{}/s of Updates later", figure(rate)),
        None => "Updates as the lifetime says".to_owned(),
    };
    format!("{arriving} ({} each, without loss), {updates}", counted(plan.round_trips(), "round trip"))
}

/// Width of the first column, and of both.
const NAMES: usize = 13;
const WIDTH: usize = 80;

/// A column of names and a column of what they are.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, name: &str, what: impl AsRef<str>) {
        self.text += &wrap(&format!("{name:<NAMES$}"), &" ".repeat(NAMES), what.as_ref(), WIDTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, QUICKSTART, QUICKSTART_NAME, load};

    fn described(set: &[&str], limit: u64) -> String {
        let set = set.iter().map(ToString::to_string).collect();
        let scenario = load(QUICKSTART_NAME, QUICKSTART, &Overrides { set, seed: None }, 2);
        describe(&scenario.unwrap_or_else(|error| panic!("{error}")), limit)
    }

    #[test]
    fn the_quickstart_reads_well() {
        let expected = "\
scenario     quickstart
             The main job in small, against the embedded servers
fleet        2,000 meters, LwM2M 1.2, lifetime 5m
endpoints    urn:dev:os:meter-0000000 to urn:dev:os:meter-0001999
arrivals     steady, 500/s for 4s
run          hold 5s, settle up to 2m3s, drain up to 10s; goal: all registered;
             seed 1
bootstrap    embedded, on a free port of 127.0.0.1
ems          embedded, on a free port of 127.0.0.1
shards       2, up to 1,000 meters each
packets      7,000/s while meters arrive (7 round trips each, without loss),
             26.7/s of Updates later
memory       about 31.8 MiB, 2.5 KiB of it for each meter
descriptors  about 72, of 20,000 allowed
";
        assert_eq!(described(&[], 20_000), expected);
    }

    #[test]
    fn what_cannot_be_known_is_not_made_up() {
        let text = described(&["servers.bootstrap=coap://127.0.0.1:5783", "arrivals.over=0s"], 20_000);
        for part in
            ["lifetime as the Bootstrap-Server says", "all at once", "as fast as", "coap://127.0.0.1:5783\n"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn too_many_descriptors_come_with_advice() {
        assert!(described(&["servers.ems=coap://[::1]"], 1_000).contains("too many: raise the limit"));
    }
}
