//! CBOR (Content-Format 60): one value as one data item (LwM2M Core TS, "CBOR").

use minicbor::Encoder;

use super::Error;
use super::cbor::{Reader, write_value};
use super::entries::{admit_only, only};
use crate::protocol::lwm2m::{Entry, Path};

pub(super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let value = &only(base, entries)?.value;
    let mut out = Encoder::new(Vec::with_capacity(9 + value.byte_len()));
    write_value(&mut out, value).expect("a Vec takes all that is written");
    Ok(out.into_writer())
}

pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    admit_only(base)?;
    let mut reader = Reader::new(payload);
    let value = reader.scalar()?.typed(base)?;
    reader.end()?;
    Ok(vec![Entry::new(base, value)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::lwm2m::{Kind, Value};

    /// RFC 8949 appendix A.
    #[test]
    fn items_are_values_of_the_resources_type() {
        let read = |path: &str, bytes: &[u8]| {
            decode(path.parse().unwrap(), bytes).map(|entries| entries.into_iter().next().unwrap().value)
        };
        assert_eq!(read("/1/0/1", &[0x19, 0x03, 0xe8]), Ok(Value::Integer(1000)));
        assert_eq!(read("/1/0/6", &[0xf5]), Ok(Value::Boolean(true)));
        assert_eq!(read("/1/0/7", &[0x61, 0x55]), Ok(Value::from("U")));
        assert_eq!(read("/3/0/22/0", b"\x6466:0"), Ok(Value::ObjectLink(66, 0)));
        assert_eq!(read("/0/0/5", &[0x5f, 0x41, 1, 0x42, 2, 3, 0xff]), Ok(Value::Opaque([1, 2, 3].into())));
        let epoch = [0x1a, 0x51, 0x4b, 0x67, 0xb0];
        assert_eq!(read("/3/0/13", &epoch), Ok(Value::Time(1_363_896_240)));
        assert_eq!(read("/3/0/13", &[&[0xc1], &epoch[..]].concat()), Ok(Value::Time(1_363_896_240)));
        assert_eq!(read("/3/0/13", b"\xc0\x742013-03-21T20:04:00Z"), Ok(Value::Time(1_363_896_240)));
        assert_eq!(read("/9999/0/0", &[0xf9, 0x3e, 0x00]), Ok(Value::Float(1.5)));
    }

    #[test]
    fn anything_else_is_refused() {
        let lifetime = Path::resource(1, 0, 1);
        let mistyped = Error::Type { path: lifetime, expected: Kind::Integer };
        assert_eq!(decode(lifetime, &[0x61, 0x31]), Err(mistyped));
        assert_eq!(decode(lifetime, &[0xf6]), Err(Error::NoValue { path: lifetime }));
        assert_eq!(decode(lifetime, &[0x01, 0x01]), Err(Error::Trailing { at: 1 }));
        assert_eq!(decode(lifetime, &[]), Err(Error::Truncated { at: 0 }));
        assert!(matches!(decode(lifetime, &[0xc2, 0x41, 1]), Err(Error::Malformed { .. })), "bignum");
        for time in
            ["2013-03-21T20:04:00+01:00", "2013-03-21", "1969-12-31T23:59:59Z", "", "2013-13-21T20:04:00Z"]
        {
            let item = [&[0xc0, 0x78, time.len() as u8], time.as_bytes()].concat();
            assert!(
                matches!(decode(Path::resource(3, 0, 13), &item), Err(Error::Malformed { .. })),
                "{time}"
            );
        }
        assert!(matches!(decode(Path::instance(1, 0), &[0x01]), Err(Error::Unencodable { .. })));
        assert!(matches!(decode(Path::resource(3, 0, 6), &[0x01]), Err(Error::Multiplicity { .. })));
    }

    /// What looks much like a date and a time.
    const ALMOST_A_TIME: &str =
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?Z?";

    proptest! {
        #[test]
        fn any_text_is_a_time_or_an_error(text in prop_oneof![ALMOST_A_TIME, "\\PC{20}"]) {
            let item = [&[0xc0, 0x78, text.len() as u8], text.as_bytes()].concat();
            if let Ok(read) = decode(Path::resource(3, 0, 13), &item) {
                let since_1970 = matches!(read[..], [Entry { value: Value::Time(0..), .. }]);
                prop_assert!(since_1970, "{:?}", read);
            }
        }
    }
}
