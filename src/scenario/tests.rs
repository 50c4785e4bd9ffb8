use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::{Seed, Span};
use crate::fleet::arrivals::{Pace, Process};
use crate::protocol::lwm2m::Version;
use crate::protocol::server::Plan;

/// Loads a text as `storm.toml` on a machine with four cores.
fn load_with(text: &str, set: &[&str]) -> Result<Scenario, ScenarioError> {
    let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), seed: None };
    load("storm.toml", text, &overrides, 4)
}

fn good(text: &str, set: &[&str]) -> Scenario {
    load_with(text, set).unwrap_or_else(|error| panic!("{error}"))
}

fn mistake(text: &str, set: &[&str]) -> String {
    load_with(text, set).expect_err("a mistake").to_string()
}

#[test]
fn every_shipped_scenario_loads() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of scenarios") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable scenario");
        assert!(text.starts_with("# "), "{} says what it shows", path.display());
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let scenario = load(&name, &text, &Overrides::default(), 2).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{}.toml", scenario.name), name);
        assert_eq!(scenario.servers.any_external(), name == "external.toml", "{name}");
        names.push(name);
    }
    names.sort();
    let names: Vec<_> = names.iter().filter_map(|name| name.strip_suffix(".toml")).collect();
    let expected = [
        "bad-credentials",
        "client-initiated",
        "external",
        "factory",
        "firmware-wave",
        "hundred-thousand",
        "management",
        "misbehaving-servers",
        "provisioned",
        "psk",
        "quickstart",
        "reference",
        "server-initiated",
        "smartcard",
        "tcp-tls",
        "x509",
    ];
    assert_eq!(names, expected);
}

/// Everything that has no default, so that it is written out.
const EVERYTHING: &str = r#"
provision = "meters.csv"
[fleet]
update = "lt-93"
register_refused = "final"
deregister_timeout = "5s"
[bootstrap]
mode = "smartcard"
no_finish = { total = "93s" }
account_timeout = "60s"
card = { file = "cards/{index}.bin", exchanged_at = "10s" }
[report]
send = { every = "1m", paths = ["/10243/0"] }
[firmware.failures]
not_enough_flash = "1%"
out_of_memory = "1%"
connection_lost = "1%"
integrity = "1%"
unsupported_type = "1%"
invalid_uri = "1%"
installation = "1.1%"
unsupported_protocol = "1%"
[[servers.account]]
priority = 1
delay = "1s"
block = true
resources = { "5" = 60 }
[servers.bootstrap_server]
directory = "directory.csv"
command_timeout = "60s"
session_timeout = "60s"
extra = { "/4/0/0" = 41 }
initiative = { after = "1s", rate = "1/s" }
service = { time = "5ms" }
[[servers.bootstrap_server.plan]]
endpoints = ["*"]
extra = { "/3/0/15" = "Europe/Berlin" }
[servers.ems_server]
awake = "60s"
service = { time = "exponential 5ms", workers = 2 }
manners = { drop = "1%", error = "2%", error_code = "4.03" }
[[servers.ems_server.campaign]]
action = "write /3/0/15"
value = "Europe/Berlin"
share = "10%"
repeat = "1m"
[[servers.ems_server.campaign]]
action = "firmware"
delivery = "pull"
"#;

