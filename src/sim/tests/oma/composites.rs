//! Read-Composite and Write-Composite: cases 229 to 281 as far as they are about them.

use super::*;

#[test]
fn int_229_read_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let found = rig.read_composite(format, &["/3", "/1/0", "/1/0/1", "/3/0/11/0"]);
        assert_eq!(found, [held("/1"), held("/3")].concat());
    }
}

#[test]
fn int_230_write_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let values = [
            integer("/1/0/1", 61),
            boolean("/1/0/6", true),
            entry("/11/0/8/0", "aa"),
            entry("/11/0/8/1", "bb"),
            entry("/11/0/8/2", "cc"),
            entry("/11/0/8/3", "dd"),
        ];
        assert_eq!(rig.write_composite(format, &values), Code::CHANGED);
        rig.expect_lifetime(61);
        holds(&rig.read("/1/0", format), &values[..2]);
        holds(&rig.read("/11", format), &values[2..]);
    }
}

#[test]
fn int_235_read_composite_operation_on_root_path() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let found = rig.read_composite(format, &["/"]);
        assert_eq!(found, [server_object(), device()].concat());
        assert!(found.iter().all(|entry| !matches!(entry.path.ids()[0], 0 | 21 | 23)));
    }
}

#[test]
fn int_236_read_composite_partial_presence() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let paths = ["/1/0", "/1/0/1", "/3/0/11/0", "/3339/0/5522", "/3353/0/6030"];
        let found = rig.read_composite(format, &paths);
        assert_eq!(found, [held("/1"), held("/3/0/11/0")].concat());
    }
}

#[test]
fn int_257_write_composite_operation() {
    let json: &[u8] = br#"[{"bn":"/","n":"1/0/2","v":101},{"n":"1/0/6","vb":true},{"n":"3/0/13","v":0}]"#;
    let cbor: &[u8] = b"\x83\xa3\x21\x61/\x00\x651/0/2\x02\x18\x65\xa2\x00\x651/0/6\x04\xf5\
        \xa2\x00\x663/0/13\x02\x00";
    let values = [integer("/1/0/2", 101), boolean("/1/0/6", true), Entry::new(at("/3/0/13"), Value::Time(0))];
    for version in LATER {
        for (format, payload) in [(ContentFormat::SENML_JSON, json), (ContentFormat::SENML_CBOR, cbor)] {
            let mut rig = Rig::registered(version);
            assert_eq!(rig.read("/1", format), held("/1"));
            assert_eq!(rig.read("/3", format), held("/3"));
            let write = request(Code::IPATCH, "/").with_content_format(format).with_payload(payload.to_vec());
            assert_eq!(rig.ask(write).code(), Code::CHANGED);
            holds(&rig.read("/1", format), &values[..2]);
            holds(&rig.read("/3", format), &values[2..]);
        }
        // All or nothing.
        let mut rig = Rig::registered(version);
        let refused = [integer("/1/0/0", 123), integer("/1/0/2", 101)];
        assert_eq!(rig.write_composite(ContentFormat::SENML_CBOR, &refused), Code::METHOD_NOT_ALLOWED);
        assert_eq!(rig.read("/1", ContentFormat::SENML_CBOR), held("/1"));
    }
}

#[test]
fn int_280_successful_read_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        let found = rig.read_composite(format, &["/3/0/16", "/3/0/11/0", "/1/0"]);
        assert_eq!(found, [held("/1/0"), held("/3/0/11/0"), held("/3/0/16")].concat());
    }
}

#[test]
fn int_281_partially_successful_read_composite_operation() {
    for (version, format) in in_senml() {
        let mut rig = Rig::registered(version);
        // /1/0/8 is there to be executed, not read.
        let found = rig.read_composite(format, &["/1/0/1", "/1/0/7", "/1/0/8"]);
        assert_eq!(found, [integer("/1/0/1", LIFETIME), entry("/1/0/7", "U")]);
    }
}
