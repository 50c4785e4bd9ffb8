//! libcoap's programs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use super::free_port;
use super::process::{Invocation, Process};

/// What a server says to a request of libcoap's client, and all that was said on the way.
pub struct Answer {
    /// `2.05`, and so on.
    pub code: String,
    /// The Location-Path as a path.
    pub location: String,
    /// The body, put together from its blocks.
    pub body: String,
    /// Each message, as libcoap prints it.
    pub messages: Vec<String>,
}

/// Sends a request with one of libcoap's clients and its options.
pub fn ask(client: &str, options: &[&str], uri: &str) -> Answer {
    let (answer, log) = try_to_ask(client, options, uri);
    answer.unwrap_or_else(|| panic!("no response in\n{log}"))
}

/// The same where there may be no answer; and all that was printed.
pub fn try_to_ask(client: &str, options: &[&str], uri: &str) -> (Option<Answer>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let body = folder.path().join("body");
    let client = Invocation::of(client).args(&["-v", "7", "-B", "60", "-o"]).arg(&body);
    let ended = client.args(options).arg(uri).finish();
    let log = ended.stdout + &ended.stderr;
    let messages: Vec<String> =
        log.lines().filter(|line| line.starts_with("v:1 ")).map(str::to_owned).collect();
    let field = |line: &str, name: &str| -> Vec<String> {
        let values = line.split(name).skip(1);
        values.map(|rest| rest.chars().take_while(|c| !", ]".contains(*c)).collect()).collect()
    };
    let last = messages.iter().rfind(|line| line.contains(" c:2.") || line.contains(" c:4."));
    let answer = last.map(|last| Answer {
        code: field(last, " c:").concat(),
        location: field(last, "Location-Path:").iter().map(|segment| format!("/{segment}")).collect(),
        body: fs::read_to_string(&body).unwrap_or_default(),
        messages: messages.clone(),
    });
    assert!(answer.is_none() || ended.code == Some(0), "{:?}\n{log}", ended.code);
    (answer, log)
}

/// One of libcoap's servers: on a free port for UDP and TCP and, if it has the means, on the next one for DTLS and
/// TLS. The first port.
pub fn serve(program: &str, options: &[&str]) -> (Process, u16) {
    let port = free_pair();
    let arguments = ["-v", "7", "-A", "127.0.0.1", "-p", &port.to_string()];
    let mut server = Invocation::of(program).args(&arguments).args(options).start();
    let last = if options.is_empty() { "created UDP" } else { "created TLS" };
    server.await_line("endpoint", |line| line.contains(last));
    (server, port)
}

/// The first of two ports that nobody listens at just now.
#[expect(clippy::disallowed_methods, reason = "the kernel is asked for free ports")]
fn free_pair() -> u16 {
    loop {
        let port = free_port();
        let is_free = |port: Option<u16>| {
            let address = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            address.is_some_and(|at| UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok())
        };
        if is_free(Some(port)) && is_free(port.checked_add(1)) {
            return port;
        }
    }
}
