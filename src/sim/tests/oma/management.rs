//! Device Management & Service Enablement: cases 201 to 266, without composites.

use super::*;

/// What the cases that query basic information want of /3/0.
fn basic_information() -> Vec<Entry> {
    device().into_iter().filter(|entry| matches!(entry.path.ids(), [3, 0, 0..=3 | 11 | 16, ..])).collect()
}

/// The values of /1/0 that cases set: what they set, in the object instance.
fn other_settings() -> Vec<Entry> {
    vec![
        integer("/1/0/2", 101),
        integer("/1/0/3", 1010),
        integer("/1/0/5", 2000),
        boolean("/1/0/6", true),
        entry("/1/0/7", "U"),
    ]
}

/// What a server may write of /1/0, as it is at first.
fn first_settings() -> Vec<Entry> {
    server_object().into_iter().filter(|entry| entry.path != at("/1/0/0")).collect()
}

// ----- one format each ----------------------------------------------------------------------------

#[test]
fn int_201_querying_basic_information_in_plain_text() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.payload("/3/0/0", ContentFormat::TEXT), b"bootstorm");
        assert_eq!(rig.payload("/3/0/1", ContentFormat::TEXT), b"simulated meter");
        assert_eq!(rig.payload("/3/0/2", ContentFormat::TEXT), b"serial-1");
        // Text is for one value.
        assert_eq!(rig.read_message("/3/0", ContentFormat::TEXT).code(), Code::NOT_ACCEPTABLE);
    }
}

#[test]
fn int_203_querying_basic_information_in_tlv_format() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        let payload = rig.payload("/3/0", ContentFormat::TLV);
        // A resource with value (bits 7-6: 11), identifier and length field of 8 bits, nine bytes.
        assert!(payload.starts_with(b"\xc8\x00\x09bootstorm"), "{payload:02x?}");
        // A multiple resource (10) of one instance (01) with one byte.
        assert!(payload.windows(5).any(|part| part == b"\x83\x0b\x41\x00\x00"), "{payload:02x?}");
        assert!(payload.windows(3).any(|part| part == b"\xc1\x10U"), "{payload:02x?}");
        holds(&rig.read("/3/0", ContentFormat::TLV), &basic_information());
    }
}

#[test]
fn int_204_querying_basic_information_in_json_format() {
    let mut rig = Rig::registered(Version::V1_0);
    let payload = rig.payload("/3/0", ContentFormat::OMA_JSON);
    let text = String::from_utf8(payload).expect("JSON is text");
    assert!(text.contains(r#""bn":"/3/0"#) && text.contains(r#"{"n":"0","sv":"bootstorm"}"#), "{text}");
    holds(&rig.read("/3/0", ContentFormat::OMA_JSON), &basic_information());
    // Later versions must not have it.
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.read_message("/3/0", ContentFormat::OMA_JSON).code(), Code::NOT_ACCEPTABLE);
    }
}

#[test]
fn int_205_setting_basic_information_in_plain_text() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        for values in [["101", "1010", "2000"], ["1", "10", "86400"]] {
            for (path, value) in ["/1/0/2", "/1/0/3", "/1/0/5"].into_iter().zip(values) {
                assert_eq!(rig.put(path, ContentFormat::TEXT, value), Code::CHANGED, "{path}");
                assert_eq!(rig.payload(path, ContentFormat::TEXT), value.as_bytes(), "{path}");
            }
        }
        assert_eq!(rig.read("/1/0", ContentFormat::TLV), server_object());
        assert_eq!(rig.put("/1/0/2", ContentFormat::TEXT, "soon"), Code::BAD_REQUEST);
        assert_eq!(rig.value("/1/0/2"), Value::Integer(1));
    }
}

