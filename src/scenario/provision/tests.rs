use proptest::prelude::*;

use super::*;

fn good(file: &str, text: &str) -> Provisioning {
    Provisioning::parse(file, text).unwrap_or_else(|error| panic!("{error}"))
}

fn mistake(file: &str, text: &str) -> String {
    Provisioning::parse(file, text).expect_err("a mistake").message()
}

fn shown(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| format!("{} {:?}", entry.path, entry.value)).collect()
}

const CSV: &str = "\
# keys of the first delivery
endpoint,bootstrap_uri,bootstrap_identity,bootstrap_key,/3/0/2
meter-a,coap://127.0.0.1:5783,ident,00112233,SN 1

,,,,\"SN, \"\"2\"\"\"\r
";

#[test]
fn a_row_of_csv_is_a_meter() {
    let file = good("meters.csv", CSV);
    assert_eq!(file.rows(), Some(2));
    let first = [
        "/0/0/0 String(\"coap://127.0.0.1:5783\")",
        "/0/0/2 Integer(0)",
        "/0/0/3 Opaque(5 B)",
        "/0/0/5 Opaque(4 B)",
        "/3/0/2 String(\"SN 1\")",
    ];
    assert_eq!(shown(&file.own(0)), first);
    assert_eq!(shown(&file.own(1)), ["/3/0/2 String(\"SN, \\\"2\\\"\")"]);
    assert!(file.own(2).is_empty() && file.own(u32::MAX).is_empty());
    let names = file.names(&"m{index}".parse().expect("a template"));
    assert_eq!([names.name(0), names.name(1)], ["meter-a", "m1"]);
    assert_eq!((file.secured(2), file.secured(1)), (1, 1));
    assert_eq!(file.bootstrap_uris(2).len(), 1);
}

const TOML: &str = r#"
[template]
endpoint = "meter-{index:03}"
"/3/0/2" = "SN-{index:08}"
"/0/0/11" = 5

[[meter]]
bootstrap_uri = "coap://127.0.0.1:5783"
"/0/0/11" = 7

[[meter]]
endpoint = "the-second"
"#;

#[test]
fn a_template_is_for_all_unless_a_row_says_otherwise() {
    let file = good("meters.toml", TOML);
    assert_eq!(file.rows(), Some(2));
    let first =
        ["/0/0/0 String(\"coap://127.0.0.1:5783\")", "/0/0/11 Integer(7)", "/3/0/2 String(\"SN-00000000\")"];
    assert_eq!(shown(&file.own(0)), first);
    assert_eq!(shown(&file.own(1)), ["/0/0/11 Integer(5)", "/3/0/2 String(\"SN-00000001\")"]);
    let names = file.names(&"m{index}".parse().expect("a template"));
    assert_eq!([names.name(0), names.name(1)], ["meter-000", "the-second"]);
    let template = good("all.toml", "template = { \"/3/0/2\" = \"{index}\" }");
    assert_eq!((template.rows(), template.own(77).len()), (None, 1));
    assert_eq!(template.misfit(1000), None);
    let keys = "template = { bootstrap_identity = \"x\", bootstrap_key = \"0{index}\" }";
    assert_eq!(
        good("all.toml", keys).misfit(1000).map(|(number, path, _)| (number, path.to_string())),
        Some((10, "/0/0/5".to_owned()))
    );
}

#[test]
fn mistakes_name_file_line_column_and_key_and_show_no_value() {
    let cases = [
        ("m.csv", "endpoint\na\nb\na", "m.csv:4:1: endpoint: is the name of another meter"),
        ("m.csv", "endpoint,/3/0/2\na", "m.csv:2:1: the row has 1 cells and not 2"),
        ("m.csv", "endpont\na", "m.csv:1:1: endpont: is no column of a provisioning file"),
        ("m.csv", "endpoint,endpoint\na,b", "m.csv:1:10: endpoint: is there twice"),
        ("m.csv", "bootstrap_key,/0/0/5\n,", "m.csv:1:15: /0/0/5: is there twice"),
        ("m.csv", "endpoint,/0/0/11\nm,\n n,soon", "m.csv:3:4: /0/0/11: must be a whole number"),
        ("m.csv", "bootstrap_uri\nhttp://x", "m.csv:2:1: bootstrap_uri: "),
        ("m.csv", "identity\nsecret", "m.csv:2:1: identity: is there without the key of the account"),
        ("m.csv", "identity,key\na,secret", "m.csv:2:3: key: must be an even number of hex digits"),
        ("m.csv", "/3/0/2\n\"secret", "m.csv:2:1: the quotes that begin here are not closed"),
        ("m.csv", "/3/0/2\n\"secret\"x", "m.csv:2:9: a quoted cell goes on behind its quotes"),
        ("m.csv", "", "m.csv:1:1: has no header"),
        ("m.toml", "[[meter]]\nkey = \"5ec3e7\"", "m.toml:2:1: key: is there without the identity"),
        ("m.toml", "[[meter]]\n\"/0/0/11\" = \"secret\"", "m.toml:2:1: /0/0/11: must be a whole number"),
        ("m.toml", "[[meter]]\nendpoint = secret", "m.toml:2:12: is not TOML"),
        ("m.toml", "meters = 3", "m.toml:1:1: meters: is not known"),
    ];
    for (file, text, message) in cases {
        let said = mistake(file, text);
        assert!(said.starts_with(message), "{text:?} said\n  {said}\nand not\n  {message}");
        assert!(!said.contains("secret"), "{said}");
    }
    let file = good("m.csv", "identity,key\nsecret,5ec3e7");
    assert!(!format!("{file:?} {:?}", file.own(0)).contains("ec"), "{file:?} {:?}", file.own(0));
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_a_mistake_with_its_line(
        text in "(endpoint|/3/0/2|/0/0/5|key|identity|[a-z0-9,\"\n\r#=\\[\\] é]){0,30}",
        toml: bool,
    ) {
        match Provisioning::parse(if toml { "m.toml" } else { "m.csv" }, &text) {
            Ok(file) => {
                for number in 0..5 {
                    file.own(number);
                }
            }
            Err(error) => {
                let mut parts = error.origin.split(':').skip(1).map(str::parse::<usize>);
                let line = parts.next().and_then(Result::ok).unwrap_or_default();
                let column = parts.next().and_then(Result::ok).unwrap_or_default();
                prop_assert!((1..=text.lines().count() + 1).contains(&line) && column > 0, "{}", error);
            }
        }
    }
}

#[test]
fn accounts_whose_mode_and_scheme_do_not_go_together_are_counted() {
    let rows = "endpoint,bootstrap_uri,bootstrap_identity,bootstrap_key,/0/1/2\n\
                a,,a,00112233445566778899aabbccddeeff,\n\
                b,coaps://127.0.0.1,b,00112233445566778899aabbccddeeff,\n\
                c,coap://127.0.0.1,c,00112233445566778899aabbccddeeff,\n\
                d,,,,2\n\
                e,,,,\n";
    let file = Provisioning::parse("rows.csv", rows).expect("a good file");
    let at_odds = |meters, scheme: Scheme| file.at_odds(meters, |_| Some(scheme));
    // a and c have keys for a server without security, d a certificate.
    assert_eq!((at_odds(5, Scheme::Coap), at_odds(2, Scheme::Coap)), (3, 1));
    assert_eq!((at_odds(5, Scheme::Coaps), at_odds(5, Scheme::CoapsTcp)), (1, 2));
    assert_eq!(file.at_odds(5, |_| None), 1);
}
