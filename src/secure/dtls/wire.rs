//! What can be read and written of DTLS without any key: record headers, hellos, plaintext alerts.

use std::mem;

/// type, version, epoch, sequence number, length (RFC 6347 §4.1).
const RECORD_HEADER: usize = 13;
/// msg_type, length, message_seq, fragment_offset, fragment_length (RFC 6347 §4.2.2).
const HANDSHAKE_HEADER: usize = 12;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
const SUPPORTED_VERSIONS: u16 = 43;
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];
const DTLS_1_2: [u8; 2] = [0xfe, 0xfd];
const DTLS_1_3: [u8; 2] = [0xfe, 0xfc];

/// How long the cookies are that [`hello_verify_request`] hands out.
pub(super) const COOKIE: usize = 32;

/// A record, as far as it can be read from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    kind: u8,
    epoch: u16,
    sequence: u64,
    fragment: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of a datagram, and what follows it. `None` if it is cut short, or has the header of
    /// DTLS 1.3's protected records (RFC 9147 §4).
    fn first(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        if header[0] & 0b1110_0000 == 0b0010_0000 {
            return None;
        }
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        let sequence = header[5..11].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (fragment, rest) = rest.split_at_checked(u16::from_be_bytes([header[11], header[12]]).into())?;
        Some((Record { kind: header[0], epoch, sequence, fragment }, rest))
    }

    /// Which piece of which handshake message is in it, in the order they are sent: message_seq and
    /// fragment_offset. `None` if it can not be read.
    fn piece(&self) -> Option<u64> {
        (self.kind == HANDSHAKE && self.epoch == 0).then_some(())?;
        self.fragment.get(4..9).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// A whole ClientHello, the first record of a datagram (RFC 6347 §4.2.1, RFC 5246 §7.4.1.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'a> {
    /// The whole datagram.
    datagram: &'a [u8],
    /// Where in it the cookie starts, after its length.
    cookie_at: usize,
    /// Which message of its handshake it is: 0 without a cookie, 1 with one.
    pub(super) message: u16,
    /// What its sender has thrown for this handshake.
    pub(super) random: &'a [u8; 32],
    /// The cookie; empty if there is none.
    pub(super) cookie: &'a [u8],
    suites: &'a [u8],
    extensions: &'a [u8],
}

/// What a datagram from the outside is.
#[derive(Debug)]
pub(super) enum Shape<'a> {
    /// A ClientHello in one piece.
    Hello(Hello<'a>),
    /// A ClientHello in pieces, or one that cannot be read.
    BrokenHello,
    /// Something else, of any kind.
    Other,
}

/// Tells what a datagram is by its first record.
pub(super) fn shape(datagram: &[u8]) -> Shape<'_> {
    match Record::first(datagram) {
        Some((record, _)) if record.kind == HANDSHAKE && record.epoch == 0 => match record.fragment.first() {
            Some(&CLIENT_HELLO) => Hello::read(datagram, record).map_or(Shape::BrokenHello, Shape::Hello),
            _ => Shape::Other,
        },
        _ => Shape::Other,
    }
}

impl<'a> Hello<'a> {
    fn read(datagram: &'a [u8], record: Record<'a>) -> Option<Self> {
        let (header, mut rest) = record.fragment.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let length = u24(&header[1..4]);
        let whole = u24(&header[6..9]) == 0 && u24(&header[9..12]) == length && rest.len() == length;
        let version = take(&mut rest, 2)?;
        // RFC 6347 §4.2.1, RFC 9147 §5.3: both say DTLS 1.2 here.
        (whole && version == DTLS_1_2).then_some(())?;
        let random = take(&mut rest, 32)?.first_chunk()?;
        let _session = take_counted(&mut rest, 1)?;
        let cookie_at = RECORD_HEADER + record.fragment.len() - rest.len() + 1;
        let cookie = take_counted(&mut rest, 1)?;
        let suites = take_counted(&mut rest, 2)?;
        let _compression = take_counted(&mut rest, 1)?;
        let extensions = if rest.is_empty() { rest } else { take_counted(&mut rest, 2)? };
        let message = u16::from_be_bytes([header[4], header[5]]);
        Some(Hello { datagram, cookie_at, message, random, cookie, suites, extensions })
    }

