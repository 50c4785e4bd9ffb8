//! Frames (RFC 8323 §3.2): as written in the reference, in any pieces, and what is none.

use proptest::prelude::*;

use super::frame::Measured;
use super::*;

#[test]
fn frames_are_those_of_the_rfc() {
    // A registration, as on datagrams but for the first bytes.
    let body = [
        0xb2, 0x72, 0x64, 0x11, 0x28, 0x39, 0x6c, 0x77, 0x6d, 0x32, 0x6d, 0x3d, 0x31, 0x2e, 0x32, 0x06, 0x6c,
        0x74, 0x3d, 0x33, 0x30, 0x30, 0x06, 0x65, 0x70, 0x3d, 0x6d, 0x30, 0x31, 0xff, 0x3c, 0x2f, 0x31, 0x2f,
        0x30, 0x3e, 0x2c, 0x3c, 0x2f, 0x33, 0x2f, 0x30, 0x3e,
    ];
    let register = [&[0xd1, 0x1e, 0x02, 0xb2][..], &body].concat();
    assert_eq!(register.len(), 47);
    assert_eq!(frame::measure(&register, 47), Ok(Measured::Whole(47)));
    let message = frame::decode(&register).expect("a registration");
    assert!(message.path_is(&["rd"]) && message.query("ep") == Some("m01"));
    assert_eq!((message.code(), message.token().as_slice()), (Code::POST, &[0xb2][..]));
    assert_eq!((message.payload(), frame::encode(&message)), (&b"</1/0>,</3/0>"[..], register));
    // §3.2, figure 6 and the smallest of all.
    for frame in [&[0x01, 0x43, 0x7f][..], &[0x00, 0x00]] {
        let message = frame::decode(frame).expect("well-formed");
        assert_eq!(frame::encode(&message), frame);
    }
}

#[test]
fn each_form_of_the_length_begins_where_the_one_before_ends() {
    for (length, first, rest) in [
        (12, 0xc0, &[][..]),
        (13, 0xd0, &[0]),
        (268, 0xd0, &[255]),
        (269, 0xe0, &[0, 0]),
        (65_804, 0xe0, &[255, 255]),
        (65_805, 0xf0, &[0, 0, 0, 0]),
        (70_000, 0xf0, &[0, 0, 0x10, 0x63]),
    ] {
        let message = Message::response(Code::CONTENT).with_payload(vec![7; length - 1]);
        let frame = frame::encode(&message);
        assert_eq!((frame[0], &frame[1..=rest.len()]), (first, rest), "{length}");
        assert_eq!(frame::measure(&frame, frame.len()), Ok(Measured::Whole(frame.len())));
        assert_eq!(frame::measure(&frame, frame.len() - 1), Err(Malformed::TooLong));
        assert_eq!(frame::decode(&frame).expect("our own").payload().len(), length - 1);
    }
}

#[test]
fn what_is_no_frame_is_told_from_its_first_bytes() {
    for tkl in 9..16 {
        assert_eq!(frame::measure(&[tkl], 100), Err(Malformed::TokenLength));
    }
    assert_eq!(frame::measure(&[0xd0, 90], 100), Err(Malformed::TooLong));
    assert_eq!(frame::measure(&[0xf8, 255, 255, 255, 255], usize::MAX), Ok(Measured::Missing(4_295_033_109)));
    assert_eq!(frame::measure(&[0xf8, 255, 255], 100), Ok(Measured::Missing(2)));
    for (frame, why) in [
        (&[0x00, 0x20][..], Malformed::CodeClass),
        (&[0x00, 0xc0], Malformed::CodeClass),
        (&[0x10, 0x45, 0xff], Malformed::PayloadMarker),
        (&[0x10, 0x01, 0xf0], Malformed::Options),
        (&[0x20, 0x01, 0xb1, 0xff], Malformed::Utf8),
    ] {
        assert_eq!(frame::decode(frame).expect_err("broken"), why);
    }
}

fn message() -> impl Strategy<Value = Message> {
    let length = prop_oneof![0..20_usize, 200..400_usize, 65_700..66_000_usize];
    let token = prop::collection::vec(any::<u8>(), 0..=8);
    (1..32_u8, token, prop::collection::vec("[a-z]{0,30}", 0..4), length).prop_map(
        |(code, token, path, length)| {
            let path: Vec<&str> = path.iter().map(|segment| &**segment).collect();
            let mut message = Message::request(Code(code)).with_path(&path).with_payload(body(length));
            message.address(Type::Con, 0, Token::new(&token).expect("short"));
            message
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_whatever_the_pieces(
        messages in prop::collection::vec(message(), 1..5), pieces in prop::collection::vec(1..500_usize, 1..9),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(frame::encode).collect();
        let mut reader = StreamWords::default();
        let (mut rest, mut pieces, mut read) = (&*bytes, pieces.iter().cycle(), Vec::new());
        while !rest.is_empty() {
            let piece = pieces.next().map_or(1, |piece| (*piece).min(rest.len()));
            read.extend(reader.read(&rest[..piece]).into_iter().filter_map(|(_, message)| message));
            rest = &rest[piece..];
        }
        prop_assert_eq!(read.len(), messages.len());
        for (read, message) in read.iter().zip(&messages) {
            prop_assert_eq!(read.encode(), message.encode());
        }
    }
}