#[test]
fn int_211_querying_basic_information_in_cbor_format() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.payload("/1/0/0", ContentFormat::CBOR), [0x01]);
        assert_eq!(rig.payload("/1/0/6", ContentFormat::CBOR), [0xf4]);
        assert_eq!(rig.payload("/1/0/7", ContentFormat::CBOR), *b"\x61U");
        assert_eq!(rig.read_message("/1/0", ContentFormat::CBOR).code(), Code::NOT_ACCEPTABLE);
    }
}

#[test]
fn int_212_setting_basic_information_in_cbor_format() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.put("/1/0/2", ContentFormat::CBOR, [0x18, 101]), Code::CHANGED);
        assert_eq!(rig.put("/1/0/3", ContentFormat::CBOR, [0x19, 0x03, 0xf2]), Code::CHANGED);
        assert_eq!(rig.put("/1/0/6", ContentFormat::CBOR, [0xf5]), Code::CHANGED);
        let settings = rig.read("/1/0", ContentFormat::SENML_CBOR);
        holds(&settings, &[integer("/1/0/2", 101), integer("/1/0/3", 1010), boolean("/1/0/6", true)]);
        assert_eq!(rig.put("/1/0/2", ContentFormat::CBOR, *b"\x61U"), Code::BAD_REQUEST);
    }
}

/// Sets /1/0 in part by `payload`, and back as it was.
fn set_and_restore(version: Version, format: ContentFormat, payload: &[u8]) {
    let mut rig = Rig::registered(version);
    assert_eq!(rig.read("/1/0", format), server_object());
    assert_eq!(rig.post("/1/0", format, payload), Code::CHANGED);
    // The binding was written, and is the same.
    rig.wait(SOON);
    let set = rig.read("/1/0", format);
    holds(&set, &other_settings());
    // What the payload does not name stays.
    holds(&set, &[integer("/1/0/0", 1), integer("/1/0/1", LIFETIME)]);
    assert_eq!(rig.write("/1/0", format, &first_settings()), Code::CHANGED);
    assert_eq!(rig.read("/1/0", format), server_object());
}

#[test]
fn int_215_setting_basic_information_in_tlv_format() {
    for version in ALL {
        let payload = [
            &[0xc1, 0x02, 101][..],
            &[0xc2, 0x03, 0x03, 0xf2],
            &[0xc2, 0x05, 0x07, 0xd0],
            &[0xc1, 0x06, 1],
            &[0xc1, 0x07, b'U'],
        ];
        set_and_restore(version, ContentFormat::TLV, &payload.concat());
    }
}

#[test]
fn int_220_setting_basic_information_in_json_format() {
    let payload = br#"{"bn":"/1/0/","e":[{"n":"2","v":101},{"n":"3","v":1010},{"n":"5","v":2000},
        {"n":"6","bv":true},{"n":"7","sv":"U"}]}"#;
    set_and_restore(Version::V1_0, ContentFormat::OMA_JSON, payload);
    for version in LATER {
        let mut rig = Rig::registered(version);
        let refused = rig.post("/1/0", ContentFormat::OMA_JSON, &payload[..]);
        assert_eq!(refused, Code::UNSUPPORTED_CONTENT_FORMAT);
        assert_eq!(rig.value("/1/0/2"), Value::Integer(1));
    }
}

// ----- what may be asked of what -------------------------------------------------------------------

#[test]
fn int_221_attempt_to_perform_operations_on_security() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.read_message("/0", None).code(), Code::UNAUTHORIZED);
        assert_eq!(rig.read_message("/0/0", None).code(), Code::UNAUTHORIZED);
        assert_eq!(rig.put("/0/0/0", ContentFormat::TEXT, "coap://192.0.2.1"), Code::UNAUTHORIZED);
        assert_eq!(rig.attach("/0?pmin=30&pmax=45"), Code::UNAUTHORIZED);
        let tree = rig.world.meter(0).client().tree();
        assert_eq!(tree.get(at("/0/0/0")), Some(&"coap://127.0.0.1:5683".into()));
    }
}