    /// The cipher suites offered, the most welcome first.
    pub(super) fn suites(&self) -> impl Iterator<Item = u16> + 'a {
        self.suites.chunks_exact(2).map(|suite| u16::from_be_bytes([suite[0], suite[1]]))
    }

    /// Whether DTLS 1.3 is offered (RFC 8446 §4.2.1).
    pub(super) fn offers_13(&self) -> bool {
        let mut rest = self.extensions;
        while let Some(kind) = take(&mut rest, 2) {
            let Some(mut data) = take_counted(&mut rest, 2) else { return false };
            if kind == SUPPORTED_VERSIONS.to_be_bytes() {
                let versions = take_counted(&mut data, 1).unwrap_or_default();
                return versions.chunks_exact(2).any(|version| version == DTLS_1_3);
            }
        }
        false
    }

    /// The hello as it was before there was a cookie: the first message of its handshake.
    pub(super) fn without_cookie(&self) -> Vec<u8> {
        let end = self.cookie_at + self.cookie.len();
        let mut first = [&self.datagram[..self.cookie_at], &self.datagram[end..]].concat();
        first[self.cookie_at - 1] = 0;
        let cut = self.cookie.len();
        let record = usize::from(u16::from_be_bytes([first[11], first[12]])) - cut;
        first[11..13].copy_from_slice(&(record as u16).to_be_bytes());
        let body = ((record - HANDSHAKE_HEADER) as u32).to_be_bytes();
        // length, and fragment_length.
        for at in [RECORD_HEADER + 1, RECORD_HEADER + 9] {
            first[at..at + 3].copy_from_slice(&body[1..]);
        }
        // message_seq.
        first[RECORD_HEADER + 4..RECORD_HEADER + 6].fill(0);
        // Records behind the hello are no part of it.
        first.truncate(RECORD_HEADER + record);
        first
    }

    /// The hello alone, without what follows it in its datagram.
    pub(super) fn bytes(&self) -> &'a [u8] {
        let length = usize::from(u16::from_be_bytes([self.datagram[11], self.datagram[12]]));
        &self.datagram[..RECORD_HEADER + length]
    }
}

/// The answer to a hello without a good cookie (RFC 6347 §4.2.1): 60 bytes, so always less than the hello, which
/// has at least 64.
///
/// Its record number is 0, where the RFC asks for the hello's own: the engine that takes the next hello numbers its
/// records from 1, and a peer that looks for replays would drop the one that has the number of this.
pub(super) fn hello_verify_request(cookie: &[u8; COOKIE]) -> Vec<u8> {
    // server_version, and the cookie's length.
    let body = 3 + COOKIE;
    let mut bytes = record(HANDSHAKE, DTLS_1_0, 0, HANDSHAKE_HEADER + body);
    bytes.push(HELLO_VERIFY_REQUEST);
    bytes.extend([0, 0, body as u8, 0, 0, 0, 0, 0, 0, 0, body as u8]);
    // RFC 6347 §4.2.1: servers say DTLS 1.0 here whatever they speak.
    bytes.extend(DTLS_1_0);
    bytes.push(COOKIE as u8);
    bytes.extend(cookie);
    bytes
}

/// A fatal alert in plaintext (RFC 5246 §7.2), in the record of this number.
pub(super) fn fatal_alert(description: u8, sequence: u64) -> Vec<u8> {
    let mut bytes = record(ALERT, DTLS_1_2, sequence, 2);
    bytes.extend([2, description]);
    bytes
}

fn record(kind: u8, version: [u8; 2], sequence: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_HEADER + length);
    bytes.push(kind);
    bytes.extend(version);
    bytes.extend([0, 0]);
    bytes.extend(&sequence.to_be_bytes()[2..]);
    bytes.extend((length as u16).to_be_bytes());
    bytes
}

/// What an engine has sent so far, as seen from outside: it says neither which flight a datagram is of, nor whether
/// it has sent it before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// The next number of a plaintext record.
    pub(super) next_record: u64,
    next_piece: u64,
    change_cipher_spec: bool,
}

/// What a datagram of one's own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a flight that was not sent before.
    New,
    /// Part of a flight sent again.
    Again,
    /// Nothing of a handshake's, or it cannot be told.
    Opaque,
}

impl Sent {
    /// Nothing yet; its plaintext records will be numbered from `next_record`.
    pub(super) fn new(next_record: u64) -> Self {
        Sent { next_record, next_piece: 0, change_cipher_spec: false }
    }

    /// Takes note of a datagram that goes out.
    pub(super) fn note(&mut self, datagram: &[u8]) -> Kind {
        let (mut rest, mut kind) = (datagram, Kind::Opaque);
        while let Some((record, behind)) = Record::first(rest) {
            rest = behind;
            if record.epoch == 0 {
                self.next_record = self.next_record.max(record.sequence + 1);
            }
            let again = match record.piece() {
                Some(piece) => {
                    let again = piece < self.next_piece;
                    self.next_piece = self.next_piece.max(piece + 1);
                    again
                }
                None if record.kind == CHANGE_CIPHER_SPEC => mem::replace(&mut self.change_cipher_spec, true),
                None => continue,
            };
            if kind == Kind::Opaque {
                kind = if again { Kind::Again } else { Kind::New };
            }
        }
        kind
    }
}

/// Whether a datagram may be one of DTLS: its first byte is a content type, or that of a protected record of
/// DTLS 1.3 (RFC 9147 §4.1).
pub(super) fn may_be_record(datagram: &[u8]) -> bool {
    match datagram.first() {
        Some(&kind) if kind & 0b1110_0000 == 0b0010_0000 => true,
        Some(&kind) => {
            (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) && datagram.len() >= RECORD_HEADER
        }
        None => false,
    }
}

fn u24(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    rest.split_off(..count)
}

/// Takes as many bytes as the big-endian number in the next `width` bytes says.
fn take_counted<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let count = u24(take(rest, width)?);
    take(rest, count)
}
