//! CoRE link-format (Content-Format 40, RFC 6690): the lists in registrations and in answers to
//! Discover. What such lists say is in [`listing`](super::listing).

use std::borrow::Cow;

use super::Error;
use crate::protocol::lwm2m::Path;

/// One link and its attributes, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What stands between the angle brackets: a URI reference, without a trailing slash (but for
    /// the root's `/`).
    pub target: String,
    /// Attributes in their order; None for one without a value.
    pub attributes: Vec<(String, Option<String>)>,
}

impl Link {
    /// A link without attributes.
    pub fn new(target: impl Into<String>) -> Self {
        Link { target: target.into(), attributes: Vec::new() }
    }

    /// The link with one more attribute. `key` is a plain word: letters, digits, `-`, `_`, `*`.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.attributes.push((key.to_owned(), Some(value.into())));
        self
    }

    /// The value of the first attribute `key`; None if there is none, or it has no value.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key)?.1.as_deref()
    }

    /// The target as an LwM2M path, if it is one.
    pub fn path(&self) -> Option<Path> {
        self.target.parse().ok()
    }
}

/// Writes a list of links. Values that are numbers or versions are written bare, as LwM2M has them
/// (`ver=1.2`, `ssid=101`), all others quoted.
pub fn encode(links: &[Link]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(links.len() * 32);
    for link in links {
        writer.open(&link.target);
        for (key, value) in &link.attributes {
            match value {
                Some(value) => writer.attribute(key, value),
                None => writer.flag(key),
            };
        }
    }
    writer.finish()
}

/// Reads a list of links into memory of its own. [`links`] reads without.
///
/// # Errors
/// [`Error::Malformed`] or [`Error::Truncated`].
pub fn decode(payload: &[u8]) -> Result<Vec<Link>, Error> {
    links(payload)?.map(|link| link.map(|link| link.to_link())).collect()
}

/// Reads a list of links one by one, borrowing from the payload. An error ends the list.
///
/// Spaces and line ends around commas and semicolons are tolerated, and a slash at the end of a
/// target is dropped: both are common. An empty payload is an empty list.
///
/// # Errors
/// [`Error::Malformed`] if the payload is not UTF-8.
pub fn links(payload: &[u8]) -> Result<Links<'_>, Error> {
    let text = str::from_utf8(payload)
        .map_err(|error| Error::Malformed { at: error.valid_up_to(), what: "this is not UTF-8" })?;
    Ok(Links { scanner: Scanner { text, at: 0 }, state: State::First })
}

/// Iterator of [`links`].
#[derive(Clone, Debug)]
pub struct Links<'a> {
    scanner: Scanner<'a>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    First,
    Next,
    Failed,
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<LinkRef<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Failed {
            return None;
        }
        self.scanner.skip_space();
        if self.scanner.is_at_end() {
            return None;
        }
        let link = match self.state {
            State::Next => self.scanner.expect(b',', "links are separated by commas"),
            _ => Ok(()),
        }
        .and_then(|()| self.scanner.link());
        self.state = if link.is_ok() { State::Next } else { State::Failed };
        Some(link)
    }
}

/// One link and its attributes, borrowed from a payload.
#[derive(Clone, Copy, Debug)]
pub struct LinkRef<'a> {
    target: &'a str,
    /// The attributes as written, each after a semicolon; checked.
    attributes: &'a str,
}

impl<'a> LinkRef<'a> {
    /// What stands between the angle brackets, without a trailing slash (but for the root's `/`).
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The target as an LwM2M path, if it is one.
    pub fn path(&self) -> Option<Path> {
        self.target.parse().ok()
    }

    /// Attributes in their order; None for one without a value.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        let mut scanner = Scanner { text: self.attributes, at: 0 };
        std::iter::from_fn(move || scanner.next_attribute().ok().flatten())
            .map(|(key, value)| (key, value.map(Written::plain)))
    }

    /// The value of the first attribute `key`; None if there is none, or it has no value.
    pub fn attribute(&self, key: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|(name, _)| *name == key)?.1
    }

    fn to_link(self) -> Link {
        let attributes =
            self.attributes().map(|(key, value)| (key.to_owned(), value.map(Cow::into_owned))).collect();
        Link { target: self.target.to_owned(), attributes }
    }
}