/// The paths of all keys, without their indices.
fn keys(path: &str, value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys(&path, value, found);
        }),
        toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
            values.iter().for_each(|value| keys(path, value, found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// The reference explains every key; what it explains must be true.
#[test]
fn the_reference_has_every_key_with_its_default() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/reference.toml");
    let text = std::fs::read_to_string(path).expect("a readable scenario");
    let mut expected = good("", &[]);
    expected.name = "reference".to_owned();
    expected.description = "Every key with its default".to_owned();
    assert_eq!(good(&text, &[]), expected);
    let mut all = Vec::new();
    for scenario in [good("", &[]), good("arrivals.over = \"1s\"", &[]), good(EVERYTHING, &[])] {
        keys("", &toml::Value::Table(scenario.to_toml().parse().expect("TOML")), &mut all);
    }
    for path in all {
        let key = path.rsplit('.').next().unwrap_or_default();
        // Resources and tables of one line are keys of their own there.
        let known = key.starts_with('/') || key.parse::<u16>().is_ok() || text.contains(&format!("{key} = "));
        assert!(known, "{path} is not explained");
    }
}

/// What the quickstart explains must be true, too.
#[test]
fn the_values_commented_out_in_the_quickstart_are_the_defaults() {
    let sample = ["rate = ", "over = ", "bootstrap = ", "ems = ", "shards = "];
    let spelled_out: String = QUICKSTART
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = ") && !sample.iter().any(|s| rest.starts_with(s)))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(spelled_out, QUICKSTART);
    let overrides = Overrides::default();
    let expected = load(QUICKSTART_NAME, QUICKSTART, &overrides, 2);
    assert_eq!(load(QUICKSTART_NAME, &spelled_out, &overrides, 2), expected);
}

#[test]
fn everything_is_written_out_and_read_back() {
    let scenario = good(EVERYTHING, &[]);
    assert_eq!(scenario.servers.embedded.workers, 1, "one desk");
    assert_eq!(
        load("other.toml", &scenario.to_toml(), &Overrides::default(), 7),
        Ok(Scenario { name: scenario.name.clone(), ..scenario })
    );
}

#[test]
fn an_empty_file_is_all_defaults() {
    let scenario = good("", &[]);
    assert_eq!((scenario.name.as_str(), scenario.allow_remote), ("storm", false));
    assert_eq!((scenario.fleet.meters, scenario.fleet.lwm2m), (1, Version::V1_2));
    assert_eq!(scenario.fleet.lifetime, Span::from_secs(300));
    assert_eq!(scenario.arrivals.process, Process::Steady);
    // MAX_TRANSMIT_WAIT of 93 s, and the margin.
    assert_eq!(scenario.run.settle, Span::from_secs(123));
    assert_eq!((scenario.run.shards, scenario.run.goal), (1, Goal::All));
    assert!(scenario.servers.bootstrap.is_embedded() && scenario.servers.ems.is_embedded());
    assert_eq!(good("fleet.meters = 100", &[]).run.shards, 4);
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_defaults() {
    let text = "[fleet]\nmeters = 7\nlifetime = \"60s\"\n[run]\nseed = 5";
    let scenario = good(
        text,
        &["fleet.meters=9", "run.hold=1m30s", "fleet.lwm2m=1.1", "name=\"quoted\"", "description=42"],
    );
    assert_eq!((scenario.fleet.meters, scenario.fleet.lifetime), (9, Span::from_secs(60)));
    assert_eq!((scenario.run.hold, scenario.fleet.lwm2m), (Span::from_secs(90), Version::V1_1));
    assert_eq!((scenario.name.as_str(), scenario.description.as_str()), ("quoted", "42"));
    assert_eq!(scenario.run.seed, Seed(5));
    let overrides = Overrides { set: vec!["run.seed=6".into()], seed: Some(7) };
    assert_eq!(load("storm.toml", text, &overrides, 1).map(|scenario| scenario.run.seed), Ok(Seed(7)));
}

#[test]
fn meters_of_version_1_0_neither_name_a_format_nor_are_told_retry_terms() {
    let server = "coap://127.0.0.1:5683".parse().expect("a URI");
    for (version, newer) in [("1.0", false), ("1.1", true), ("1.2", true)] {
        let scenario = good("", &[&format!("fleet.lwm2m={version}")]);
        let client = scenario.client_config(&server);
        assert_eq!(client.version.to_string(), version);
        assert_eq!(!client.bootstrap.formats.is_empty(), newer, "{version}");
        let bootstrap = scenario.bootstrap_config(&[]);
        let plans: Vec<_> = bootstrap.directory.by_pattern.iter().map(|(_, plan)| plan).collect();
        let told = |plan: &&std::sync::Arc<Plan>| plan.accounts.iter().all(|a| a.retry.is_some() == newer);
        assert!(!plans.is_empty() && plans.iter().all(told), "{version}");
    }
}

#[test]
fn a_pace_from_the_command_line_displaces_the_files() {
    let over = good("arrivals.rate = \"5/s\"", &["arrivals.over=20s"]);
    assert_eq!(over.arrivals.pace, Pace::Over(Span::from_secs(20)));
    let rate = good("arrivals.over = \"20s\"", &["arrivals.rate=5/s"]);
    assert!(matches!(rate.arrivals.pace, Pace::Rate(rate) if rate.per_second() == 5.0));
    let both = mistake("arrivals = { rate = \"5/s\", over = \"1s\" }", &[]);
    assert!(both.contains("arrivals.over = \"1s\": cannot be given together with arrivals.rate"), "{both}");
}

/// Mistakes in a file: the text, and what the message must be.
#[test]
fn mistakes_name_file_line_key_value_and_remedy() {
    let cases = [
        (
            "[fleet]\nlifetime = \"0s\"",
            "storm.toml:2: fleet.lifetime = \"0s\": must be between 1s and 365d; try \"300s\"",
        ),
        ("[fleet]\nlifetime = \"1.5s\"", "storm.toml:2: fleet.lifetime = \"1.5s\": must be whole seconds"),
        ("[fleet]\nmetres = 5", "storm.toml:2: fleet.metres = 5: is not a known key; did you mean `meters`?"),
        (
            "\n[flet]\nmeters = 5",
            "storm.toml:2: flet = { meters = 5 }: is not a known key; did you mean `fleet`?",
        ),
        ("fleet.colour = 1", "known keys here are meters, endpoint, lwm2m, lifetime, hold_off, "),
        ("fleet.meters = 0", "storm.toml:1: fleet.meters = 0: must be between 1 and 16,000,000; try 1"),
        ("fleet.meters = 16_000_001", "must be between 1 and 16,000,000"),
        ("fleet.meters = \"many\"", "fleet.meters = \"many\": must be a whole number"),
        ("fleet.meters = 1.5", "fleet.meters = 1.5: must be a whole number"),
        ("fleet = 3", "fleet = 3: must be a table of keys"),
        ("[fleet]\nmeters = 2\nendpoint = \"m\"", "storm.toml:3: fleet.endpoint = \"m\": must hold {index}"),
        ("fleet.endpoint = \"m{id}\"", "must hold no braces but `{index}`"),
        ("fleet.lwm2m = \"1.3\"", "must be a version that meters speak: \"1.0\", \"1.1\" or \"1.2\""),
        ("fleet.lwm2m = 1.2", "fleet.lwm2m = 1.2: must be a string; write it in quotes"),
        ("arrivals.rate = \"0/s\"", "storm.toml:1: arrivals.rate = \"0/s\": must be a rate above zero"),
        (
            "arrivals.rate = 500",
            "arrivals.rate = 500: must be a rate above zero with its unit, such as \"500/s\"",
        ),
        (
            "fleet.meters = 1000\narrivals.rate = \"1/h\"",
            "storm.toml:2: arrivals.rate = \"1/h\": is too slow",
        ),
        ("arrivals.process = \"bursty\"", "must be \"steady\" or \"poisson\""),
        ("run.goal = \"101%\"", "must be \"all\" or a share"),
        ("run.hold = 10", "run.hold = 10: must be a span of time with its unit"),
        ("run.seed = -1", "run.seed = -1: must be between 0 and"),
        ("run.shards = 0", "must be between 1 and 1,024"),
        (
            "servers.ems = \"https://[::1]\"",
            "servers.ems = \"https://[::1]\": must begin with coap:// (UDP), coaps:// (DTLS), coap+tcp:// (TCP)",
        ),
        ("servers.ems = \"coap://u@h\"", "must not name a user"),
        (
            "servers.bootstrap = \"coap://192.0.2.1\"",
            "servers.bootstrap = \"coap://192.0.2.1\": is not on this machine; allow_remote = true",
        ),
        (
            "servers.embedded.ems_listen = \"0.0.0.0:5683\"",
            "would listen to other machines; allow_remote = true",
        ),
        ("servers.embedded.ems_listen = \"lo:1\"", "must be an address and a port"),
        (
            "allow_remote = true\nservers.embedded.ems_listen = \"0.0.0.0:5683\"",
            "does not tell meters where to register",
        ),
        (
            "servers.embedded = { ems_listen = \"[::1]:9\", bootstrap_listen = \"[::1]:9\" }",
            "is where the Bootstrap-Server listens already",
        ),
        ("servers.embedded.short_server_id = 65535", "must be between 1 and 65,534"),
        ("fleet.behaviour = \"acme\"", "is no behaviour; known are \"spec\", \"anjay\""),
        ("fleet.update = \"soon\"", "known are \"half\", \"lt-93\""),
        ("fleet = { send_endpoint = false, lwm2m = \"1.0\" }", "must be true for LwM2M 1.0; leave it out"),
        ("fleet = { profile_id = true, lwm2m = \"1.1\" }", "came with LwM2M 1.2; set fleet.lwm2m = \"1.2\""),
        (
            "bootstrap.mode = \"magic\"",
            "must be \"client-initiated\", \"factory\", \"smartcard\" or \"server-initiated\"",
        ),
        ("bootstrap.formats = [\"tlv\", \"xml\"]", "storm.toml:1: bootstrap.formats[1] = \"xml\": must be"),
        ("bootstrap.card.missing = \"1%\"", "is for meters with a card; set bootstrap.mode = \"smartcard\""),
        ("bootstrap.no_finish = {}", "must say how long"),
        ("servers.bootstrap = \"none\"", "leaves meters without accounts"),
        (
            "[[servers.account]]\n[[servers.account]]\nshort_server_id = 101",
            "storm.toml:3: servers.account[1].short_server_id = 101: is that of another account",
        ),
        (
            "[[servers.account]]\nresources = { \"13\" = 1 }",
            "servers.account[0].resources.13 = 1: /1/x/13 has a key of its own",
        ),
        ("[[servers.account]]\nresources = { \"5\" = \"long\" }", "must be a whole number"),
        (
            "servers.bootstrap_server.sequence = [\"write all\"]",
            "servers.bootstrap_server.sequence[0] = \"write all\": is no step of a bootstrap",
        ),
        ("servers.bootstrap_server.extra = { \"/0/1/0\" = \"x\" }", "belongs to an account"),
        ("servers.bootstrap_server.extra = { \"/21/0/3\" = \"x\" }", "holds keys, and scenarios are kept"),
        ("servers.bootstrap_server.pack = \"2.05\"", "must be \"pack\", or the refusal"),
        (
            "[[servers.bootstrap_server.plan]]\nendpoints = [\"*\"]\naccounts = [7]",
            "storm.toml:3: servers.bootstrap_server.plan[0].accounts[0] = 7: is the short server ID of no account",
        ),
        (
            "servers.bootstrap_server.service.queue = 5",
            "means nothing without servers.bootstrap_server.service.time",
        ),
        ("servers.ems_server.service.time = \"5\"", "is no time of service"),
        ("servers.ems_server.manners.error_code = \"2.05\"", "must be an error of CoAP"),
        (
            "servers = { embedded = { workers = 2 }, ems_server = { service = { time = \"1ms\" } } }",
            "a server with a pace is one desk, on one thread",
        ),
        ("servers.ems_server.versions = \"1.2-1.0\"", "or a range of them"),
        ("servers.ems_server.questions = [\"look /3\"]", "must be \"read\" or \"observe\""),
        (
            "[[servers.ems_server.campaign]]\naction = \"dance\"",
            "storm.toml:2: servers.ems_server.campaign[0].action = \"dance\": is no action",
        ),
        (
            "[[servers.ems_server.campaign]]\naction = \"reboot\"\nsize = 5",
            "storm.toml:3: servers.ems_server.campaign[0].size = 5: is for firmware",
        ),
        (
            "servers = { ems = \"coap://[::1]\", ems_server = { campaign = [{ action = \"reboot\" }] } }",
            "is for an embedded EMS, and there is none",
        ),
        ("fleet.objects = \"all\"", "is no set of objects; known are \"minimal\""),
        ("firmware.failures = { integrity = \"60%\", installation = \"50%\" }", "make 110.0% of the updates"),
        ("report.send = {}", "must name what is sent"),
        ("fleet.lwm2m = \"1.0\"\nreport.send = { paths = [\"/3\"] }", "came with LwM2M 1.1"),
        ("coap.ack_random_factor = 0.5", "must be between 1.0 and 10.0"),
        ("coap.ack_random_factor = nan", "must be between 1.0 and 10.0"),
        ("coap.block_size = 1000", "must be a power of two"),
        (
            "retry = { bootstrap_initial = \"10s\", bootstrap_max = \"5s\" }",
            "retry.bootstrap_max = \"5s\": must be between 10s and 7d",
        ),
        (
            "[local]\naddresses = [\"192.0.2.1\", \"here\"]",
            "storm.toml:2: local.addresses[1] = \"here\": must be an IP address",
        ),
        ("local.addresses = [\"192.0.2.1\", \"192.0.2.1\"]", "is there twice"),
        ("local.addresses = [\"::\"]", "must be the address of one interface"),
        ("local.addresses = \"192.0.2.1\"", "must be a list; write it in brackets"),
        ("local.addresses = [1]", "local.addresses[0] = 1: must be a string"),
        ("local.ports = \"6-5\"", "must be a range of ports"),
        ("local.ports = \"0-5\"", "must be a range of ports"),
        ("fleet = ", "storm.toml:1: is not TOML"),
        ("[run]\n\nhold = \"1s", "storm.toml:3: is not TOML"),
        ("[run]\nhold = \"1s\"\nhold = \"1s\"", "storm.toml:3: is not TOML"),
    ];
    for (text, message) in cases {
        let said = mistake(text, &[]);
        assert!(said.contains(message), "{text:?} said\n  {said}\nand not\n  {message}");
        assert!(said.starts_with("storm.toml"), "{said}");
    }
}

#[test]
fn mistakes_on_the_command_line_name_the_option() {
    let cases = [
        ("run.hold=10", "--set: run.hold = 10: must be a span of time"),
        ("fleet.metres=10", "--set: fleet.metres = 10: is not a known key; did you mean `meters`?"),
        ("fleet.meters", "--set: `fleet.meters` has no value; write --set path.to.key=value"),
        ("=3", "--set: `=3` names no key"),
        ("fleet..x=3", "names no key"),
        ("fleet={meters=3}", "sets a whole table"),
        ("run.hold.x=1", "goes through `hold`, which is a value"),
        ("servers.ems_server.questions=[\"read /x\"]", "--set: servers.ems_server.questions[0] = "),
        ("fleet.meters=1\nrun.seed=2", "run.seed=2\"\"\": must be a whole number"),
    ];
    for (set, message) in cases {
        let said = mistake("[run]\nhold = \"1s\"", &[set]);
        assert!(said.contains(message), "{set:?} said\n  {said}\nand not\n  {message}");
    }
    let overrides = Overrides { set: Vec::new(), seed: Some(u64::MAX) };
    let said = load("storm.toml", "", &overrides, 1).expect_err("too big a seed").to_string();
    assert!(said.starts_with("--seed: run.seed = "), "{said}");
}

#[test]
fn each_meter_has_the_card_of_its_file() {
    use crate::base::Instant;
    use crate::protocol::client::{Card, encode_card};
    use crate::protocol::lwm2m::{Entry, Path, Value};

    let text = "bootstrap = { mode = \"smartcard\", card = { file = \"cards/{index}.bin\" } }";
    let scenario = good(text, &["fleet.meters=2"]);
    assert_eq!(scenario.card_files(), ["cards/0.bin", "cards/1.bin"]);
    let card = |id: u16| encode_card(&[Entry::new(Path::resource(1, 0, 0), Value::Integer(id.into()))]);
    let [first, second] = [101, 102].map(|id| card(id).expect("a plain value"));
    let bad = scenario.clone().carded(vec![first.clone(), vec![0, 1, 0]]);
    let said = bad.expect_err("no card").to_string();
    assert!(said.starts_with("cards/1.bin: is no card: the card ends in the middle"), "{said}");
    let found = |scenario: Scenario, meter: u32, second: u64| {
        let provision = scenario.client_config(Places::default()).provision.expect("cards");
        provision.card(meter, Instant::ZERO + Duration::from_secs(second))
    };
    let carded = scenario.carded(vec![first.clone(), second.clone()]).expect("two cards");
    assert_eq!(found(carded.clone(), 0, 0), Card::Present(first.into()));
    assert_eq!(found(carded.clone(), 1, 0), Card::Present(second.clone().into()));
    let mut exchanged = carded.clone();
    exchanged.bootstrap.card.exchanged_at = Some(Span::from_secs(9));
    assert_eq!(found(exchanged.clone(), 1, 8), Card::Present(second.clone().into()));
    assert_ne!(found(exchanged, 1, 9), Card::Present(second.into()));
    let mut missing = carded;
    missing.bootstrap.card.missing = "100%".parse().expect("a share");
    assert_eq!(found(missing, 0, 0), Card::Missing);
    // What a card holds is shown nowhere.
    let made = good("bootstrap.mode = \"smartcard\"", &[]).client_config(Places::default());
    assert!(format!("{:?}", made.provision).contains("Cards(1 of "), "{:?}", made.provision);
}

#[test]
fn shares_of_cards_are_drawn_from_the_seed() {
    use crate::base::Instant;
    use crate::protocol::client::Card;

    let text = "bootstrap = { mode = \"smartcard\", card = { missing = \"20%\", unreadable = \"30%\" } }";
    let scenario = good(text, &["fleet.meters=10000"]);
    let cards = |scenario: &Scenario| -> Vec<Card> {
        let provision = scenario.client_config(Places::default()).provision.expect("cards");
        (0..10_000).map(|meter| provision.card(meter, Instant::ZERO)).collect()
    };
    let drawn = cards(&scenario);
    let count = |wanted: &Card| drawn.iter().filter(|card| *card == wanted).count();
    assert!((1_800..2_200).contains(&count(&Card::Missing)), "{}", count(&Card::Missing));
    assert!((2_800..3_200).contains(&count(&Card::Unreadable)), "{}", count(&Card::Unreadable));
    assert_eq!(drawn, cards(&scenario));
    assert_ne!(drawn, cards(&good(text, &["fleet.meters=10000", "run.seed=2"])));
}

#[test]
fn remote_servers_need_permission_and_addresses_for_all() {
    let text = "allow_remote = true\nfleet.meters = 100\nservers.bootstrap = \"coap://192.0.2.1\"\n";
    assert!(good(text, &[]).servers.bootstrap.uri().is_some_and(|uri| !uri.is_loopback()));
    // A name may turn out to be loopback: the gate in `transport` will know.
    assert!(load_with("servers.bootstrap = \"coap://localhost\"", &[]).is_ok());
    let few = mistake(text, &["local.addresses=[\"192.0.2.8\"]", "local.ports=1000-1098"]);
    assert!(
        few.contains(
            "local.addresses = [\"192.0.2.8\"]: times 99 ports make 99 source addresses for 100 meters"
        ),
        "{few}"
    );
    assert!(load_with(text, &["local.addresses=[\"192.0.2.8\"]", "local.ports=1000-1099"]).is_ok());
}

#[test]
fn the_plan_knows_how_meters_are_told_apart() {
    // One socket of its own per meter shows as as many descriptors.
    let sockets = |set: &[&str]| {
        let mut set = set.to_vec();
        set.extend(["fleet.meters=900", "allow_remote=true", "run.shards=1"]);
        good("", &set).plan().descriptors() / 100
    };
    assert_eq!(sockets(&[]), 0);
    assert_eq!(sockets(&["servers.bootstrap=coap://127.0.0.9", "servers.ems=coap://127.0.0.1:9"]), 0);
    assert_eq!(sockets(&["servers.embedded.ems_listen=[::1]:0"]), 9);
    assert_eq!(sockets(&["servers.bootstrap=coap://192.0.2.1"]), 9);
    assert_eq!(sockets(&["servers.ems=coap://ems.example.org"]), 9);
    let listed = [
        "servers.bootstrap=coap://192.0.2.1",
        "local.addresses=[\"192.0.2.8\", \"192.0.2.9\", \"192.0.2.10\"]",
    ];
    assert_eq!(sockets(&listed), 3);
}

#[test]
fn a_goal_is_a_whole_number_of_meters() {
    let share = |text: &str| Goal::Share(text.parse().expect(text));
    assert_eq!(Goal::All.needed(2_000), 2_000);
    assert_eq!(share("99.9%").needed(1_000), 999);
    assert_eq!(share("99.9%").needed(1_001), 1_000);
    assert_eq!(share("100%").needed(16_000_000), 16_000_000);
    assert_eq!(share("0%").needed(5), 0);
    assert!(share("50%").is_reached(1, 2) && !share("51%").is_reached(1, 2));
}

#[test]
fn giving_up_takes_as_long_as_the_rfc_says() {
    assert_eq!(good("", &[]).coap.give_up_after(), Duration::from_secs(93));
    assert_eq!(good("", &["coap.max_retransmit=0"]).coap.give_up_after(), Duration::from_secs(3));
}

/// Assignments that are good, alone and together.
fn any_assignment() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..16_000_000_u32).prop_map(|n| format!("fleet.meters={n}")),
        (1..9_u32).prop_map(|n| format!("fleet.endpoint=meter\\\"#{{index:0{n}}}")),
        (1..1_000_000_u32).prop_map(|n| format!("fleet.lifetime={n}s")),
        (0..3_u32).prop_map(|minor| format!("fleet.lwm2m=1.{minor}")),
        (100..10_000_u32).prop_map(|n| format!("arrivals.rate={}/s", f64::from(n) / 7.0)),
        Just("arrivals.process=poisson".to_owned()),
        (0..1_000_000_u64).prop_map(|n| format!("run.hold={n}ms")),
        (0..1_000_u32).prop_map(|n| format!("run.goal={}%", f64::from(n) / 10.0)),
        (0..=i64::MAX).prop_map(|n| format!("run.seed={n}")),
        (1..100_u32).prop_map(|n| format!("run.shards={n}")),
        Just("servers.bootstrap=coap://[::1]:99".to_owned()),
        Just("servers.ems=coap://ems.example.org".to_owned()),
        Just("servers.embedded.bootstrap_listen=[::1]:0".to_owned()),
        Just("servers.ems_server.interview=observe".to_owned()),
        Just("servers.bootstrap_server.manners.late=0.5%".to_owned()),
        Just("bootstrap.mode=factory".to_owned()),
        Just("fleet.behaviour=zephyr".to_owned()),
        (1..9_u32).prop_map(|n| format!("servers.bootstrap_server.extra./4/0/0={n}")),
        (0..99_u32).prop_map(|n| format!("report.stored={n}")),
        (1.0..10.0_f64).prop_map(|n| format!("coap.ack_random_factor={n}")),
        (10..60_000_u32).prop_map(|n| format!("coap.ack_timeout={n}ms")),
        (0..=10_u32).prop_map(|n| format!("coap.max_retransmit={n}")),
        (10..1_000_000_u32).prop_map(|n| format!("retry.bootstrap_initial={n}ms")),
        "[a-z \"'\\\\]{0,9}".prop_map(|text| format!("description={text}")),
    ]
}

proptest! {
    #[test]
    fn a_resolved_scenario_loads_as_itself(set in proptest::collection::vec(any_assignment(), 0..12)) {
        let overrides = Overrides { set, seed: None };
        let scenario = load("storm.toml", "", &overrides, 3);
        prop_assert!(scenario.is_ok(), "{:?}", scenario);
        let scenario = scenario.expect("just checked");
        // Elsewhere, under another name, on another machine.
        prop_assert_eq!(load("other.toml", &scenario.to_toml(), &Overrides::default(), 7), Ok(scenario));
    }

    #[test]
    fn no_text_panics(text in "([a-z_]{1,8}|[\\[\\]{}=.\"#\n0-9é ]|fleet|run|meters|hold){0,30}", set in ".{0,20}") {
        let overrides = Overrides { set: vec![set], seed: None };
        if let Err(error) = load("storm.toml", &text, &overrides, 2) {
            prop_assert!(!error.hint.is_empty() && !error.problem.is_empty());
        }
    }
}
