//! One end of one TLS session: bytes in, bytes out.

use tokio_rustls::rustls;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, Error};

use crate::secure::{CertificateFault, Failure, Handshake};

/// The two ends, which rustls has as two types.
pub(super) trait Connection {
    type Data;
    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn state(&self) -> &CommonState;
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
    fn state(&self) -> &CommonState {
        self
    }
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
    fn state(&self) -> &CommonState {
        self
    }
}

/// What is wanted of whoever holds the stream, or what there is to know, in order.
pub(super) enum News {
    /// Write these bytes.
    Transmit(Vec<u8>),
    /// The handshake is done, and cost this.
    Connected(Handshake),
    /// The peer said this.
    Received(Vec<u8>),
    /// The peer has ended the session in good order; it has been told the same.
    Ended,
    /// The session is broken; the peer has been told why, if there was anything to tell.
    Broken(Error),
}

/// A session, until it has ended or is broken: then it must not be used any more.
pub(super) struct Engine<C> {
    connection: C,
    /// What came and is no whole record or message yet. rustls lets it grow to no more than one message of 64 KiB.
    incoming: Vec<u8>,
    /// What the handshake has cost, until it is done.
    handshake: Option<Handshake>,
}

impl<C: Connection> Engine<C> {
    pub(super) fn new(connection: C) -> Self {
        Engine { connection, incoming: Vec::new(), handshake: Some(Handshake::default()) }
    }

    /// What the handshake has cost so far; `None` when it is done.
    pub(super) fn handshake(&self) -> Option<Handshake> {
        self.handshake
    }

    /// The peer sent these bytes; none at the very beginning.
    pub(super) fn handle_input(&mut self, bytes: &[u8], news: &mut dyn FnMut(News)) {
        self.incoming.extend_from_slice(bytes);
        if let Some(handshake) = &mut self.handshake {
            handshake.bytes = handshake.bytes.saturating_add(bytes.len().try_into().unwrap_or(u32::MAX));
        }
        self.run(None, news);
    }

    /// Says this to the peer; before the handshake is done, nothing is said.
    pub(super) fn send(&mut self, bytes: &[u8], news: &mut dyn FnMut(News)) {
        if self.handshake.is_none() {
            self.run(Some(Saying::Words(bytes)), news);
        }
    }

    /// Tells the peer that it is over, if the handshake is done. Nothing may follow.
    pub(super) fn close(&mut self, news: &mut dyn FnMut(News)) {
        if self.handshake.is_none() {
            self.run(Some(Saying::Goodbye), news);
        }
    }

    /// Goes on until rustls waits for the peer, saying this as soon as it may.
    fn run(&mut self, mut saying: Option<Saying<'_>>, news: &mut dyn FnMut(News)) {
        let mut outgoing = Vec::new();
        let mut done = 0;
        let end = loop {
            let mut received = Vec::new();
            let UnbufferedStatus { discard, state } = self.connection.process(&mut self.incoming[done..]);
            let next = match state {
                Ok(state) => step(state, &mut saying, &mut outgoing, &mut received),
                Err(error) => Next::Stop(Some(News::Broken(error))),
            };
            done += discard;
            if self.handshake.is_some() && !self.connection.state().is_handshaking() {
                self.transmit(&mut outgoing, news);
                news(News::Connected(self.handshake.take().expect("just looked at")));
            }
            received.into_iter().for_each(|bytes| news(News::Received(bytes)));
            match next {
                Next::Go => {}
                Next::Stop(end) => break end,
            }
        };
        self.discard(done);
        if matches!(end, Some(News::Broken(_))) {
            farewell(&mut self.connection, &mut outgoing);
        }
        self.transmit(&mut outgoing, news);
        if let Some(end) = end {
            news(end);
        }
    }

    fn transmit(&mut self, outgoing: &mut Vec<u8>, news: &mut dyn FnMut(News)) {
        if outgoing.is_empty() {
            return;
        }
        if let Some(handshake) = &mut self.handshake {
            handshake.flights = handshake.flights.saturating_add(1);
            handshake.bytes = handshake.bytes.saturating_add(outgoing.len().try_into().unwrap_or(u32::MAX));
        }
        news(News::Transmit(std::mem::take(outgoing)));
    }

    /// Lets go of what has been read, and of the room for it.
    fn discard(&mut self, done: usize) {
        if done >= self.incoming.len() {
            self.incoming = Vec::new();
        } else if done > 0 {
            self.incoming.drain(..done);
            self.incoming.shrink_to_fit();
        }
    }
}

/// What is to be said.
enum Saying<'a> {
    Words(&'a [u8]),
    /// close_notify.
    Goodbye,
}

enum Next {
    Go,
    Stop(Option<News>),
}

/// Does what rustls wants done at this point.
fn step<Data>(
    state: ConnectionState<'_, '_, Data>,
    saying: &mut Option<Saying<'_>>,
    outgoing: &mut Vec<u8>,
    received: &mut Vec<Vec<u8>>,
) -> Next {
    match state {
        ConnectionState::EncodeTlsData(data) => encode(data, outgoing),
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Next::Go
        }
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => received.push(record.payload.to_vec()),
                    Err(error) => return Next::Stop(Some(News::Broken(error))),
                }
            }
            Next::Go
        }
        ConnectionState::WriteTraffic(traffic) => match saying.take() {
            Some(saying) => say(traffic, &saying, outgoing),
            None => Next::Stop(None),
        },
        // RFC 5246 §7.2.1: answered by a close_notify of our own, and nothing else: the peer listens no more.
        ConnectionState::PeerClosed => {
            *saying = Some(Saying::Goodbye);
            Next::Go
        }
        ConnectionState::Closed => Next::Stop(Some(News::Ended)),
        // Early data is never offered nor accepted; and nothing is to be done in states yet to be invented.
        _ => Next::Stop(None),
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) -> Next {
    let at = outgoing.len();
    loop {
        match data.encode(&mut outgoing[at..]) {
            Ok(_) => return Next::Go,
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                outgoing.resize(at + required_size, 0);
            }
            Err(EncodeError::AlreadyEncoded) => return Next::Go,
        }
    }
}

fn say<Data>(mut traffic: WriteTraffic<'_, Data>, saying: &Saying<'_>, outgoing: &mut Vec<u8>) -> Next {
    let at = outgoing.len();
    loop {
        let said = match saying {
            Saying::Words(bytes) => traffic.encrypt(bytes, &mut outgoing[at..]),
            Saying::Goodbye => traffic.queue_close_notify(&mut outgoing[at..]),
        };
        match said {
            Ok(written) => {
                outgoing.truncate(at + written);
                return Next::Go;
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                outgoing.resize(at + required_size, 0);
            }
            Err(EncryptError::EncryptExhausted) => {
                return Next::Stop(Some(News::Broken(Error::EncryptError)));
            }
        }
    }
}

/// The alert that a broken session still has to send. It must not be asked for more than that: it would look at
/// input again, which is over.
fn farewell<C: Connection>(connection: &mut C, outgoing: &mut Vec<u8>) {
    while connection.state().wants_write() {
        match connection.process(&mut []).state {
            Ok(ConnectionState::EncodeTlsData(data)) => drop(encode(data, outgoing)),
            _ => return,
        }
    }
}

/// What an error of rustls's is to us; those of certificates are known better by who judged them.
pub(super) fn failure_of(error: &Error) -> Failure {
    match error {
        Error::AlertReceived(alert) => Failure::Alert((*alert).into()),
        Error::NoCertificatesPresented => Failure::Certificate(CertificateFault::Unusable),
        _ => Failure::Protocol,
    }
}