#[test]
fn int_222_read_on_object() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.read("/1", ContentFormat::TLV), held("/1"));
        assert_eq!(rig.read("/3", ContentFormat::TLV), held("/3"));
        // All instances, where there are several.
        assert_eq!(rig.read("/10243", ContentFormat::TLV), held("/10243"));
        assert_eq!(rig.read_message("/16", None).code(), Code::NOT_FOUND);
    }
}

#[test]
fn int_223_read_on_object_instance() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.read("/1/0", ContentFormat::TLV), held("/1/0"));
        assert_eq!(rig.read("/3/0", ContentFormat::TLV), held("/3/0"));
        assert_eq!(rig.read("/10243/1", ContentFormat::TLV), held("/10243/1"));
        assert_eq!(rig.read_message("/1/5", None).code(), Code::NOT_FOUND);
    }
}

#[test]
fn int_224_read_on_resource() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        for path in ["/1/0/0", "/1/0/1", "/1/0/6", "/1/0/7", "/3/0/16"] {
            assert_eq!(rig.read(path, ContentFormat::TEXT), held(path));
            assert_eq!(rig.read(path, ContentFormat::TLV), held(path));
        }
        assert_eq!(rig.read_message("/1/0/8", None).code(), Code::METHOD_NOT_ALLOWED);
        assert_eq!(rig.read_message("/1/0/99", None).code(), Code::NOT_FOUND);
    }
}

#[test]
fn int_225_read_on_resource_instance() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.payload("/3/0/11/0", ContentFormat::TEXT), b"0");
        assert_eq!(rig.read("/3/0/7/1", ContentFormat::SENML_CBOR), [integer("/3/0/7/1", 5000)]);
        assert_eq!(rig.read_message("/3/0/11/1", None).code(), Code::NOT_FOUND);
    }
}

#[test]
fn int_226_write_partial_update_on_object_instance() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        let values = [integer("/1/0/1", 61), boolean("/1/0/6", true)];
        assert_eq!(rig.update("/1/0", ContentFormat::TLV, &values), Code::CHANGED);
        rig.expect_lifetime(61);
        let settings = rig.read("/1/0", ContentFormat::TLV);
        holds(&settings, &values);
        assert_eq!(settings.len(), server_object().len());
        let before = [integer("/1/0/1", LIFETIME), boolean("/1/0/6", false)];
        assert_eq!(rig.update("/1/0", ContentFormat::TLV, &before), Code::CHANGED);
        rig.expect_lifetime(LIFETIME);
        assert_eq!(rig.read("/1/0", ContentFormat::TLV), server_object());
    }
}

#[test]
fn int_227_write_replace_on_resource() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.put("/1/0/1", ContentFormat::TEXT, "63"), Code::CHANGED);
        rig.expect_lifetime(63);
        assert_eq!(rig.value("/1/0/1"), Value::Integer(63));
        assert_eq!(rig.put("/1/0/1", ContentFormat::TEXT, LIFETIME.to_string()), Code::CHANGED);
        rig.expect_lifetime(LIFETIME);
    }
}

#[test]
fn int_228_write_on_resource_instance() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.put("/11/0/8/1", ContentFormat::TEXT, "test"), Code::CHANGED);
        assert_eq!(rig.payload("/11/0/8/1", ContentFormat::TEXT), b"test");
        assert_eq!(rig.payload("/11/0/8/0", ContentFormat::TEXT), b"26201");
    }
    // 1.0 has no such paths.
    let mut rig = Rig::registered(Version::V1_0);
    assert_eq!(rig.put("/11/0/8/1", ContentFormat::TEXT, "test"), Code::METHOD_NOT_ALLOWED);
}

// ----- SenML -----------------------------------------------------------------------------------------

/// Four Reads in `format`, one of each level.
fn query(format: ContentFormat) {
    for version in LATER {
        let mut rig = Rig::registered(version);
        for path in ["/1", "/3/0", "/3/0/16", "/3/0/11/0"] {
            assert_eq!(rig.read(path, format), held(path), "{path}");
        }
    }
}

