//! The channels of a meter: what lies between its protocol and the network on every way that is more than an
//! address, which is a session (DTLS), a stream (TCP) or both (TLS).
//!
//! ```text
//! open -> [Connect -> Connected] -> session's handshake -> Up -> Said.. -> Down
//!          streams only                   |                        ^
//!                                         +-- refused, failed -----+
//! ```
//!
//! Which links use a channel is the [`Meter`](super::Meter)'s knowledge. What a channel has to tell waits in
//! one queue until the meter's client has said all it has to say, so that each failure is told by itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::channel::{Channel, Engine};
use super::credentials::fingerprint;
use super::map;
use super::output::{Output, StreamNews};
use crate::base::Instant;
use crate::metrics::{Event, FailureKind, Stage};
use crate::protocol::client::{self, Link};
use crate::protocol::lwm2m::Scheme;
use crate::secure::{self, ClientSecurity, Options, Session};

pub(super) use super::channel::{ChannelId, Over};

/// What a channel is to be.
pub(super) struct Wanted {
    pub scheme: Scheme,
    pub security: ClientSecurity,
}

/// All channels of one meter.
pub(super) struct Channels {
    options: Arc<Options>,
    open: Vec<Channel>,
    /// The number of the last that was opened.
    last: u32,
    news: VecDeque<News>,
    /// What channels are to be once the names of their servers have addresses.
    awaiting_names: Vec<(Link, Wanted)>,
    /// Servers that datagram sessions were closed with, and that may say farewell in turn (RFC 5246 §7.2.1).
    parted: Vec<SocketAddr>,
    /// What is said and heard, if somebody wants to see it.
    tap: Option<VecDeque<Output>>,
}

/// What a channel has to tell.
pub(super) enum News {
    /// To be done or counted.
    Output(Output),
    /// Those who use this channel can speak.
    Up(ChannelId),
    /// The server said this: a datagram, or the next bytes of a stream.
    Said(ChannelId, Vec<u8>),
    /// The channel is no more.
    Down(ChannelId, Over),
    /// The channel was closed by the meter, and its last bytes are out.
    Gone(ChannelId),
    /// A link cannot have a channel at all: its account has no credentials that can be used.
    Unusable(Link),
}

impl Channels {
    pub(super) fn new(options: Arc<Options>) -> Self {
        Channels {
            options,
            open: Vec::new(),
            last: 0,
            news: VecDeque::new(),
            awaiting_names: Vec::new(),
            parted: Vec::new(),
            tap: None,
        }
    }

    // ----- opening and closing ------------------------------------------------------------------------

    /// The channel that leads to `address`: the one there is, if it was opened with the same credentials, or a
    /// new one that begins now. Streams are never shared: which message is for whom could not be told.
    pub(super) fn open(
        &mut self,
        link: Link,
        wanted: Wanted,
        address: SocketAddr,
        now: Instant,
    ) -> ChannelId {
        let Wanted { scheme, security } = wanted;
        let fingerprint = fingerprint(&security);
        if !scheme.is_stream()
            && let Some(there) =
                self.open.iter().find(|channel| channel.address == address && !channel.scheme.is_stream())
        {
            if there.fingerprint == fingerprint {
                return there.id;
            }
            // Datagrams carry nothing that tells two sessions with one address apart: the later one has it.
            self.replace(there.id, now);
        }
        self.last = self.last.checked_add(1).expect("a meter opens fewer than four billion channels");
        let id = ChannelId::new(self.last).expect("one more than something is not zero");
        let engine = match scheme.is_stream() {
            true => Engine::Connecting(Box::new(security)),
            false => Engine::Session(Session::datagram(&security, &self.options, now)),
        };
        let channel = Channel {
            id,
            address,
            scheme,
            opener: link,
            fingerprint,
            began: now,
            engine,
            connected: false,
            announced: false,
        };
        self.open.push(channel);
        match scheme.is_stream() {
            true => self.tell(Output::Connect { stream: id.get(), to: address }),
            false => {
                self.begin(scheme);
                self.pump(id, now);
            }
        }
        id
    }

