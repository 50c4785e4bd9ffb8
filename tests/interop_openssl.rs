//! Against software not written here: OpenSSL's `s_client` at the embedded servers, and its `s_server` in the
//! place of ours, by DTLS 1.2 and TLS 1.2.
//!
//! OpenSSL speaks no CoAP: requests are written by hand, and what comes is looked at as it stands on the wire.

mod common;

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use common::free_port;
use common::keys::{Keys, METER};
use common::process::{Ended, Process, bootstorm};
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
const SENT_COOKIE: &str = ">>> DTLS 1.0, RecordHeader";
const FINISHED: &[u8] = b"\n    14 00 00 0c";

/// The CSM of both our ends: code 7.01, Max-Message-Size, Block-Wise-Transfer.
const CSM: &[u8] = b"\xe1\x22\x20\x80\x20";

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
    client(servers.bootstrap_address(), &with(certificate, arguments))
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
        let mut nobody = certificate_client(&servers, &[], &without);
        nobody.await_text("SSL alert number");
        assert_eq!(nobody.finish().0, Some(1));
        assert_eq!(servers.stop().bootstrap("requests"), 0);
    }
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn clients_that_have_nothing_in_common_with_a_server_are_told() {
    let (psk, x509) = (Keys::provision("psk"), Keys::provision("x509"));
    let servers = serving("coaps", &psk);
    // RFC 5246 §7.2.2: handshake_failure.
    psk_client(&servers, METER, &psk.key(), "PSK-AES128-GCM-SHA256").await_text("SSL alert number 40");
    assert_eq!(servers.stop().bootstrap("requests"), 0);
    let servers = serving("coaps", &x509);
    let own = certificate(&x509, &x509);
    // LwM2M also names this suite; the engine does not have it.
    let suite = ["-dtls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8"];
    certificate_client(&servers, &own, &suite).await_text("SSL alert number 40");
    // Nor does it go on without the extended master secret (RFC 7627 §5.3 lets it refuse).
    let arguments = with(&own, &["-dtls1_2", "-connect", servers.bootstrap_address()]);
    let (command, _folder) = without_extended_master_secret(openssl("s_client", &arguments));
    let mut client = Talk::to(command);
    client.await_text("SSL alert number 40");
    assert_eq!(servers.stop().bootstrap("requests"), 0);
}

