//! Messages to and from bytes.

use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

/// `message` as a datagram of this type, id and one-byte token.
fn encoded(mut message: Message, kind: Type, mid: u16, token: u8) -> Vec<u8> {
    message.address(kind, mid, Token::new(&[token]).expect("one byte"));
    message.encode()
}

const REGISTER: &str = "41020001B2 B27264 1128 396C776D326D3D312E32 066C743D333030 0665703D6D3031
                        FF 3C2F312F303E2C3C2F332F303E";

#[test]
fn known_frames_are_written_byte_for_byte() {
    let post = || Message::request(Code::POST);
    let frames = [
        (
            post().with_path(&["bs"]).with_query("ep=m01").with_query("pct=112"),
            Type::Con,
            0x1234,
            0xa1,
            "41021234A1 B26273 4665703D6D3031 077063743D313132",
        ),
        (Message::response(Code::CHANGED), Type::Ack, 0x1234, 0xa1, "61441234A1"),
        (post().with_path(&["bs"]), Type::Con, 7, 0xf1, "41020007F1 B26273"),
        (
            post()
                .with_path(&["rd"])
                .with_content_format(ContentFormat::LINK)
                .with_query("lwm2m=1.2")
                .with_query("lt=300")
                .with_query("ep=m01")
                .with_payload(b"</1/0>,</3/0>".to_vec()),
            Type::Con,
            1,
            0xb2,
            REGISTER,
        ),
        (
            Message::response(Code::CREATED).with_location(&["rd", "5a3f"]),
            Type::Ack,
            1,
            0xb2,
            "61410001B2 827264 0435613366",
        ),
        (post().with_path(&["rd", "5a3f"]), Type::Con, 2, 0xb3, "41020002B3 B27264 0435613366"),
        (post().with_path(&["1", "0", "9"]), Type::Con, 3, 0xb4, "41020003B4 B131 0130 0139"),
    ];
    for (message, kind, mid, token, hex) in frames {
        assert_eq!(encoded(message, kind, mid, token), bytes(hex), "{hex}");
        let read = Message::decode(&bytes(hex)).expect(hex);
        assert_eq!(read.encode(), bytes(hex), "{hex}");
    }
}

#[test]
fn a_register_is_read_part_by_part() {
    let message = Message::decode(&bytes(REGISTER)).expect("well-formed");
    assert_eq!((message.kind(), message.code(), message.mid()), (Type::Con, Code::POST, 1));
    assert_eq!(message.token().as_slice(), [0xb2]);
    assert!(message.path_is(&["rd"]));
    assert!(!message.path_is(&[]) && !message.path_is(&["rd", "5a3f"]) && !message.path_is(&["bs"]));
    assert_eq!(message.queries().collect::<Vec<_>>(), ["lwm2m=1.2", "lt=300", "ep=m01"]);
    assert_eq!(message.query("lt"), Some("300"));
    assert_eq!(message.query("l"), None);
    assert_eq!(message.content_format(), Some(ContentFormat::LINK));
    assert_eq!(message.accept(), None);
    assert_eq!(message.payload(), b"</1/0>,</3/0>");
    assert_eq!(message.unknown_critical(), None);
}

#[test]
fn observe_and_blocks_are_read() {
    let observe = Message::decode(&bytes("41010004B5 60 5133 0130 6170")).expect("well-formed");
    assert_eq!((observe.observe(), observe.accept()), (Some(0), Some(ContentFormat::SENML_CBOR)));
    assert_eq!(observe.path().collect::<Vec<_>>(), ["3", "0"]);
    let est = "41020005B6 BB2E77656C6C2D6B6E6F776E 03657374 0373656E 12011E 520119 A10E";
    let est = Message::decode(&bytes(est)).expect("well-formed");
    assert_eq!(est.block1(), Some(Block { num: 0, more: true, szx: 6 }));
    assert_eq!(est.content_format(), Some(ContentFormat(286)));
    assert_eq!(est.accept(), Some(ContentFormat(281)));
    assert_eq!(est.unknown_critical(), None);
}

#[test]
fn a_bare_query_key_has_an_empty_value() {
    let message = Message::request(Code::POST).with_query("Q").with_query("b=U").with_query("Qx=1");
    assert_eq!((message.query("Q"), message.query("b"), message.query("x")), (Some(""), Some("U"), None));
}

