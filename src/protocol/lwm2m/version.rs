//! The protocol version a client speaks, and the object versions it implies.

use std::fmt;
use std::str::FromStr;

/// Version of the LwM2M enabler a client speaks, as in `lwm2m=1.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// LwM2M 1.0.
    V1_0,
    /// LwM2M 1.1 and 1.1.1.
    V1_1,
    /// LwM2M 1.2 and its corrections.
    V1_2,
}

impl Version {
    /// The object version, `(major, minor)`, a client of this version means when it lists a core
    /// object without `ver=`. None for objects outside the core set, where it means 1.0.
    ///
    /// For 1.2 this is LwM2M Core 1.2.2 table E-1, which puts Firmware Update at 1.1 although the
    /// text defines 1.2. LwM2M 1.0 knows no object versions: all of them are 1.0.
    pub fn implied_object_version(self, object: u16) -> Option<(u8, u8)> {
        let [v1_1, v1_2] = match object {
            0 | 1 | 3 => [(1, 1), (1, 2)],
            2 => [(1, 0), (1, 1)],
            4 => [(1, 2), (1, 3)],
            5 => [(1, 0), (1, 1)],
            6 | 7 => [(1, 0), (1, 0)],
            21 => [(1, 0), (2, 0)],
            _ => return None,
        };
        Some(match self {
            Version::V1_0 => (1, 0),
            Version::V1_1 => v1_1,
            Version::V1_2 => v1_2,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        })
    }
}

/// The text names no LwM2M version this program speaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no LwM2M version; known are \"1.0\", \"1.1\" and \"1.2\"")]
pub struct ParseVersionError(String);

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.0" => Ok(Version::V1_0),
            "1.1" => Ok(Version::V1_1),
            "1.2" => Ok(Version::V1_2),
            other => Err(ParseVersionError(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
    }

    #[test]
    fn unknown_versions_are_named_in_the_error() {
        let error = "1.3".parse::<Version>().unwrap_err();
        assert!(error.to_string().contains("\"1.3\""));
    }

    #[test]
    fn only_core_objects_have_implied_versions() {
        assert_eq!(Version::V1_2.implied_object_version(4), Some((1, 3)));
        assert_eq!(Version::V1_1.implied_object_version(1), Some((1, 1)));
        assert_eq!(Version::V1_0.implied_object_version(3), Some((1, 0)));
        assert_eq!(Version::V1_2.implied_object_version(3600), None);
    }
}
