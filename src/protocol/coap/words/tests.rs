//! What is said of messages, and what is not.

use proptest::prelude::*;

use super::*;
use crate::protocol::coap::Token;

fn words(mut message: Message, kind: Type) -> String {
    message.address(kind, 4242, Token::new(&[0x0a, 0x1b]).expect("short"));
    message.in_words().to_string()
}

fn put(path: &[&str], format: ContentFormat, payload: &str) -> String {
    let put = Message::request(Code::PUT).with_path(path).with_content_format(format);
    words(put.with_payload(payload.into()), Type::Con)
}

#[test]
fn a_line_says_what_a_message_is() {
    let register = Message::request(Code::POST)
        .with_path(&["rd"])
        .with_query("ep=m01")
        .with_query("lt=300")
        .with_content_format(ContentFormat::LINK)
        .with_payload(b"</1/0>,</3/0>".to_vec());
    assert_eq!(
        words(register, Type::Con),
        "CON 4242 POST /rd?ep=m01&lt=300 [token 0a1b] link-format 13 B: </1/0>,</3/0>"
    );
    let created = Message::response(Code::CREATED).with_location(&["rd", "5a3f"]);
    assert_eq!(words(created, Type::Ack), "ACK 4242 2.01 Created Location /rd/5a3f");
    let observe = Message::request(Code::FETCH).with_observe(0).with_accept(ContentFormat::SENML_CBOR);
    assert_eq!(words(observe, Type::Con), "CON 4242 FETCH / [token 0a1b] Observe 0 Accept senml+cbor");
    let mut block =
        Message::response(Code::CONTENT).with_observe(7).with_max_age(9).with_payload(vec![0; 64]);
    block.set_block2(Block { num: 0, more: true, szx: 2 });
    assert_eq!(
        words(block, Type::Non),
        "NON 4242 2.05 Content [token 0a1b] Observe 7 Max-Age 9 Block2 0/1/64 64 B"
    );
    let unknown = Message::request(Code(9)).with_no_response(26);
    assert_eq!(words(unknown, Type::Non), "NON 4242 0.09 / [token 0a1b] No-Response 26");
}

#[test]
fn datagrams_of_every_kind_have_words() {
    for (datagram, said) in [
        (&[0x70, 0, 0, 17][..], "RST 17"),
        (&[0x60, 0, 0, 17], "ACK 17"),
        (&[0x40, 0, 0, 17], "CON 17 ping"),
        (&[0x16; 12], "not CoAP: version 0, 12 bytes"),
        (&[0x40], "not CoAP: shorter than a header, 1 byte"),
        (&[0x49, 1, 0, 1], "not CoAP: impossible token length, 4 bytes"),
    ] {
        assert_eq!(datagram_in_words(datagram), said);
    }
}

#[test]
fn what_comes_in_a_stream_has_words_whatever_the_pieces() {
    let bytes: [&[u8]; 8] = [
        &[0x40, 0xe1, 0x22, 0x04, 0x80, 0x20],
        &[0x01, 0xe2, 0x42],
        &[0x11, 0xe3, 0x42, 0x20],
        &[0x00, 0x00],
        &[0x21, 0x01, 0x07, 0xb1, b'3'],
        &[0x00, 0xff],
        &[0x20, 0xe4, 0x41, 0x0a],
        &[0x40, 0xe5, 0x21, 0x03, 0xff, b'?'],
    ];
    let said = [
        "CSM Max-Message-Size 1152 Block-Wise-Transfer",
        "Ping [token 42]",
        "Pong [token 42] Custody",
        "empty",
        "GET /3 [token 07]",
        "7.31",
        "Release Hold-Off 10",
        "Abort Bad-CSM-Option 3 1 B: ?",
    ];
    let mut reader = StreamWords::default();
    let mut read: Vec<_> = bytes.concat().iter().flat_map(|byte| reader.read(&[*byte])).collect();
    assert!(read.iter().all(|(_, message)| message.is_some()));
    // Nothing can be told of what follows what is no message.
    read.extend(reader.read(&[0x09, 0x01, 0x00, 0x00]));
    assert!(reader.read(&[0x00, 0x00]).is_empty());
    let words: Vec<&str> = read.iter().map(|(words, _)| &**words).collect();
    assert_eq!(words[..8], said);
    assert_eq!(words[8..], ["not CoAP: impossible token length"]);
}

#[test]
fn texts_are_cut_and_cannot_harm_a_terminal() {
    let name = put(&["3", "0", "14"], ContentFormat::TEXT, "+01\x1b[2J\n\u{202e}");
    assert!(name.ends_with(r"text 11 B: +01\u{1b}[2J\n\u{202e}"), "{name}");
    let long = put(&["3", "0", "14"], ContentFormat::TEXT, &"ä".repeat(121));
    assert!(long.ends_with(&format!("242 B: {}...", "ä".repeat(120))), "{long}");
    let odd = Message::request(Code::GET).with_path(&["a\nb"]);
    assert_eq!(words(odd, Type::Con), r"CON 4242 GET /a\nb [token 0a1b]");
}

#[test]
fn what_may_hold_a_key_is_shown_by_its_length() {
    let key = "c2VjcmV0";
    let secret = |line: &str| assert!(!line.contains(key), "{line}");
    for object in ["0", "21", "23", "24"] {
        secret(&put(&[object, "0", "5"], ContentFormat::TEXT, key));
        secret(&put(&["lwm2m", object, "0"], ContentFormat::TEXT, key));
        let record = format!(r#"[{{"bn":"/{object}/0/","n":"5","vd":"{key}"}}]"#);
        secret(&put(&[], ContentFormat::SENML_JSON, &record));
    }
    let response = |format: ContentFormat, payload: &str| {
        let content = Message::response(Code::CONTENT).with_content_format(format);
        words(content.with_payload(payload.into()), Type::Ack)
    };
    secret(&response(ContentFormat::TEXT, key));
    secret(&response(ContentFormat::OPAQUE, key));
    secret(&response(ContentFormat::SENML_JSON, &format!(r#"[{{"bn":"/","n":"0/0/5","vd":"{key}"}}]"#)));
    secret(&response(ContentFormat::SENML_JSON, &format!(r#"[{{"n":"0/0/5","vd":"{key}"}}]"#)));
    secret(&response(
        ContentFormat::SENML_JSON,
        &format!(r#"[{{"n":"/3/0/1"}},{{"n":"\/0\/0\/5","vd":"{key}"}}]"#),
    ));
    secret(&put(&["3", "0"], ContentFormat::OPAQUE, key));
    secret(&put(&["3", "0"], ContentFormat::TLV, key));
    // What cannot hold one is shown.
    assert!(put(&["1", "0", "1"], ContentFormat::TEXT, "300").ends_with("text 3 B: 300"));
    assert!(response(ContentFormat::SENML_JSON, r#"[{"bn":"/3/0/","n":"9","v":1}]"#).ends_with(r#""v":1}]"#));
    let refusal = Message::response(Code::BAD_REQUEST).with_payload(b"no ep".to_vec());
    assert_eq!(words(refusal, Type::Ack), "ACK 4242 4.00 Bad Request 5 B: no ep");
}

proptest! {
    #[test]
    fn any_datagram_has_a_line_of_printable_characters(
        datagram in proptest::collection::vec(any::<u8>(), 0..200), version: bool,
    ) {
        let mut datagram = datagram;
        if let (Some(first), true) = (datagram.first_mut(), version) {
            *first = 0x40 | *first & 0x32;
        }
        let line = datagram_in_words(&datagram);
        prop_assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
    }
}
