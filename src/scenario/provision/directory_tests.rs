use std::sync::Arc;

use proptest::prelude::*;

use crate::protocol::server::Plan;
use crate::scenario::{Overrides, Scenario, load};

const TEXT: &str = r#"
[fleet]
lifetime = "300s"
[[servers.account]]
[[servers.account]]
priority = 1
[servers.bootstrap_server]
endpoints = []
extra = { "/3/0/15" = "Europe/Berlin", "/3/0/14" = "+01:00" }
[[servers.bootstrap_server.plan]]
endpoints = ["b*"]
accounts = [102]
sequence = ["delete /", "write security", "write server", "finish"]
"#;

fn scenario() -> Scenario {
    load("storm.toml", TEXT, &Overrides::default(), 2).unwrap_or_else(|error| panic!("{error}"))
}

fn directed(file: &str, text: &str) -> Scenario {
    scenario().directed(file, text).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(scenario: &Scenario, endpoint: &str) -> Arc<Plan> {
    let mut directory = scenario.bootstrap_config(&[]).directory;
    // As the embedded servers do when they know where they are.
    let uris = [(101, "coap://127.0.0.1:1".to_owned()), (102, "coap://127.0.0.1:2".to_owned())];
    directory.locate(&uris);
    directory.by_name[endpoint].clone()
}

/// The accounts in short: URI, ID, instance, and what is set besides.
fn accounts(plan: &Plan) -> Vec<String> {
    let account = plan.accounts.iter().map(|account| {
        let (uri, id, instance) = (&account.uri, account.short_server_id, account.instance);
        format!("{uri} {id} {instance:?} {:?} {:?}", account.security, account.server)
    });
    account.collect()
}

#[test]
fn a_row_changes_what_the_plan_of_its_endpoint_gives() {
    let text = "endpoint,uri,short_server_id,lifetime,identity,key,/1/1/7,/3/0/15,/4/0/0\n\
                a1,,,60,,,UQ,,\n\
                a2,coap://127.0.0.9,7,,,,,Europe/Lisbon,41\n\
                a3,,102,,me,00ff,,,\n\
                b1,,,90,,,,,\n";
    let scenario = directed("rows.csv", text);
    let extra = |plan: &Plan| -> Vec<String> {
        plan.extra.iter().map(|entry| format!("{} {:?}", entry.path, entry.value)).collect()
    };
    let a1 = plan(&scenario, "a1");
    assert_eq!(
        accounts(&a1),
        [
            "coap://127.0.0.1:1 101 Some(1) [] [(1, Integer(60)), (7, String(\"UQ\"))]",
            "coap://127.0.0.1:2 102 None [] [(13, Unsigned(1))]",
        ]
    );
    assert_eq!(extra(&a1), ["/3/0/14 String(\"+01:00\")", "/3/0/15 String(\"Europe/Berlin\")"]);
    let a2 = plan(&scenario, "a2");
    assert_eq!(accounts(&a2), ["coap://127.0.0.9 7 Some(1) [] []"]);
    assert_eq!(
        extra(&a2),
        ["/3/0/14 String(\"+01:00\")", "/3/0/15 String(\"Europe/Lisbon\")", "/4/0/0 Integer(41)"]
    );
    let a3 = plan(&scenario, "a3");
    let secured = "[(2, Integer(0)), (3, Opaque(2 B)), (5, Opaque(2 B))]";
    assert_eq!(accounts(&a3), [format!("coap://127.0.0.1:2 102 Some(1) {secured} [(13, Unsigned(1))]")]);
    let b1 = plan(&scenario, "b1");
    assert_eq!(accounts(&b1), ["coap://127.0.0.1:2 102 Some(1) [] [(13, Unsigned(1)), (1, Integer(90))]"]);
    assert_eq!(b1.sequence.len(), 4);
    assert_eq!(scenario.fitted.directory().map(|file| (file.rows(), file.secured())), Some((4, 1)));
}

#[test]
fn what_is_equal_is_kept_once() {
    let rows = (0..100_000).map(|row| format!("m{row},{}\n", 60 + row % 3));
    let text: String = std::iter::once("endpoint,lifetime\n".to_owned()).chain(rows).collect();
    let scenario = directed("rows.csv", &text);
    let file = scenario.fitted.directory().expect("a directory");
    assert_eq!((file.rows(), file.different()), (100_000, 3));
    let mut directory = scenario.bootstrap_config(&[]).directory;
    directory.locate(&[(101, "coap://127.0.0.1:1".to_owned())]);
    assert!(directory.by_name.values().all(|plan| plan.accounts[0].uri == "coap://127.0.0.1:1"));
    let plans: std::collections::BTreeSet<_> = directory.by_name.values().map(Arc::as_ptr).collect();
    assert_eq!((directory.by_name.len(), plans.len()), (100_000, 3));
}

#[test]
fn mistakes_name_file_line_column_and_key() {
    let cases = [
        ("d.csv", "endpoint\na\na", "d.csv:3:1: endpoint: has a row already"),
        ("d.csv", "lifetime\n60", "d.csv:2:1: endpoint: is missing in this row"),
        ("d.csv", "endpoint,lifetime\n,60", "d.csv:2:1: endpoint: is missing in this row"),
        ("d.csv", "endpoint,bootstrap_uri\na,", "d.csv:1:10: bootstrap_uri: is no column of a directory"),
        ("d.csv", "endpoint,/1/1/1,lifetime\na,,", "d.csv:1:17: lifetime: is there twice"),
        ("d.csv", "endpoint,/0/0/3\na,", "d.csv:1:10: /0/0/3: is not of the account: that is /0/1 and /1/1"),
        ("d.csv", "endpoint,lifetime\na,soon", "d.csv:2:3: lifetime: must be a whole number"),
        ("d.csv", "endpoint,uri\na,http://x", "d.csv:2:3: uri: "),
        ("d.csv", "endpoint,uri\na,coap://192.0.2.1", "d.csv:2:3: uri: is not on this machine"),
        (
            "d.csv",
            "endpoint,short_server_id\na,101\nb,7",
            "d.csv:3:3: short_server_id: is that of no account",
        ),
        ("d.csv", "endpoint,short_server_id\na,0", "d.csv:2:3: short_server_id: is out of the range"),
        ("d.csv", "endpoint,/3/0/15\na,x\nb,x", "d.csv:3:3: /3/0/15: is never written"),
        ("d.csv", "endpoint,identity\na,x", "d.csv:2:3: identity: is there without the key"),
        ("d.toml", "[[meter]]\nendpoint = 5", "d.toml:2:1: endpoint: must be a name"),
        ("d.toml", "[[meter]]\nlifetime = 60", "d.toml:1:1: endpoint: is missing in this row"),
        ("d.toml", "[template]\nlifetime = 60", "d.toml:1:2: template: is not for a directory"),
        ("d.toml", "[[rows]]", "d.toml:1:3: rows: is not known: there may be [[meter]]"),
    ];
    for (file, text, message) in cases {
        let said = scenario().directed(file, text).expect_err(text).message();
        assert!(said.starts_with(message), "{text:?} said\n  {said}\nand not\n  {message}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_directory_or_a_mistake(
        text in "(endpoint|lifetime|uri|short_server_id|/3/0/15|key|[a-z0-9,\"\n=\\[\\] é]){0,30}",
        toml: bool,
    ) {
        match scenario().directed(if toml { "d.toml" } else { "d.csv" }, &text) {
            Ok(scenario) => _ = scenario.bootstrap_config(&[]),
            Err(error) => prop_assert!(!error.problem.is_empty() && !error.hint.is_empty()),
        }
    }
}