    /// Remembers what the channel of a link is to be, until [`Channels::named`].
    pub(super) fn await_name(&mut self, link: Link, wanted: Wanted) {
        self.forget_name(link);
        self.awaiting_names.push((link, wanted));
    }

    /// What the channel of a link is to be, now that its server's name has an address.
    pub(super) fn named(&mut self, link: Link) -> Option<Wanted> {
        let at = self.awaiting_names.iter().position(|(theirs, _)| *theirs == link)?;
        Some(self.awaiting_names.swap_remove(at).1)
    }

    pub(super) fn forget_name(&mut self, link: Link) {
        self.awaiting_names.retain(|(theirs, _)| *theirs != link);
    }

    /// A link cannot be opened, as its account has no credentials that can be used.
    pub(super) fn refuse(&mut self, link: Link) {
        self.news.push_back(News::Unusable(link));
    }

    /// Ends a channel in good order: its session says so to the server, and its stream is closed after that.
    pub(super) fn close(&mut self, id: ChannelId, now: Instant) {
        if let Some(channel) = self.find(id)
            && let (server, stream) = (channel.address, channel.scheme.is_stream())
            && let Some(session) = channel.session()
        {
            session.close(now);
            self.pump(id, now);
            if !stream && !self.parted.contains(&server) {
                self.parted.push(server);
            }
        }
        self.remove(id, true, Event::HandshakeAbandoned);
        // What the server said in the same breath as what made the meter leave has nobody left to hear it.
        self.news.retain(|news| !matches!(news, News::Said(said, _) if *said == id));
        self.news.push_back(News::Gone(id));
    }

    /// Forgets all channels without a word to the servers, as when the power is cut; streams are given back.
    pub(super) fn abandon(&mut self) {
        self.news.retain(|news| matches!(news, News::Output(Output::Event(_))));
        self.awaiting_names = Vec::new();
        while let Some(id) = self.open.first().map(|channel| channel.id) {
            self.remove(id, true, Event::HandshakeAbandoned);
        }
    }

    /// Handshakes under way.
    pub(super) fn handshaking(&self) -> usize {
        self.open.iter().filter(|channel| channel.is_handshaking()).count()
    }

    fn replace(&mut self, id: ChannelId, now: Instant) {
        let connected = self.find(id).is_some_and(|channel| channel.connected);
        self.close(id, now);
        // Whoever used it learns of it before it is forgotten.
        let over = match connected {
            true => Over::Closed(client::Closed::Orderly),
            false => Over::unreached(FailureKind::ConnectionLost),
        };
        self.news.pop_back();
        self.news.push_back(News::Down(id, over));
    }

    // ----- what comes in ------------------------------------------------------------------------------

    /// A datagram came in. Whether it is a session's at all; if so, whether it meant anything.
    pub(super) fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> Option<bool> {
        let mut channels = self.open.iter_mut();
        let Some(channel) = channels.find(|channel| channel.address == from && !channel.scheme.is_stream())
        else {
            return self.is_farewell(from, bytes).then_some(true);
        };
        let (id, connected) = (channel.id, channel.connected);
        channel.session()?.handle_input(bytes, now);
        // In a handshake, a piece of a message is no noise; nor are the acknowledgements and tickets of DTLS 1.3, which
        // look like all other records of it (RFC 9147 §4) and mean something to the engine alone.
        let silent = !connected || matches!(bytes.first(), Some(0x20..=0x3F));
        Some(self.pump(id, now) || silent)
    }

    /// Whether a server says farewell to a session that the meter has closed.
    fn is_farewell(&mut self, from: SocketAddr, bytes: &[u8]) -> bool {
        // Content type 21 (RFC 6347 §4.1): what the alert says is encrypted for a session that is no more.
        const ALERT: u8 = 21;
        let parted = self.parted.iter().position(|server| *server == from);
        let farewell = parted.filter(|_| bytes.first() == Some(&ALERT));
        if let Some(at) = farewell {
            self.parted.remove(at);
            self.parted.shrink_to_fit();
        }
        farewell.is_some()
    }