/// OpenSSL as it was before RFC 7627, as long as its settings are there.
fn without_extended_master_secret(mut command: Command) -> (Command, TempDir) {
    const SETTINGS: &str = "openssl_conf = all\n[all]\nssl_conf = each\n[each]\nsystem_default = these\n\
                            [these]\nOptions = -ExtendedMasterSecret\n";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openssl.cnf");
    fs::write(&file, SETTINGS).expect("writable");
    command.env("OPENSSL_CONF", &file);
    (command, folder)
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn over_tls_a_csm_comes_first() {
    let keys = Keys::provision("x509");
    let servers = serving("coaps+tcp", &keys);
    let mut client = certificate_client(&servers, &certificate(&keys, &keys), &["-alpn", "coap"]);
    client.await_text("ALPN protocol: coap");
    // RFC 8323 §5.3: 7.01, here with Max-Message-Size 8192 and Block-Wise-Transfer, before anything is asked.
    client.await_bytes(CSM, 1);
    let query = format!("ep={METER}");
    let length = u8::try_from(query.len() - 13).expect("a short name");
    let options = [b"\xb2bs\x4d", &[length][..], query.as_bytes()].concat();
    // RFC 8323 §3.2: the length is that of options and payload, 13 and one more byte; then the code and the token.
    let length = u8::try_from(options.len() - 13).expect("a short name");
    let asked = [b"\xd2", &[length][..], b"\x02ab", &options].concat();
    client.say(&[b"\x00\xe1", &asked[..]].concat());
    // 2.04 with neither options nor payload.
    client.await_bytes(b"\x02\x44ab", 1);
    let all = client.finish().1;
    assert!(all.contains(&format!("Cipher is {ECDSA}")), "{all}");
    assert!(all.contains("Verification: OK"), "{all}");
    assert_eq!(servers.stop().bootstrap("requests"), 1);
}

/// `s_server` in the place of the Bootstrap-Server, and a meter that has been sent to it.
struct Place {
    server: Talk,
    meter: Process,
}

impl Place {
    /// A server by `coaps` or `coaps+tcp`, and the first meter of a folder.
    fn take(scheme: &str, keys: &Keys, arguments: &[&str]) -> Self {
        Place::take_by(scheme, keys, arguments, |command| command)
    }

    /// The same with a word about how the server is started.
    fn take_by(
        scheme: &str,
        keys: &Keys,
        arguments: &[&str],
        change: impl FnOnce(Command) -> Command,
    ) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let dtls: &[&str] = if scheme == "coaps" { &["-dtls1_2", "-listen"] } else { &[] };
        let command = openssl("s_server", &[&["-accept", &address], dtls, arguments].concat());
        let mut server = Talk::to(change(command));
        server.await_text("ACCEPT");
        let uri = format!("{scheme}://{address}");
        let meter = bootstorm("meter").arg("--verbose").args(&["--bootstrap-server", &uri]);
        let meter = meter.arg("--credentials").arg(keys.folder()).start();
        Place { server, meter }
    }

    /// The meter is not let in: what it says of that, at once.
    fn expect_failure(mut self, failure: &str) {
        self.meter.await_line(failure, |line| line.trim_end().ends_with(&format!("failure: {failure}")));
        self.leave();
    }

    /// The meter asks over DTLS, and is answered.
    fn expect_request(mut self) -> Ended {
        let query = format!("ep={METER}");
        self.server.await_bytes(query.as_bytes(), 1);
        let said = self.server.output();
        // What it said is the CoAP of the meter as it stands: Confirmable POST, a token of four bytes, /bs.
        let path = said.windows(3).position(|window| window == b"\xb2bs").expect("its path is bs");
        let header = &said[path - 8..path];
        assert_eq!(header[..2], *b"\x44\x02", "{}", self.server.all());
        let changed = [b"\x64\x44", &header[2..]].concat();
        self.server.say(&changed);
        self.meter.await_line("answer", |line| {
            line.contains("<- ") && line.contains("ACK") && line.contains("2.04")
        });
        self.leave()
    }

    /// The meter goes, without having been anywhere.
    fn leave(self) -> Ended {
        self.meter.signal(Signal::SIGINT);
        self.meter.finish().expect_code(1)
    }
}

/// Arguments of a server that demands certificates of an authority and shows its own.
fn own_certificate(trusted: &Keys, own: &Keys) -> Vec<String> {
    let (certificate, key) = (own.file("bootstrap-server.pem"), own.file("bootstrap-server.key.pem"));
    let ca = trusted.file("ca.pem");
    ["-cert", &certificate, "-key", &key, "-CAfile", &ca, "-Verify", "1", "-verify_return_error"]
        .map(str::to_owned)
        .to_vec()
}

