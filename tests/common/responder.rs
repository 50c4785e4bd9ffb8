//! A server of a few lines that answers as a test wants it to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use bootstorm::protocol::coap::{Message, Type};

/// A CoAP server on a thread of its own; dropped, it stops.
pub struct Responder {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Heard>>,
}

/// What came in.
#[derive(Default)]
pub struct Heard {
    /// Everybody who sent a request.
    pub peers: BTreeSet<SocketAddr>,
    /// Requests, those sent again not counted.
    pub requests: usize,
}

impl Responder {
    /// Listens on a free port of `ip`. Each request is put to `answer` once; where it is sent again, the
    /// same answer is.
    pub fn start(ip: IpAddr, answer: impl FnMut(SocketAddr, &Message) -> Message + Send + 'static) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
        let socket = UdpSocket::bind((ip, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || serve(&socket, &stopped, answer));
        Responder { address, stop, thread: Some(thread) }
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        format!("coap://{}", self.address)
    }

    /// Stops it; what came in.
    pub fn stop(mut self) -> Heard {
        self.end().expect("it has not been stopped before")
    }

    fn end(&mut self) -> Option<Heard> {
        let thread = self.thread.take()?;
        self.stop.store(true, Ordering::Release);
        #[expect(clippy::disallowed_methods, reason = "wakes the server")]
        let waker = UdpSocket::bind((self.address.ip(), 0)).expect("a free port");
        waker.send_to(&[], self.address).expect("loopback takes it");
        thread.join().ok()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(
    socket: &UdpSocket,
    stop: &AtomicBool,
    mut answer: impl FnMut(SocketAddr, &Message) -> Message,
) -> Heard {
    let mut heard = Heard::default();
    let mut answered: BTreeMap<(SocketAddr, u16), Vec<u8>> = BTreeMap::new();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Acquire) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(request) = Message::decode(&buffer[..length]) else { continue };
        if request.kind() != Type::Con || !request.code().is_request() {
            continue;
        }
        heard.peers.insert(peer);
        let reply = answered.entry((peer, request.mid())).or_insert_with(|| {
            heard.requests += 1;
            acknowledgement(&request, &answer(peer, &request))
        });
        socket.send_to(reply, peer).expect("loopback takes it");
    }
    heard
}

/// The answer in the acknowledgement of its request (RFC 7252 §5.2.1).
fn acknowledgement(request: &Message, answer: &Message) -> Vec<u8> {
    // As encoded it has message id 0 and no token.
    let answer = answer.encode();
    let token = request.token();
    let token = token.as_slice();
    // RFC 7252 §3: version 1, Acknowledgement, and the length of the token.
    let mut bytes = vec![0x60 | token.len() as u8, answer[1]];
    bytes.extend(request.mid().to_be_bytes());
    bytes.extend(token);
    bytes.extend(&answer[4..]);
    bytes
}
