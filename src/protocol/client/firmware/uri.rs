//! Where a package is to be fetched from: /5/0/1 and /9/x/3.

use super::policy::PackageFailure;
use crate::protocol::coap::{Code, Message};
use crate::protocol::lwm2m::{Scheme, ServerUri};

/// The URI of a package on a CoAP server (RFC 7252 §6.1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PackageUri {
    /// The server.
    pub server: ServerUri,
    /// The segments of its path, decoded, joined by NUL, which no URI may stand for in a name.
    path: Box<str>,
    /// Its query, if any, decoded and joined likewise.
    query: Option<Box<str>>,
}

impl PackageUri {
    /// Takes a URI apart (RFC 7252 §6.4).
    ///
    /// # Errors
    /// [`PackageFailure::UnsupportedProtocol`] for a scheme that is none of CoAP's, [`PackageFailure::InvalidUri`]
    /// for what is no URI.
    pub(super) fn parse(uri: &str) -> Result<Self, PackageFailure> {
        let (_, rest) = uri.split_once("://").ok_or(PackageFailure::InvalidUri)?;
        let scheme = Scheme::of_uri(uri).ok_or(PackageFailure::UnsupportedProtocol)?;
        if rest.contains('#') {
            return Err(PackageFailure::InvalidUri);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, local) = rest.split_at(end);
        let server = format!("{scheme}://{authority}").parse().map_err(|_| PackageFailure::InvalidUri)?;
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        let path = decoded(path.strip_prefix('/').unwrap_or(path), '/')?;
        let query = query.map(|query| decoded(query, '&')).transpose()?;
        Ok(PackageUri { server, path, query })
    }

    /// A GET of it.
    pub(super) fn request(&self) -> Message {
        let segments: Vec<&str> = self.path.split(NUL).collect();
        let request = Message::request(Code::GET);
        let request = if *segments == [""] { request } else { request.with_path(&segments) };
        let queries = self.query.iter().flat_map(|query| query.split(NUL));
        queries.fold(request, |request, query| request.with_query(query))
    }
}

const NUL: char = '\0';

/// The parts of a path or query, decoded.
fn decoded(text: &str, separator: char) -> Result<Box<str>, PackageFailure> {
    let mut parts = String::with_capacity(text.len());
    for (at, part) in text.split(separator).enumerate() {
        if at > 0 {
            parts.push(NUL);
        }
        parts.push_str(&unescaped(part).ok_or(PackageFailure::InvalidUri)?);
    }
    Ok(parts.into())
}

/// A part of a URI without percent-encoding (RFC 3986 §2.1). None if that is broken, stands for no UTF-8,
/// or if the part is longer than an option may be.
fn unescaped(part: &str) -> Option<String> {
    const LONGEST: usize = 255;
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| (*byte as char).to_digit(16);
                bytes.push((digit(high)? * 16 + digit(low)?) as u8);
                behind
            }
            (b'%' | 0..=b' ' | 0x7f.., _) => return None,
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    let part = String::from_utf8(bytes).ok()?;
    (part.len() <= LONGEST && !part.contains(NUL)).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(uri: &str) -> (Vec<String>, Vec<String>) {
        let request = PackageUri::parse(uri).unwrap().request();
        (request.path().map(str::to_owned).collect(), request.queries().map(str::to_owned).collect())
    }

    #[test]
    fn a_request_asks_for_what_the_uri_says() {
        let uri = "coap://[::1]:5683/firmware/7?for=meter%20x&b";
        assert_eq!(PackageUri::parse(uri).unwrap().server.to_string(), "coap://[::1]:5683");
        assert_eq!(asked(uri), (vec!["firmware".into(), "7".into()], vec!["for=meter x".into(), "b".into()]));
        assert_eq!(asked("coap://ems"), (vec![], vec![]));
        for scheme in Scheme::ALL {
            let uri = format!("{scheme}://ems:7/f");
            assert_eq!(PackageUri::parse(&uri).unwrap().server.to_string(), format!("{scheme}://ems:7"));
        }
        assert_eq!(asked("COAP://ems/"), (vec![], vec![]));
        assert_eq!(asked("coap://ems/a//b%2Fc").0, ["a", "", "b/c"]);
        assert_eq!(asked("coap://ems?x=/").1, ["x=/"]);
    }

    #[test]
    fn what_is_no_uri_and_what_is_no_coap_are_told_apart() {
        for uri in ["https://ems/f", "coap+ws://ems/f", "ftp://ems"] {
            assert_eq!(PackageUri::parse(uri), Err(PackageFailure::UnsupportedProtocol), "{uri}");
        }
        let wrong = ["", "ems/f", "coap:", "coap://", "coap://ems:0/f", "coap://ems/%zz", "coap://ems/%4"];
        for uri in
            wrong.into_iter().chain(["coap://ems/a b", "coap://ems/%ff", "coap://ems/%00", "coap://e/#f"])
        {
            assert_eq!(PackageUri::parse(uri), Err(PackageFailure::InvalidUri), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_uri_or_an_error(text in "(coap://)?[a-z0-9:/?&%.\\[\\]]{0,40}") {
            if let Ok(uri) = PackageUri::parse(&text) {
                uri.request();
            }
        }
    }
}
