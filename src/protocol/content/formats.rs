//! Which content formats there are for which version.

use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::Version;

/// Every format that a client of this version reads or writes: first those of values, then link-format,
/// then the two of composite operations.
///
/// LwM2M Core TS, "Data Formats": 1.0 has TLV and OMA's JSON; 1.1 text, opaque, link and a choice of
/// the others, of which this has all; 1.2 adds LwM2M CBOR and SenML-ETCH, and no version after 1.0 may
/// have OMA's JSON.
fn supported(version: Version) -> &'static [ContentFormat] {
    match version {
        Version::V1_0 => &[
            ContentFormat::TEXT,
            ContentFormat::OPAQUE,
            ContentFormat::TLV,
            ContentFormat::OMA_JSON,
            ContentFormat::LINK,
        ],
        Version::V1_1 => &[
            ContentFormat::TEXT,
            ContentFormat::OPAQUE,
            ContentFormat::CBOR,
            ContentFormat::SENML_JSON,
            ContentFormat::SENML_CBOR,
            ContentFormat::TLV,
            ContentFormat::LINK,
        ],
        Version::V1_2 => &[
            ContentFormat::TEXT,
            ContentFormat::OPAQUE,
            ContentFormat::CBOR,
            ContentFormat::SENML_JSON,
            ContentFormat::SENML_CBOR,
            ContentFormat::TLV,
            ContentFormat::LWM2M_CBOR,
            ContentFormat::LINK,
            ContentFormat::SENML_ETCH_JSON,
            ContentFormat::SENML_ETCH_CBOR,
        ],
    }
}

/// The formats of this version that [`encode`](super::encode) and [`decode`](super::decode) are for.
pub fn formats_of_values(version: Version) -> &'static [ContentFormat] {
    let all = supported(version);
    &all[..all.iter().position(|&format| format == ContentFormat::LINK).unwrap_or(all.len())]
}

/// What a registration lists in `ct`: the formats a server cannot take for granted, so neither text,
/// opaque and link-format, which every client has, nor the aliases of before their registration.
pub fn listed(version: Version) -> &'static [ContentFormat] {
    match version {
        Version::V1_0 => &[ContentFormat::TLV, ContentFormat::OMA_JSON],
        Version::V1_1 => {
            &[ContentFormat::CBOR, ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::TLV]
        }
        Version::V1_2 => &[
            ContentFormat::CBOR,
            ContentFormat::SENML_JSON,
            ContentFormat::SENML_CBOR,
            ContentFormat::SENML_ETCH_JSON,
            ContentFormat::SENML_ETCH_CBOR,
            ContentFormat::TLV,
            ContentFormat::LWM2M_CBOR,
        ],
    }
}

/// Whether a client of this version reads `format`, also under the number it had before it was registered.
pub fn supports(version: Version, format: ContentFormat) -> bool {
    supported(version).contains(&current(format))
}

/// The registered number of a format that may come under the one it had before: some servers still send
/// 1541 for text, 1542 for TLV and 1543 for OMA's JSON.
pub(super) fn current(format: ContentFormat) -> ContentFormat {
    match format.0 {
        1541 => ContentFormat::TEXT,
        1542 => ContentFormat::TLV,
        1543 => ContentFormat::OMA_JSON,
        _ => format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

    #[test]
    fn what_is_listed_and_what_carries_values_is_supported() {
        for version in VERSIONS {
            for format in listed(version).iter().chain(formats_of_values(version)) {
                assert!(supports(version, *format), "{version} {format:?}");
            }
            assert!(supports(version, ContentFormat::LINK));
            assert!(!formats_of_values(version).contains(&ContentFormat::LINK));
        }
    }

    #[test]
    fn versions_differ_as_the_specification_says() {
        let who = |format| VERSIONS.map(|version| supports(version, format));
        assert_eq!(who(ContentFormat::OMA_JSON), [true, false, false]);
        assert_eq!(who(ContentFormat::SENML_CBOR), [false, true, true]);
        assert_eq!(who(ContentFormat::SENML_ETCH_CBOR), [false, false, true]);
        assert_eq!(who(ContentFormat::LWM2M_CBOR), [false, false, true]);
        assert_eq!(who(ContentFormat(1542)), [true, true, true]);
        assert_eq!(who(ContentFormat(1543)), [true, false, false]);
        assert_eq!(who(ContentFormat(65535)), [false, false, false]);
    }

    #[test]
    fn every_format_of_values_has_its_codec() {
        let base = crate::protocol::lwm2m::Path::resource(3, 0, 0);
        for version in VERSIONS {
            for format in formats_of_values(version) {
                let written = super::super::encode(*format, base, &[]);
                assert!(!matches!(written, Err(super::super::Error::Unsupported(_))), "{format:?}");
            }
        }
    }
}
