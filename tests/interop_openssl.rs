//! Against software not written here: OpenSSL's `s_client` at the embedded servers, and its `s_server` in the
//! place of ours, by DTLS 1.2 and TLS 1.2.
//!
//! OpenSSL speaks no CoAP: requests are written by hand, and what comes is looked at as it stands on the wire.

mod common;

use std::process::Command;

use common::keys::{Keys, METER};
use common::results::Serving;
use common::talk::Talk;

/// The suites that LwM2M names and the engine has.
const PSK: &str = "PSK-AES128-CCM8";
const ECDSA: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";

/// 2.04 Changed on [`request`]: piggybacked, with its token and its Message ID.
const CHANGED: &[u8] = b"\x62\x44\x12\x34ab";

/// A HelloVerifyRequest with a cookie of 32 bytes and a client's Finished, as `-msg` shows them: by DTLS, OpenSSL 3.0
/// has no names for what it prints.
const COOKIE: &str = "\n    03 00 00 23 00 00 00 00 00 00 00 23 fe ff 20";
const FINISHED: &[u8] = b"\n    14 00 00 0c";

/// A Bootstrap-Request: Confirmable POST 0x1234 /bs?ep=.. with the token `ab`.
fn request(endpoint: &str) -> Vec<u8> {
    let query = format!("ep={endpoint}");
    let length = u8::try_from(query.len() - 13).expect("a short name");
    // RFC 7252 §3.1: Uri-Path is option 11, Uri-Query is four further and as long as 13 and one more byte say.
    [b"\x42\x02\x12\x34ab\xb2bs\x4d", &[length][..], query.as_bytes()].concat()
}

/// Both servers, by `coaps` or `coaps+tcp`.
fn serving(scheme: &str, keys: &Keys) -> Serving {
    let listen = |server: &str| format!("servers.embedded.{server}_listen={scheme}://127.0.0.1:0");
    Serving::start(&[&keys.setting(), &listen("bootstrap"), &listen("ems")])
}

/// OpenSSL's `program` with its arguments, which tells of each of its messages.
fn openssl(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.arg(program).arg("-msg").args(arguments);
    command
}

/// `s_client` at a server.
fn client(address: &str, arguments: &[&str]) -> Talk {
    // Without: what is written to it may be meant for itself.
    let own = ["-nocommands", "-connect", address];
    Talk::to(openssl("s_client", &[&own, arguments].concat()))
}

/// The same by DTLS, with a key.
fn psk_client(servers: &Serving, identity: &str, key: &str, suite: &str) -> Talk {
    let psk = ["-dtls1_2", "-psk_identity", identity, "-psk", key, "-cipher", suite];
    client(servers.bootstrap_address(), &psk)
}

/// Arguments that show one's own certificate and trust those of an authority.
fn certificate(trusted: &Keys, own: &Keys) -> Vec<String> {
    let [certificate, key] = own.certificate("meters");
    ["-CAfile", &trusted.file("ca.pem"), "-verify_return_error", "-cert", &certificate, "-key", &key]
        .map(str::to_owned)
        .to_vec()
}

/// The same at the Bootstrap-Server, by DTLS or TLS.
fn certificate_client(servers: &Serving, certificate: &[String], arguments: &[&str]) -> Talk {
    let all: Vec<&str> = arguments.iter().copied().chain(certificate.iter().map(String::as_str)).collect();
    client(servers.bootstrap_address(), &all)
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_client_with_its_key_asks_for_a_bootstrap() {
    let keys = Keys::provision("psk");
    let servers = serving("coaps", &keys);
    let mut client = psk_client(&servers, METER, &keys.key(), PSK);
    client.await_text(COOKIE);
    client.say(&request(METER));
    client.await_bytes(CHANGED, 1);
    let all = client.finish().1;
    assert!(all.contains("Cipher is PSK-AES128-CCM8"), "{all}");
    assert!(all.contains("Extended master secret: yes"), "{all}");
    assert_eq!(servers.stop().bootstrap("requests"), 1);
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_client_with_another_key_is_not_heard() {
    let keys = Keys::provision("psk");
    let servers = serving("coaps", &keys);
    let mut client = psk_client(&servers, METER, "00112233445566778899aabbccddeeff", PSK);
    // RFC 6347 §4.1.2.7: what does not decrypt is dropped in silence, so it says its last flight again.
    client.await_bytes(FINISHED, 2);
    drop(client);
    assert_eq!(servers.stop().bootstrap("requests"), 0);
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_client_with_its_certificate_asks_for_a_bootstrap() {
    let keys = Keys::provision("x509");
    let servers = serving("coaps", &keys);
    // Whole, and with a certificate that comes in fragments.
    for further in [&["-dtls1_2", "-cipher", ECDSA][..], &["-dtls1_2", "-mtu", "400"]] {
        let mut client = certificate_client(&servers, &certificate(&keys, &keys), further);
        client.await_text(COOKIE);
        client.say(&request(METER));
        client.await_bytes(CHANGED, 1);
        let all = client.finish().1;
        assert!(all.contains(&format!("Cipher is {ECDSA}")), "{all}");
        assert!(all.contains("Verification: OK"), "{all}");
    }
    assert!(servers.stop().bootstrap("requests") > 0);
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn clients_of_other_authorities_are_refused() {
    let (keys, other) = (Keys::provision("x509"), Keys::provision("x509"));
    for scheme in ["coaps", "coaps+tcp"] {
        let servers = serving(scheme, &keys);
        let own: &[&str] = if scheme == "coaps" { &["-dtls1_2"] } else { &["-alpn", "coap"] };
        let mut client = certificate_client(&servers, &certificate(&keys, &other), own);
        client.await_text("alert unknown ca");
        assert_eq!(client.finish().0, Some(1));
        // And the other way round: a client that knows another authority refuses the server.
        let mut client = certificate_client(&servers, &certificate(&other, &keys), own);
        client.await_text("certificate verify failed");
        assert_eq!(client.finish().0, Some(1));
        // RFC 5246 §7.4.6: nor is a client without any let in.
        let ca = keys.file("ca.pem");
        let without = [own, &["-CAfile", &ca]].concat();
        let client = client_at(&servers, &without);
        assert_eq!(client.finish().0, Some(1));
        assert_eq!(servers.stop().bootstrap("requests"), 0);
    }
}

fn client_at(servers: &Serving, arguments: &[&str]) -> Talk {
    let mut client = client(servers.bootstrap_address(), arguments);
    client.await_text("SSL alert number");
    client
}
