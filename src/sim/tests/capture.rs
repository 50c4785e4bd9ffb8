//! A bootstrap with servers not written here, as it was seen on the wire: Wakaama's, without security.

use super::*;
use crate::meter::{Meter, Output};
use crate::protocol::coap::{Code, Message};
use crate::protocol::content;
use crate::protocol::server::{Server as _, Step};

const ENDPOINT: &str = "urn:dev:os:meter-0000001";

/// 2.04 to the Bootstrap-Request.
const ACCEPTED: &str = "64448e75758e920f";
/// Delete /0, Delete /1, Write /0/123 and /1/123 in SenML JSON with a base name, Discover / and Finish.
const COMMANDS: [&str; 6] = [
    "4404f98e8ef9920fb130",
    "4404f98f8ff9920fb131",
    "4403f99090f9920fb13003313233116eff5b7b22626e223a222f302f3132332f222c226e223a2230222c227673223a22636f61703a\
     2f2f3132372e302e302e313a3135373833227d2c7b226e223a2231222c227662223a66616c73657d2c7b226e223a223130222c2276\
     223a3132337d2c7b226e223a2232222c2276223a337d5d",
    "4403f99191f9920fb13103313233116eff5b7b22626e223a222f312f3132332f222c226e223a2230222c2276223a3132337d2c7b22\
     6e223a2231222c2276223a3330307d2c7b226e223a2236222c227662223a66616c73657d2c7b226e223a2237222c227673223a2255\
     227d5d",
    "4401f99292f9920fd10428",
    "4402f99393f9920fb26273",
];
/// 2.01 to the Register, with the location /rd/0.
const REGISTERED: &str = "64418e76768e920f8272640130";
/// 2.02 to the De-register.
const DELETED: &str = "64428e77778eab0f";

/// The Bootstrap-Request of the client in the capture: its name, and SenML JSON as what it prefers.
const REQUEST: &str =
    "44028e75758e920fb262734d0e65703d75726e3a6465763a6f733a6d657465722d30303030303031077063743d313130";