    /// News of a stream; of one that was closed meanwhile, nobody wants any.
    pub(super) fn handle_stream(&mut self, stream: u32, news: StreamNews, now: Instant) {
        let Some(id) = ChannelId::new(stream) else { return };
        let options = self.options.clone();
        let Some(channel) = self.find(id) else { return };
        match (news, &mut channel.engine) {
            (StreamNews::Connected, engine @ Engine::Connecting(_)) => {
                if let Engine::Connecting(security) = engine {
                    *engine = Engine::Session(Session::stream(security, &options, now));
                }
                let scheme = channel.scheme;
                self.begin(scheme);
                self.pump(id, now);
            }
            (StreamNews::Data(bytes), Engine::Session(session)) => {
                session.handle_input(&bytes, now);
                self.pump(id, now);
            }
            // A server that stops or dies ends its streams like this, over TLS without a close_notify. Nothing
            // can be cut off unseen: messages have their lengths (RFC 8323 §3.2).
            (StreamNews::Ended, Engine::Session(_)) if channel.connected => {
                self.fail(id, secure::Closed::Orderly);
            }
            (StreamNews::Ended, Engine::Session(session)) => {
                session.handle_end(now);
                self.pump(id, now);
                // Half a stream is of no use, whatever the session makes of it.
                self.fail(id, secure::Closed::Orderly);
            }
            (StreamNews::Ended, Engine::Connecting(_)) => self.fail(id, secure::Closed::Orderly),
            (StreamNews::Broken, _) => {
                let over = match channel.connected {
                    true => Over::Closed(client::Closed::Broken { alert: None }),
                    false => Over::unreached(FailureKind::ConnectionRefused),
                };
                self.drop_dead(id, over);
            }
            (StreamNews::Refused(why), _) => self.drop_dead(id, Over::unreached(map::unreachable(why))),
            // Twice connected, or heard before it was: not what streams do.
            (StreamNews::Connected, Engine::Session(_)) | (StreamNews::Data(_), Engine::Connecting(_)) => {}
        }
    }

    /// Datagrams cannot be sent there. Whether that is the end of a handshake, which it then is.
    pub(super) fn handle_unsendable(&mut self, to: SocketAddr, kind: FailureKind) -> bool {
        let mut channels = self.open.iter();
        let unsendable = channels
            .find(|channel| channel.address == to && !channel.scheme.is_stream() && !channel.connected)
            .map(|channel| channel.id);
        if let Some(id) = unsendable {
            self.drop_dead(id, Over::unreached(kind));
        }
        unsendable.is_some()
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let due = |channel: &&mut Channel| channel.timeout().is_some_and(|at| at <= now);
        let mut pumped = Vec::new();
        for channel in self.open.iter_mut().filter(due) {
            pumped.push(channel.id);
            if let Some(session) = channel.session() {
                session.handle_timeout(now);
            }
        }
        for id in pumped {
            self.pump(id, now);
        }
    }

    /// Says this on a channel. One that has ended meanwhile says nothing: those who use it are about to hear.
    pub(super) fn send(&mut self, id: ChannelId, bytes: Vec<u8>, now: Instant) {
        let Some(channel) = self.find(id).filter(|channel| channel.connected) else { return };
        if let Some(session) = channel.session() {
            session.send(bytes, now);
            self.pump(id, now);
        }
    }

    // ----- what comes out -----------------------------------------------------------------------------

