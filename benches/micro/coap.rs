//! CoAP: the codec, and whole exchanges with both ends in one thread.

use std::sync::Arc;

use bootstorm::base::{Instant, Rng, Seed};
use bootstorm::protocol::coap::{Code, ContentFormat, Event, Exchange, Message, Output, Params, Received};
use divan::{Bencher, black_box};

/// A Register as meters send it.
fn register() -> Message {
    Message::request(Code::POST)
        .with_path(&["rd"])
        .with_content_format(ContentFormat::LINK)
        .with_query("lwm2m=1.2")
        .with_query("lt=300")
        .with_query("ep=urn:dev:os:meter-0000001")
        .with_payload(b"</>;rt=\"oma.lwm2m\";ct=\"60 110 112 11544\",</1/0>,</3/0>".to_vec())
}

#[divan::bench]
fn decode_register(bencher: Bencher) {
    let datagram = register().encode();
    bencher.bench(|| Message::decode(black_box(&datagram)));
}

#[divan::bench]
fn encode_register(bencher: Bencher) {
    let message = register();
    bencher.bench(|| black_box(&message).encode());
}

#[divan::bench]
fn build_register() -> Message {
    register()
}

fn end(name: &str, params: Params) -> Exchange {
    let rng: Rng = Seed(7).child(name, 0).rng();
    Exchange::new(Arc::new(params), rng)
}

/// Carries datagrams to and fro until nothing is left to say; whether a response came.
fn converse(
    client: &mut Exchange,
    server: &mut Exchange,
    answer: fn(&Received) -> Message,
    now: Instant,
) -> bool {
    let mut answered = false;
    loop {
        let mut quiet = true;
        while let Some(output) = client.poll_output() {
            quiet = false;
            match output {
                Output::Send(datagram) => server.handle_input(&datagram, now),
                Output::Event(event) => answered |= matches!(event, Event::Response { .. }),
            }
        }
        while let Some(output) = server.poll_output() {
            quiet = false;
            match output {
                Output::Send(datagram) => client.handle_input(&datagram, now),
                Output::Event(Event::Request(received)) => {
                    let response = answer(&received);
                    server.respond(received, response, now);
                }
                Output::Event(_) => {}
            }
        }
        if quiet {
            return answered;
        }
    }
}

/// Register and 2.01 in its acknowledgement: both ends, timers asked for, no sockets.
#[divan::bench]
fn round_trip(bencher: Bencher) {
    let (mut client, mut server) = (end("client", Params::default()), end("server", Params::default()));
    let mut now = Instant::from_secs(1);
    bencher.bench_local(|| {
        now += std::time::Duration::from_secs(1);
        client.request(register(), now);
        let created = |_: &Received| Message::response(Code::CREATED).with_location(&["rd", "5a3f"]);
        assert!(converse(&mut client, &mut server, created, now));
        black_box((client.poll_timeout(), server.poll_timeout()))
    });
}

/// A body of 8 KiB each way in blocks of 1024: seventeen round trips.
#[divan::bench]
fn blockwise_8_kib_both_ways(bencher: Bencher) {
    let (mut client, mut server) = (end("client", Params::default()), end("server", Params::default()));
    let mut now = Instant::from_secs(1);
    bencher.bench_local(|| {
        now += std::time::Duration::from_secs(1);
        client.request(Message::request(Code::POST).with_path(&["x"]).with_payload(vec![7; 8192]), now);
        let mirror = |received: &Received| {
            Message::response(Code::CONTENT).with_payload(received.message.payload().to_vec())
        };
        assert!(converse(&mut client, &mut server, mirror, now));
    });
}

/// A duplicate of a request that was answered: recognised and answered again from memory.
#[divan::bench]
fn duplicate(bencher: Bencher) {
    let (mut client, mut server) = (end("client", Params::default()), end("server", Params::default()));
    let now = Instant::from_secs(1);
    client.request(register(), now);
    let Some(Output::Send(datagram)) = client.poll_output() else { return };
    server.handle_input(&datagram, now);
    let Some(Output::Event(Event::Request(received))) = server.poll_output() else { return };
    server.respond(received, Message::response(Code::CREATED).with_location(&["rd", "5a3f"]), now);
    bencher.bench_local(|| {
        server.handle_input(&datagram, now);
        while let Some(output) = server.poll_output() {
            black_box(output);
        }
    });
}