#[test]
fn each_breach_of_the_format_is_told() {
    let cases = [
        ("", Malformed::TooShort),
        ("400100", Malformed::TooShort),
        ("00010001", Malformed::Version),
        ("80010001", Malformed::Version),
        ("49010001 010203040506070809", Malformed::TokenLength),
        ("4F010001", Malformed::TokenLength),
        ("44010001 0102", Malformed::TokenLength),
        ("40000001 00", Malformed::Empty),
        ("41000001 AA", Malformed::Empty),
        ("40000001 FF61", Malformed::Empty),
        ("50000001", Malformed::Empty),
        ("40200001", Malformed::CodeClass),
        ("40C00001", Malformed::CodeClass),
        ("40E10001", Malformed::CodeClass),
        ("60010001", Malformed::TypeMismatch),
        ("70450001", Malformed::TypeMismatch),
        ("40010001 F0", Malformed::Options),
        ("40010001 B5", Malformed::Options),
        ("40010001 0F", Malformed::Options),
        ("40010001 E0FFFF", Malformed::Options),
        ("40010001 D1", Malformed::Options),
        ("40010001 FF", Malformed::PayloadMarker),
        ("40010001 B161 FF", Malformed::PayloadMarker),
        ("40010001 B1C3", Malformed::Utf8),
        ("40010001 D1 02 FF", Malformed::Utf8),
        ("60410001 81FE", Malformed::Utf8),
    ];
    for (hex, why) in cases {
        assert_eq!(Message::decode(&bytes(hex)).err(), Some(why), "{hex}");
    }
}

#[test]
fn an_option_that_ends_in_ff_is_no_payload_marker() {
    // ETag, and an unknown elective option with a two-byte delta.
    for hex in ["60450001 41FF", "60450001 E1 06F3 FF", "60450001 42 FFFF"] {
        let message = Message::decode(&bytes(hex)).expect(hex);
        assert!(message.payload().is_empty());
        assert_eq!(message.encode(), bytes(hex));
    }
}

#[test]
fn a_datagram_beyond_the_limit_is_too_long() {
    let datagram = bytes(REGISTER);
    assert!(Message::decode_within(&datagram, datagram.len()).is_ok());
    assert_eq!(Message::decode_within(&datagram, datagram.len() - 1).err(), Some(Malformed::TooLong));
}

#[test]
fn a_message_of_any_length_can_be_written() {
    let datagram = encoded(Message::request(Code::PUT).with_payload(body(5000)), Type::Con, 1, 1);
    assert_eq!(Message::decode(&datagram).expect("well-formed").payload(), body(5000));
}

#[test]
fn critical_options_are_recognised_or_shown() {
    let cases = [
        // If-Match is not implemented, OSCORE neither.
        ("40010001 10", Some(1)),
        ("40010001 90", Some(9)),
        // Unknown elective ones are nobody's concern.
        ("40010001 20", None),
        // Uri-Port of three bytes, empty Uri-Host, Accept of three bytes (RFC 7252 §5.4.3).
        ("40010001 73010203", Some(7)),
        ("40010001 30", Some(3)),
        ("40010001 D3 04 010203", Some(17)),
        // A second Accept (RFC 7252 §5.4.5); a second Uri-Path is as it should be.
        ("40010001 D1 04 28 01 28", Some(17)),
        ("40010001 B161 0162", None),
        // Uri-Host, Uri-Port.
        ("40010001 3161 4116", None),
    ];
    for (hex, unknown) in cases {
        assert_eq!(Message::decode(&bytes(hex)).expect(hex).unknown_critical(), unknown, "{hex}");
    }
}

#[test]
fn an_elective_option_of_a_wrong_length_is_passed_over() {
    // Content-Format of three bytes, Max-Age of five.
    let message = Message::decode(&bytes("40010001 C3010203 250102030405")).expect("well-formed");
    assert_eq!((message.content_format(), message.max_age()), (None, None));
    assert_eq!(message.unknown_critical(), None);
}