    /// What there is to tell next.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        let news = self.news.pop_front();
        match news {
            Some(News::Up(id)) => {
                if let Some(channel) = self.find(id) {
                    channel.announced = true;
                }
            }
            // A session that is up and silent keeps no empty queue.
            None if self.open.iter().all(|channel| channel.connected) => self.news = VecDeque::new(),
            _ => {}
        }
        news
    }

    /// When to call `handle_timeout`.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().filter_map(Channel::timeout).min()
    }

    /// Whether those who use a channel were told that they can speak on it.
    pub(super) fn is_announced(&self, id: ChannelId) -> bool {
        self.open.iter().any(|channel| channel.id == id && channel.announced)
    }

    // ----- the tap ------------------------------------------------------------------------------------

    /// Has what is said and heard shown, or no longer.
    pub(super) fn set_tap(&mut self, on: bool) {
        self.tap = on.then(VecDeque::new);
    }

    /// Whether somebody wants to see what is said and heard.
    pub(super) fn is_tapped(&self) -> bool {
        self.tap.is_some()
    }

    /// Shows something, if somebody wants to see it.
    pub(super) fn show(&mut self, output: Output) {
        if let Some(tap) = &mut self.tap {
            tap.push_back(output);
        }
    }

    /// What is shown next.
    pub(super) fn poll_shown(&mut self) -> Option<Output> {
        self.tap.as_mut()?.pop_front()
    }

    // ----- plumbing -----------------------------------------------------------------------------------

    fn find(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.open.iter_mut().find(|channel| channel.id == id)
    }

    fn tell(&mut self, output: Output) {
        self.news.push_back(News::Output(output));
    }

    /// Takes over what a session has to say, until it is silent; whether that was anything.
    fn pump(&mut self, id: ChannelId, now: Instant) -> bool {
        let mut any = false;
        while let Some(channel) = self.find(id)
            && let Some(output) = channel.session().and_then(Session::poll_output)
        {
            any = true;
            match output {
                secure::Output::Transmit(bytes) => {
                    let output = match channel.scheme.is_stream() {
                        true => Output::Write { stream: id.get(), bytes },
                        false => Output::Transmit { to: channel.address, bytes },
                    };
                    self.tell(output);
                }
                secure::Output::Received(bytes) => self.news.push_back(News::Said(id, bytes)),
                secure::Output::Connected(handshake) => {
                    channel.connected = true;
                    self.count_handshake(id, handshake, now);
                    self.news.push_back(News::Up(id));
                }
                secure::Output::Retransmitted => self.tell(Output::Event(Event::FlightRetransmitted)),
                secure::Output::Closed(how) => self.fail(id, how),
            }
        }
        any
    }

    /// A session was made. A plain stream has no handshake.
    fn begin(&mut self, scheme: Scheme) {
        if scheme.is_secure() {
            self.tell(Output::Event(Event::HandshakeBegun));
        }
    }

    /// A plain stream has no handshake.
    fn count_handshake(&mut self, id: ChannelId, handshake: secure::Handshake, now: Instant) {
        let Some(channel) = self.find(id).filter(|channel| channel.scheme.is_secure()) else { return };
        let latency = now.since(channel.began);
        let whose = match channel.opener {
            Link::Bootstrap => Some(Stage::HandshakeBootstrap),
            Link::Server(_) => Some(Stage::HandshakeEms),
            Link::Package => None,
        };
        for stage in [Some(Stage::Handshake), whose].into_iter().flatten() {
            self.tell(Output::Event(Event::Stage { stage, latency }));
        }
        let secure::Handshake { flights, retransmissions, bytes } = handshake;
        self.tell(Output::Event(Event::Handshake { flights, retransmissions, bytes }));
    }

    /// A channel's session is over.
    fn fail(&mut self, id: ChannelId, how: secure::Closed) {
        if let Some(over) = self.find(id).map(|channel| channel.over(how)) {
            self.remove(id, true, Event::HandshakeFailed);
            self.news.push_back(News::Down(id, over));
        }
    }

    /// The network has taken a channel away: there is nothing left to be closed.
    fn drop_dead(&mut self, id: ChannelId, over: Over) {
        self.remove(id, false, Event::HandshakeFailed);
        self.news.push_back(News::Down(id, over));
    }

    /// Forgets a channel; `fate` is that of its handshake, if it was not at its end.
    fn remove(&mut self, id: ChannelId, disconnect: bool, fate: Event) {
        let Some(at) = self.open.iter().position(|channel| channel.id == id) else { return };
        let channel = self.open.remove(at);
        self.open.shrink_to_fit();
        if channel.is_handshaking() {
            self.tell(Output::Event(fate));
        }
        if disconnect && channel.scheme.is_stream() {
            self.tell(Output::Disconnect { stream: id.get() });
        }
    }
}