/// With further arguments.
fn with<'a>(certificate: &'a [String], further: &[&'a str]) -> Vec<&'a str> {
    certificate.iter().map(String::as_str).chain(further.iter().copied()).collect()
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_asks_a_server_with_its_key() {
    let keys = Keys::provision("psk");
    let key = keys.key();
    let psk = ["-nocert", "-psk", &key, "-psk_identity", METER, "-psk_hint", "any", "-cipher", PSK];
    let mut place = Place::take("coaps", &keys, &psk);
    place.server.await_text(SENT_COOKIE);
    place.server.await_text("CIPHER is PSK-AES128-CCM8");
    let said = place.expect_request().stdout;
    assert!(said.contains("stage: handshake took"), "{said}");
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_does_not_ask_a_server_with_another_key() {
    let keys = Keys::provision("psk");
    let key = "00112233445566778899aabbccddeeff";
    let psk = ["-nocert", "-psk", key, "-psk_identity", METER, "-cipher", PSK];
    let mut place = Place::take("coaps", &keys, &psk);
    // The server passes over a Finished that it cannot decrypt, so that the meter sends its flight again.
    place.meter.await_line("retransmission", |line| line.contains("FlightRetransmitted"));
    let said = place.leave().stdout;
    assert!(!said.contains("stage: handshake took") && !said.contains("POST /bs"), "{said}");
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_asks_a_server_with_a_certificate() {
    let keys = Keys::provision("x509");
    let own = own_certificate(&keys, &keys);
    // Whole, and in fragments.
    for further in [&["-cipher", ECDSA][..], &["-cipher", ECDSA, "-mtu", "400"]] {
        let mut place = Place::take("coaps", &keys, &with(&own, further));
        place.server.await_text(SENT_COOKIE);
        place.server.await_text(&format!("CIPHER is {ECDSA}"));
        assert!(place.server.all().contains(&format!("subject=CN = {METER}")), "{}", place.server.all());
        let said = place.expect_request().stdout;
        let length = |line: &str| line.split_whitespace().rev().nth(3)?.replace(',', "").parse().ok();
        let datagrams = said.lines().filter(|line| line.contains("<- ") && line.ends_with("bytes of DTLS"));
        let longest: Option<u32> = datagrams.filter_map(length).max();
        assert_eq!(longest.is_some_and(|longest| longest <= 400), further.contains(&"-mtu"), "{said}");
    }
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_asks_a_server_over_tls() {
    let keys = Keys::provision("x509");
    let own = own_certificate(&keys, &keys);
    // RFC 8323 §8.2: the server may also say nothing of the protocol.
    for (protocol, selected) in
        [(&["-alpn", "coap"][..], "ALPN protocols selected: coap"), (&[], "CIPHER is")]
    {
        let mut place = Place::take("coaps+tcp", &keys, &with(&own, protocol));
        place.server.await_text(selected);
        place.server.await_text(&format!("CIPHER is {ECDSA}"));
        place.server.await_bytes(CSM, 1);
        // RFC 8323 §5.3: it need not wait for the server's CSM, which never comes here.
        place.server.await_bytes(format!("ep={METER}").as_bytes(), 1);
        place.leave();
    }
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_and_a_server_of_different_authorities_part() {
    let (keys, other) = (Keys::provision("x509"), Keys::provision("x509"));
    for scheme in ["coaps", "coaps+tcp"] {
        let own = own_certificate(&keys, &other);
        Place::take(scheme, &keys, &with(&own, &[])).expect_failure("certificate unknown issuer");
        // Its own is as it should be, but not the meter's: which trusts the authority, and shows another's.
        let own = own_certificate(&other, &keys);
        Place::take(scheme, &keys, &with(&own, &[])).expect_failure("handshake alert 48");
    }
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn servers_that_have_nothing_in_common_with_a_meter_say_so() {
    let keys = Keys::provision("x509");
    let own = own_certificate(&keys, &keys);
    for (scheme, further, failure) in [
        // RFC 5246 §7.2.2: handshake_failure. LwM2M also names this suite; the engine does not have it.
        ("coaps", &["-cipher", "ECDHE-ECDSA-AES128-CCM8"][..], "handshake alert 40"),
        // protocol_version: meters speak TLS 1.2.
        ("coaps+tcp", &["-tls1_3"], "handshake alert 70"),
        // RFC 7301 §3.2: no_application_protocol.
        ("coaps+tcp", &["-alpn", "http/1.1"], "handshake alert 120"),
    ] {
        Place::take(scheme, &keys, &with(&own, further)).expect_failure(failure);
    }
}

#[test]
#[ignore = "needs OpenSSL 3.0 (Debian: openssl); .ci/run installs it"]
fn a_meter_insists_on_the_extended_master_secret() {
    let keys = Keys::provision("x509");
    let own = own_certificate(&keys, &keys);
    let mut folder = None;
    let mut place = Place::take_by("coaps", &keys, &with(&own, &[]), |command| {
        let (command, settings) = without_extended_master_secret(command);
        folder = Some(settings);
        command
    });
    place.server.await_text("SSL alert number 40");
    place.expect_failure("handshake protocol");
}
