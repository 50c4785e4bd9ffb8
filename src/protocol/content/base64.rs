//! Base64 (RFC 4648), in the two forms LwM2M uses.

/// Which base64.
#[derive(Clone, Copy)]
pub(super) enum Alphabet {
    /// §4, with padding: opaque values in text.
    Standard,
    /// §5, without padding: data values in SenML JSON (RFC 8428 §5).
    Url,
}

impl Alphabet {
    fn symbols(self) -> &'static [u8; 64] {
        match self {
            Alphabet::Standard => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Alphabet::Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        }
    }

    fn value(self, symbol: u8) -> Option<u32> {
        Some(u32::from(match (self, symbol) {
            (_, b'A'..=b'Z') => symbol - b'A',
            (_, b'a'..=b'z') => symbol - b'a' + 26,
            (_, b'0'..=b'9') => symbol - b'0' + 52,
            (Alphabet::Standard, b'+') | (Alphabet::Url, b'-') => 62,
            (Alphabet::Standard, b'/') | (Alphabet::Url, b'_') => 63,
            _ => return None,
        }))
    }
}

/// Appends `bytes` in base64.
pub(super) fn encode(alphabet: Alphabet, bytes: &[u8], out: &mut Vec<u8>) {
    let symbols = alphabet.symbols();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(symbols[(group >> (18 - 6 * place)) as usize & 63]);
        }
        if matches!(alphabet, Alphabet::Standard) {
            out.resize(out.len() + 3 - chunk.len(), b'=');
        }
    }
}

/// The bytes behind `text`. None if a symbol is foreign, the padding wrong, or a bit left over set
/// (so that one value has one spelling).
pub(super) fn decode(alphabet: Alphabet, text: &[u8]) -> Option<Vec<u8>> {
    let symbols = match alphabet {
        Alphabet::Standard if !text.len().is_multiple_of(4) => return None,
        Alphabet::Standard => text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text),
        Alphabet::Url => text,
    };
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3 + 2);
    for chunk in symbols.chunks(4) {
        let mut group = 0;
        for &symbol in chunk {
            group = group << 6 | alphabet.value(symbol)?;
        }
        let group = (group << (6 * (4 - chunk.len()))).to_be_bytes();
        let (whole, left_over) = group[1..].split_at(chunk.len().checked_sub(1)?);
        if whole.is_empty() || left_over.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(alphabet: Alphabet, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        encode(alphabet, bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn vectors_of_rfc_4648_section_10() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, expected) in vectors.into_iter().enumerate() {
            assert_eq!(encoded(Alphabet::Standard, &b"foobar"[..length]), expected);
        }
        assert_eq!(encoded(Alphabet::Url, &[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["Z", "Zg", "Zg=", "Z===", "Zh==", "Zm9v\n", "Zg==Zg==", "-_8="] {
            assert_eq!(decode(Alphabet::Standard, text.as_bytes()), None, "{text:?}");
        }
        for text in ["Z", "Zg==", "+/8", "-_9"] {
            assert_eq!(decode(Alphabet::Url, text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for alphabet in [Alphabet::Standard, Alphabet::Url] {
                let text = encoded(alphabet, &bytes);
                prop_assert_eq!(decode(alphabet, text.as_bytes()), Some(bytes.clone()));
            }
        }

        #[test]
        fn any_text_has_one_spelling_or_none(text in "[A-Za-z0-9+/_=-]{0,12}") {
            for alphabet in [Alphabet::Standard, Alphabet::Url] {
                if let Some(bytes) = decode(alphabet, text.as_bytes()) {
                    prop_assert_eq!(&encoded(alphabet, &bytes), &text);
                }
            }
        }
    }
}