#[test]
fn int_231_querying_basic_information_in_senml_json_format() {
    query(ContentFormat::SENML_JSON);
    let mut rig = Rig::registered(Version::V1_1);
    let payload = rig.payload("/3/0/16", ContentFormat::SENML_JSON);
    let text = String::from_utf8(payload).expect("JSON is text");
    assert!(text.starts_with('[') && text.contains(r#""vs":"U""#), "{text}");
}

#[test]
fn int_232_querying_basic_information_in_senml_cbor_format() {
    query(ContentFormat::SENML_CBOR);
    let mut rig = Rig::registered(Version::V1_1);
    // Label 3 is a string.
    let payload = rig.payload("/3/0/16", ContentFormat::SENML_CBOR);
    assert!(payload.ends_with(b"\x03\x61U"), "{payload:02x?}");
}

/// Three Writes in `format`, to an instance, a resource instance and a resource.
fn set(format: ContentFormat) {
    for version in LATER {
        let mut rig = Rig::registered(version);
        let values = [integer("/1/0/1", 61), boolean("/1/0/6", true)];
        assert_eq!(rig.update("/1/0", format, &values), Code::CHANGED);
        rig.expect_lifetime(61);
        holds(&rig.read("/1", format), &values);
        let value = [entry("/11/0/8/0", "test_value")];
        assert_eq!(rig.write("/11/0/8/0", format, &value), Code::CHANGED);
        holds(&rig.read("/11", format), &[value[0].clone(), entry("/11/0/8/1", "26202")]);
        assert_eq!(rig.write("/1/0/1", format, &[integer("/1/0/1", 63)]), Code::CHANGED);
        rig.expect_lifetime(63);
        assert_eq!(rig.read("/1/0/1", format), [integer("/1/0/1", 63)]);
    }
}

#[test]
fn int_233_setting_basic_information_in_senml_cbor_format() {
    set(ContentFormat::SENML_CBOR);
}

#[test]
fn int_234_setting_basic_information_in_senml_json_format() {
    set(ContentFormat::SENML_JSON);
}

#[test]
fn int_237_read_on_object_without_specifying_content_type() {
    for (version, choice) in
        ALL.into_iter().zip([ContentFormat::TLV, ContentFormat::SENML_CBOR, ContentFormat::SENML_CBOR])
    {
        let mut rig = Rig::registered(version);
        for path in ["/1", "/3"] {
            let answer = rig.read_message(path, None);
            assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(choice)));
            assert_eq!(content::decode(choice, at(path), answer.payload()), Ok(held(path)));
        }
    }
}

#[test]
fn int_241_executable_resource_rebooting_the_device() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.execute("/3/0/4"), Code::CHANGED);
        let register = rig.expect_register();
        assert_eq!(register.query("ep"), Some(ENDPOINT));
        assert_eq!(rig.payload("/3/0/0", ContentFormat::TEXT), b"bootstorm");
    }
}

#[test]
fn int_256_write_operation_failure() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.put("/1/0/0", ContentFormat::TEXT, "123"), Code::METHOD_NOT_ALLOWED);
        assert_eq!(rig.value("/1/0/0"), Value::Integer(1));
    }
}

// ----- discover -----------------------------------------------------------------------------------

/// The resources of /3/0 of the rig, those without values included, as every Discover names them.
const RESOURCES: &str = "</3/0/0>,</3/0/1>,</3/0/2>,</3/0/3>,</3/0/4>,</3/0/5>,</3/0/6>;dim=2,</3/0/7>;dim=2,\
    </3/0/8>;dim=2,</3/0/9>,</3/0/10>,</3/0/11>;dim=1,</3/0/12>,</3/0/13>,</3/0/14>,</3/0/15>,</3/0/16>,\
    </3/0/17>,</3/0/20>,</3/0/21>";