/// An attribute's value as it stands in the payload.
enum Written<'a> {
    Bare(&'a str),
    /// Without the quotes, with the backslashes.
    Quoted(&'a str),
}

impl<'a> Written<'a> {
    fn plain(self) -> Cow<'a, str> {
        match self {
            Written::Bare(text) => text.into(),
            Written::Quoted(text) if !text.contains('\\') => text.into(),
            Written::Quoted(text) => {
                let mut plain = String::with_capacity(text.len());
                let mut chars = text.chars();
                while let Some(char) = chars.next() {
                    plain.extend(if char == '\\' { chars.next() } else { Some(char) });
                }
                plain.into()
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn link(&mut self) -> Result<LinkRef<'a>, Error> {
        self.skip_space();
        let opened = self.at;
        self.expect(b'<', "a link begins with \"<\"")?;
        let target = self.take_until(|byte| byte == b'>');
        if self.is_at_end() {
            return Err(Error::Truncated { at: opened });
        }
        self.at += 1;
        let start = self.at;
        while self.next_attribute()?.is_some() {}
        let target = match target.strip_suffix('/') {
            Some(shorter) if !shorter.is_empty() => shorter,
            _ => target,
        };
        Ok(LinkRef { target, attributes: &self.text[start..self.at] })
    }

    /// The attribute after the next semicolon; None if there is no semicolon.
    fn next_attribute(&mut self) -> Result<Option<(&'a str, Option<Written<'a>>)>, Error> {
        self.skip_space();
        if !self.eat(b';') {
            return Ok(None);
        }
        self.skip_space();
        let key =
            self.take_until(|byte| matches!(byte, b'=' | b';' | b',' | b'<' | b'>' | b'"') || is_space(byte));
        if key.is_empty() {
            return Err(Error::Malformed { at: self.at, what: "an attribute has a name" });
        }
        if !self.eat(b'=') {
            return Ok(Some((key, None)));
        }
        let opened = self.at;
        if !self.eat(b'"') {
            let bare = self.take_until(|byte| matches!(byte, b';' | b',' | b'"') || is_space(byte));
            return Ok(Some((key, Some(Written::Bare(bare)))));
        }
        let start = self.at;
        loop {
            self.take_until(|byte| matches!(byte, b'"' | b'\\'));
            match self.peek() {
                None => return Err(Error::Truncated { at: opened }),
                Some(b'"') => break,
                // A backslash and what it protects, which may be of several bytes: those after the
                // first are neither quotes nor backslashes.
                Some(_) => self.at = (self.at + 2).min(self.text.len()),
            }
        }
        let quoted = &self.text[start..self.at];
        self.at += 1;
        Ok(Some((key, Some(Written::Quoted(quoted)))))
    }

    fn expect(&mut self, byte: u8, rule: &'static str) -> Result<(), Error> {
        if self.eat(byte) { Ok(()) } else { Err(Error::Malformed { at: self.at, what: rule }) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// The text up to the next byte that `ends` it, an ASCII one, or up to the end.
    fn take_until(&mut self, ends: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Writes a list of links into one buffer, link by link, each followed by its attributes.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty list with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Writer { out: Vec::with_capacity(bytes) }
    }

    /// Begins a link.
    pub fn link(&mut self, path: Path) -> &mut Self {
        self.separate();
        if path == Path::ROOT {
            self.out.extend_from_slice(b"</>");
            return self;
        }
        self.out.push(b'<');
        for &id in path.ids() {
            self.out.push(b'/');
            push_decimal(&mut self.out, id.into());
        }
        self.out.push(b'>');
        self
    }

    /// Adds an attribute to the last link: bare if the value is a number or a version, otherwise
    /// quoted. `key` is a plain word.
    pub fn attribute(&mut self, key: &str, value: &str) -> &mut Self {
        self.flag(key);
        self.out.push(b'=');
        let digits = value.strip_prefix('-').unwrap_or(value);
        let number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !digits.is_empty();
        if number {
            self.out.extend_from_slice(value.as_bytes());
            return self;
        }
        self.out.push(b'"');
        for byte in value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
        self
    }

    /// Adds an attribute with a number for its value.
    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.flag(key);
        self.out.push(b'=');
        push_decimal(&mut self.out, value);
        self
    }

    /// Adds the object version attribute, `ver=`.
    pub fn version(&mut self, (major, minor): (u8, u8)) -> &mut Self {
        self.number("ver", major.into());
        self.out.push(b'.');
        push_decimal(&mut self.out, minor.into());
        self
    }

    /// Adds an attribute without a value.
    pub fn flag(&mut self, key: &str) -> &mut Self {
        self.out.push(b';');
        self.out.extend_from_slice(key.as_bytes());
        self
    }

    /// The list.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Begins a link to any target. A URI has no ">"; one that does all the same must not end the
    /// link.
    fn open(&mut self, target: &str) {
        self.separate();
        self.out.push(b'<');
        for byte in target.bytes() {
            match byte {
                b'>' => self.out.extend_from_slice(b"%3E"),
                byte => self.out.push(byte),
            }
        }
        self.out.push(b'>');
    }

    fn separate(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b',');
        }
    }
}

fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests;
