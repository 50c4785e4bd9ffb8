//! What can be wrong with a payload.

use crate::protocol::lwm2m::{Kind, Path};

/// Why a payload could not be read or written. Offsets count bytes from the start of the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No codec for this Content-Format here.
    #[error("content format {0} is not supported")]
    Unsupported(u16),
    /// The payload ends too early.
    #[error("the payload ends in the middle of what begins at byte {at}")]
    Truncated {
        /// Where the unfinished element begins.
        at: usize,
    },
    /// The payload goes on after its end.
    #[error("the payload goes on at byte {at}, after its end")]
    Trailing {
        /// The first byte too many.
        at: usize,
    },
    /// Elements nested where they must not be, or deeper than this codec follows.
    #[error("the element at byte {at} is nested where it does not belong")]
    Nesting {
        /// Where the element begins.
        at: usize,
    },
    /// Against the rules of the format.
    #[error("at byte {at}: {what}")]
    Malformed {
        /// Where.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Against the rules of JSON or of SenML in it.
    #[error("{0}")]
    Json(String),
    /// A name in SenML that is no path.
    #[error("{0:?} is not the path of a resource")]
    Name(String),
    /// A SenML field that says it must be understood (RFC 8428 §4.4), and is not.
    #[error("field {0:?} must be understood, but is unknown")]
    MustUnderstand(String),
    /// Two values for one place.
    #[error("{path} occurs twice, or both as a single and as a multiple resource")]
    Duplicate {
        /// The place.
        path: Path,
    },
    /// An entry that is not at or below the path of the request.
    #[error("{path} lies outside {base}")]
    Outside {
        /// The entry.
        path: Path,
        /// The path of the request.
        base: Path,
    },
    /// A single resource with resource instances, or a multiple resource without.
    #[error("{path}: a single resource has no instances, a multiple one needs them")]
    Multiplicity {
        /// The resource or resource instance.
        path: Path,
    },
    /// A value with a length its type does not have.
    #[error("{path}: a value of {length} bytes is no {expected}")]
    Length {
        /// The resource or resource instance.
        path: Path,
        /// Length of the value in bytes.
        length: usize,
        /// The type the definition asks for.
        expected: Kind,
    },
    /// A value that is not of the resource's type.
    #[error("{path}: the value is not of type {expected}")]
    Type {
        /// The resource or resource instance.
        path: Path,
        /// The type the definition asks for.
        expected: Kind,
    },
    /// No value, or a null, where there must be one.
    #[error("{path}: there is no value")]
    NoValue {
        /// The resource or resource instance.
        path: Path,
    },
    /// A value where only a path belongs (RFC 8790 §3.1).
    #[error("{path} is asked for, and comes with a value all the same")]
    Value {
        /// The path asked for.
        path: Path,
    },
    /// A time that is no number.
    #[error("{path}: the time is not a finite number of seconds")]
    Time {
        /// The resource or resource instance.
        path: Path,
    },
    /// A Create that names an object instance for some of its values only.
    #[error("the payload names an object instance for some values, and none for others")]
    HalfNamed,
    /// Something the format cannot say.
    #[error("{path}: {why}")]
    Unencodable {
        /// The entry, or the path of the request.
        path: Path,
        /// What the format lacks.
        why: &'static str,
    },
}