/// The links of `head` and of the resources of /3/0, `more` of which say more than usual.
fn listing(head: &[&str], more: &[&str]) -> Vec<String> {
    let named = |link: &str| link.split(';').next().unwrap_or_default().to_owned();
    let resources = RESOURCES
        .split(',')
        .map(|link| more.iter().find(|other| named(other) == named(link)).copied().unwrap_or(link));
    head.iter().copied().chain(resources).map(str::to_owned).collect()
}

#[test]
fn int_260_discover_command() {
    for version in ALL {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.discover("/3"), listing(&["</3>", "</3/0>"], &[]));
        assert_eq!(rig.attach("/3?pmin=10&pmax=200"), Code::CHANGED);
        assert_eq!(rig.discover("/3/0"), listing(&["</3/0>;pmin=10;pmax=200"], &[]));
        assert_eq!(rig.attach("/3/0/7?lt=1&gt=6&st=1"), Code::CHANGED);
        let attached = "</3/0/7>;dim=2;gt=6;lt=1;st=1";
        assert_eq!(rig.discover("/3/0"), listing(&["</3/0>;pmin=10;pmax=200"], &[attached]));
        let resource = rig.discover("/3/0/7");
        assert_eq!(resource[0], "</3/0/7>;dim=2;pmin=10;pmax=200;gt=6;lt=1;st=1");
        // Resource instances came with 1.1.
        let instances: &[&str] = if version == Version::V1_0 { &[] } else { &["</3/0/7/0>", "</3/0/7/1>"] };
        assert_eq!(resource[1..], *instances);
    }
}

#[test]
fn int_261_write_attribute_operation_on_a_multiple_resource() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.discover("/3/0/11"), ["</3/0/11>;dim=1", "</3/0/11/0>"]);
        assert_eq!(rig.attach("/3?pmin=10&pmax=200"), Code::CHANGED);
        assert_eq!(rig.attach("/3/0?pmax=320"), Code::CHANGED);
        assert_eq!(rig.attach("/3/0/11/0?pmax=100&epmin=1&epmax=20"), Code::CHANGED);
        let instance = "</3/0/11/0>;pmax=100;epmin=1;epmax=20";
        assert_eq!(rig.discover("/3/0/11"), ["</3/0/11>;dim=1;pmin=10;pmax=320", instance]);
    }
}

#[test]
fn int_264_discover_depth_1() {
    let mut rig = Rig::registered(Version::V1_2);
    assert_eq!(rig.discover("/3?depth=1"), ["</3>", "</3/0>"]);
    assert_eq!(rig.attach("/3/0?pmax=200"), Code::CHANGED);
    assert_eq!(rig.discover("/3?depth=1"), ["</3>", "</3/0>;pmax=200"]);
}

#[test]
fn int_266_discover_depth_3() {
    let mut rig = Rig::registered(Version::V1_2);
    assert_eq!(rig.discover("/3?depth=2"), listing(&["</3>", "</3/0>"], &[]));
    assert_eq!(rig.attach("/3?pmin=10&pmax=200"), Code::CHANGED);
    assert_eq!(rig.attach("/3/0/7?lt=1&gt=6&st=1"), Code::CHANGED);
    assert_eq!(rig.attach("/3/0/7/1?gt=8"), Code::CHANGED);
    let links = rig.discover("/3?depth=3");
    for instance in ["</3/0/6/0>", "</3/0/6/1>", "</3/0/7/0>", "</3/0/8/1>", "</3/0/11/0>"] {
        assert!(links.iter().any(|link| link == instance), "{instance} in {links:?}");
    }
    assert!(links.iter().any(|link| link == "</3/0/7>;dim=2;gt=6;lt=1;st=1"), "{links:?}");
    assert!(links.iter().any(|link| link == "</3/0/7/1>;gt=8"), "{links:?}");
}