/// What that client answers the commands with, in their order: 2.02 and 2.04 without more, and the list of
/// its objects.
const ANSWERS: [&str; 6] = [
    "6442f98e8ef9920f",
    "6442f98f8ff9920f",
    "6444f99090f9920f",
    "6444f99191f9920f",
    "6445f99292f9920fc128ff3c2f3e3b6c776d326d3d312e312c3c2f302f303e2c3c2f302f3132333e3b737369643d3132333b757269\
     3d22636f61703a2f2f3132372e302e302e313a3135373833222c3c2f313e3b7665723d312e312c3c2f312f3132333e3b737369643d\
     3132332c3c2f322f303e2c3c2f332f303e2c3c2f342f303e2c3c2f352f303e2c3c2f362f303e2c3c2f372f303e2c3c2f3331303234\
     3e3b7665723d312e302c3c2f33313032342f31303e2c3c2f33313032342f31313e2c3c2f33313032342f31323e",
    "6444f99393f9920f",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The captured answer, with the message ID and the token of the request it is to answer. All tokens of
/// the capture have four bytes.
fn answering(request: &[u8], captured: &str) -> Vec<u8> {
    let captured = bytes(captured);
    let token = usize::from(request[0] & 0x0f);
    let mut answer = vec![captured[0] & 0xf0 | token as u8, captured[1]];
    answer.extend_from_slice(&request[2..4 + token]);
    answer.extend_from_slice(&captured[8..]);
    answer
}

/// What the meter sends now: one datagram, and where to.
fn sent(meter: &mut Meter, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    let outputs = std::iter::from_fn(|| meter.poll_output(now));
    outputs
        .filter_map(|output| match output {
            Output::Transmit { to, bytes } => Some((to, bytes)),
            _ => None,
        })
        .collect()
}

fn message(datagram: &[u8]) -> Message {
    Message::decode(datagram).expect("a meter sends messages")
}

#[test]
fn a_meter_gets_through_a_captured_bootstrap() {
    let mut config = Arc::into_inner(Setup::default().client_config()).expect("nobody else has it");
    let bootstrap_server = loopback(5785);
    config.version = Version::V1_1;
    config.bootstrap.formats = vec![ContentFormat::SENML_JSON];
    let mut factory = client::bootstrap_account("coap://127.0.0.1:5785", Duration::ZERO);
    factory.extend(config.factory.iter().filter(|entry| entry.path.ids()[0] == 3).cloned());
    config.factory = Arc::new(factory);
    let mut meter = Meter::new(Arc::new(config), ENDPOINT.into(), 0, Seed(1));
    let now = Instant::ZERO;

    meter.power_on(now, now);
    let [(to, request)] = &sent(&mut meter, now)[..] else { panic!("one Bootstrap-Request") };
    assert_eq!(*to, bootstrap_server);
    // This server wants `ep` first.
    let queries: Vec<String> = message(request).queries().map(str::to_owned).collect();
    assert_eq!(queries, [format!("ep={ENDPOINT}"), "pct=110".to_owned()]);
    meter.handle_input(bootstrap_server, &answering(request, ACCEPTED), now);

    let mut register = Vec::new();
    for command in COMMANDS {
        let command = bytes(command);
        meter.handle_input(bootstrap_server, &command, now);
        let mut datagrams = sent(&mut meter, now);
        let (to, answer) = datagrams.remove(0);
        assert_eq!(to, bootstrap_server);
        assert!(message(&answer).code().is_success(), "{:?} to {:?}", message(&answer), message(&command));
        assert_eq!(answer[2..8], command[2..8]);
        register = datagrams;
    }
    let [(ems, request)] = &register[..] else { panic!("one Register, behind Finish: {register:?}") };
    assert_eq!((*ems, message(request).code()), (loopback(15783), Code::POST));
    meter.handle_input(*ems, &answering(request, REGISTERED), now);
    assert!(sent(&mut meter, now).is_empty());
    assert_eq!(meter.state(), MeterState::Registered);
    let tree = meter.client().tree();
    assert!(tree.has_instance(0, 123) && tree.has_instance(1, 123) && meter.client().has_bootstrap_account());

    meter.shutdown(now);
    let [(_, deregister)] = &sent(&mut meter, now)[..] else { panic!("one De-register") };
    assert_eq!(message(deregister).path().collect::<Vec<_>>(), ["rd", "0"]);
    meter.handle_input(*ems, &answering(deregister, DELETED), now);
    assert_eq!(meter.state(), MeterState::Deregistered);
}

/// What a command asks for, and what it writes.
fn meaning(command: &[u8]) -> (Code, Vec<String>, Option<ContentFormat>, Vec<Entry>) {
    let command = message(command);
    let path: Vec<String> = command.path().map(str::to_owned).collect();
    let mut written = match command.content_format() {
        Some(format) => {
            let base = Path::from_segments(command.path()).expect("a path");
            content::decode(format, base, command.payload()).expect("it can be read")
        }
        None => Vec::new(),
    };
    written.sort_by_key(|entry| entry.path);
    (command.code(), path, command.content_format(), written)
}

#[test]
fn a_captured_client_gets_through_a_bootstrap_in_that_order() {
    let account = Account {
        instance: Some(123),
        server: vec![(6, Value::Boolean(false))],
        ..Account::new("coap://127.0.0.1:15783".to_owned(), 123, Duration::from_secs(300))
    };
    let sequence = vec![
        Step::Delete(Path::object(0)),
        Step::Delete(Path::object(1)),
        Step::WriteSecurity,
        Step::WriteServer,
        Step::Discover(Path::ROOT),
        Step::Finish,
    ];
    let plan = Plan { sequence, ..Plan::new(account) };
    let config = BootstrapConfig::new(Arc::new(Params::default()), Directory::of(plan));
    let mut server = BootstrapServer::new(config, Seed(1));
    let (client, now) = (loopback(56_830), Instant::ZERO);

    server.handle_input(client, client.ip(), &bytes(REQUEST), now);
    let accepted = server.poll_output().expect("an answer");
    assert_eq!(accepted.bytes, bytes(ACCEPTED));
    for (captured, answer) in COMMANDS.into_iter().zip(ANSWERS) {
        let command = server.poll_output().expect("a command");
        assert!(server.poll_output().is_none(), "one command at a time");
        assert_eq!(meaning(&command.bytes), meaning(&bytes(captured)));
        server.handle_input(client, client.ip(), &answering(&command.bytes, answer), now);
    }
    assert!(server.poll_output().is_none());
    let counters = server.counters();
    assert_eq!((counters.finished, counters.failed, counters.command_errors), (1, 0, 0));
    assert_eq!((counters.deletes, counters.writes, counters.discovers), (2, 2, 1));
}