#[test]
fn what_is_shown_of_a_message_is_not_its_payload() {
    let message =
        Message::request(Code::PUT).with_path(&["0", "0", "5"]).with_payload(b"secret key".to_vec());
    let shown = format!("{message:?}");
    assert!(shown.contains("0.03") && shown.contains("/5") && shown.contains("10 B"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z0-9=/ü]{0,20}", 0..5)
}

/// Numbers near each other, and a delta of each length apart.
fn option_number() -> impl Strategy<Value = u16> {
    prop_oneof![0_u16..20, 250_u16..300, any::<u16>()]
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        path in texts(), queries in texts(), location in texts(), format: Option<u16>, accept: Option<u16>,
        max_age: Option<u32>, mid: u16, token in prop::collection::vec(any::<u8>(), 0..9),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let slices: Vec<&str> = path.iter().map(String::as_str).collect();
        let locations: Vec<&str> = location.iter().map(String::as_str).collect();
        let mut message = Message::request(Code::POST).with_path(&slices).with_location(&locations);
        for query in &queries {
            message = message.with_query(query);
        }
        if let Some(format) = format {
            message = message.with_content_format(ContentFormat(format));
        }
        if let Some(accept) = accept {
            message = message.with_accept(ContentFormat(accept));
        }
        if let Some(max_age) = max_age {
            message = message.with_max_age(max_age);
        }
        message = message.with_payload(payload.clone());
        let token = Token::new(&token).expect("at most eight");
        message.address(Type::Con, mid, token);
        let read = Message::decode(&message.encode()).expect("we read what we write");
        prop_assert_eq!((read.kind(), read.code(), read.mid(), read.token()), (Type::Con, Code::POST, mid, token));
        prop_assert!(read.path_is(&slices));
        prop_assert_eq!(read.queries().collect::<Vec<_>>(), queries);
        prop_assert_eq!(read.location().collect::<Vec<_>>(), location);
        prop_assert_eq!(read.content_format(), format.map(ContentFormat));
        prop_assert_eq!(read.accept(), accept.map(ContentFormat));
        prop_assert_eq!(read.max_age(), max_age);
        prop_assert_eq!(read.payload(), payload);
        prop_assert_eq!(read.unknown_critical(), None);
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_is_written_again(
        tail in prop::collection::vec(any::<u8>(), 0..80), first: u8, code: u8,
    ) {
        let mut datagram = vec![first, code];
        datagram.extend(tail);
        if let Ok(message) = Message::decode(&datagram) {
            prop_assert_eq!(message.encode(), datagram);
            // Reading every part of it must not panic either.
            let _ = (format!("{message:?}"), message.unknown_critical(), message.block1(), message.block2());
        }
    }

    #[test]
    fn options_added_in_any_order_are_written_as_by_another_implementation(
        options in prop::collection::vec((option_number(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        removed in option_number(), payload in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let (mut message, mut theirs) = (Message::request(Code::PUT), coap_lite::Packet::new());
        theirs.header.code = Code::PUT.0.into();
        for (number, value) in &options {
            message.options.add(*number, value);
            theirs.add_option((*number).into(), value.clone());
        }
        message.options.remove(|number| number == removed);
        theirs.clear_option(removed.into());
        message = message.with_payload(payload.clone());
        theirs.payload = payload;
        prop_assert_eq!(message.encode(), theirs.to_bytes_unlimited().expect("a message"));
        for (number, _) in &options {
            let ours: Vec<&[u8]> = message.options.values(*number).collect();
            let theirs = theirs.get_option((*number).into()).into_iter().flatten();
            prop_assert_eq!(ours, theirs.map(Vec::as_slice).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_we_read_is_what_another_implementation_reads(
        head in (0x40_u8..0x49, 1_u8..0x48), tail in prop::collection::vec(
            prop_oneof![0_u8..0x20, any::<u8>(), Just(0xd1), Just(0xe0), Just(0x1d), Just(0xff)], 2..40),
    ) {
        let mut datagram = vec![head.0, head.1];
        datagram.extend(tail);
        let theirs = coap_lite::Packet::from_bytes(&datagram);
        match (Message::decode(&datagram), theirs) {
            (Ok(ours), Ok(theirs)) => {
                let all = theirs.options().flat_map(|(number, values)| {
                    values.iter().map(|value| (*number, value.as_slice()))
                });
                prop_assert_eq!(ours.options.iter().collect::<Vec<_>>(), all.collect::<Vec<_>>());
                prop_assert_eq!(Some(ours.token()), Token::new(theirs.get_token()));
                prop_assert_eq!(ours.payload(), theirs.payload);
            }
            (Ok(_), Err(why)) => prop_assert!(false, "they refuse it: {why:?}"),
            // It takes a marker without a payload, and what only looks like text.
            (Err(why), Ok(_)) => prop_assert!(
                !matches!(why, Malformed::Options | Malformed::TokenLength), "we refuse it: {why}"),
            (Err(_), Err(_)) => {}
        }
    }
}
