//! Textual encoding of certificates and keys (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What the text of a certificate is labelled with.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";
/// What the text of a private key is labelled with (PKCS#8).
pub(super) const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Bytes a line of the text stands for (RFC 7468 §2: 64 characters).
const LINE: usize = 48;

/// Appends `der` as text.
pub(super) fn write(out: &mut String, label: &str, der: &[u8]) {
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    for line in der.chunks(LINE) {
        STANDARD.encode_string(line, out);
        out.push('\n');
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
}

/// One section of a text.
pub(super) struct Section<'a> {
    /// What stands behind BEGIN.
    pub label: &'a str,
    /// What it holds; overwritten when it is let go of, for it may be a key.
    pub der: Zeroizing<Vec<u8>>,
}

/// The sections of a text, in order; what stands between them is passed over, as RFC 7468 §2 has it. The error is
/// the line (from 1) of a section that does not end, or is not base64.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, usize> {
    let mut found = Vec::new();
    let mut open: Option<(&str, usize, Zeroizing<String>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(label) = boundary(line, "-----BEGIN ") {
            if open.is_some() {
                return Err(number);
            }
            open = Some((label, number, Zeroizing::new(String::new())));
        } else if let Some(end) = boundary(line, "-----END ") {
            let (label, begin, body) = open.take().ok_or(number)?;
            if label != end {
                return Err(number);
            }
            let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| begin)?);
            found.push(Section { label, der });
        } else if let Some((_, _, body)) = &mut open {
            body.push_str(line);
        }
    }
    match open {
        Some((_, begin, _)) => Err(begin),
        None => Ok(found),
    }
}

fn boundary<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_between_sections_is_passed_over() {
        let mut text = "subject=CN=x\r\n".to_owned();
        write(&mut text, CERTIFICATE, &[7; 100]);
        text.push_str("\nissuer\n");
        write(&mut text, PRIVATE_KEY, b"k");
        let found = sections(&text).expect("two sections");
        let found: Vec<_> = found.iter().map(|section| (section.label, section.der.len())).collect();
        assert_eq!(found, [(CERTIFICATE, 100), (PRIVATE_KEY, 1)]);
    }

    #[test]
    fn a_mistake_has_a_line() {
        let line = |text: &str| sections(text).map(|_| ()).expect_err("a mistake");
        assert_eq!(line("\n-----BEGIN A-----\nAAAA"), 2);
        assert_eq!(line("-----BEGIN A-----\n-----END B-----"), 2);
        assert_eq!(line("-----END B-----"), 1);
        assert_eq!(line("x\n-----BEGIN A-----\nA?AA\n-----END A-----"), 2);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ders in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5)) {
            let mut text = String::new();
            ders.iter().for_each(|der| write(&mut text, CERTIFICATE, der));
            let found = sections(&text).expect("sections");
            prop_assert_eq!(found.iter().map(|section| section.der.to_vec()).collect::<Vec<_>>(), ders);
        }

        #[test]
        fn no_text_panics(text in "(-----(BEGIN|END) [A-Z ]{0,3}-----\n|[A-Za-z+/=]{0,9}\n|.{0,9}){0,12}") {
            let _ = sections(&text);
        }
    }
}
