use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::base::Seed;
use crate::credentials::{Fault, Faults, Master, Mode, Names, Role, Share, Store, Wanted, WantedServer};
use crate::protocol::lwm2m::Value;

const EMS: Role = Role::Server(101);
const NOW: u64 = 1_800_000_000;

fn wanted(meters: u32, mode: Mode) -> Wanted {
    let server = |role| WantedServer {
        role,
        mode,
        embedded: true,
        names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        usage: (mode == Mode::X509).then_some(2),
        matching_type: 0,
        server_name: None,
    };
    Wanted {
        names: Names::new(meters, |number| format!("m,{number}")),
        servers: vec![server(Role::Bootstrap), server(EMS)],
        faults: None,
        now: NOW,
    }
}

fn order(meters: u32, mode: Mode) -> Order {
    let uris = vec!["coaps://127.0.0.1:5684".to_owned(), "coaps://127.0.0.1:5694".to_owned()];
    Order { wanted: wanted(meters, mode), mode, endpoint: Some("m,{index}".to_owned()), uris, master: None }
}

/// A folder with the credentials of so many meters.
fn folder(meters: u32, mode: Mode) -> (tempfile::TempDir, std::path::PathBuf) {
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("keys");
    provision(&path, &order(meters, mode), &|_| ()).expect("written");
    (parent, path)
}

fn read_back(path: &Path, wanted: &Wanted) -> Store {
    let manifest = manifest(path).expect("a manifest");
    assert!(manifest.names.is_empty());
    read(path, &manifest, wanted).unwrap_or_else(|error| panic!("{error}"))
}

fn key(store: &Store, role: Role, number: u32) -> Vec<u8> {
    let resources = store.resources(role, number).expect("a meter");
    match resources.iter().find(|(id, _)| *id == 5) {
        Some((_, Value::Opaque(key))) => key.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn what_holds_secrets_is_its_owners_alone() {
    for (kind, secret) in [
        (Mode::Psk, &["master.secret", "meters.csv", "meters.jsonl", "ems-101.csv", "ems-101.jsonl"][..]),
        (
            Mode::X509,
            &[
                "ca.key.pem",
                "meters.key.pem",
                "ems-101.key.pem",
                "bootstrap-server.key.pem",
                "ems-server-101.key.pem",
                "meters.jsonl",
                "ems-101.jsonl",
            ],
        ),
    ] {
        let (_parent, path) = folder(3, kind);
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).expect("a folder") {
            let file = entry.expect("a file").path();
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).expect("text");
            let expected = if secret.contains(&name.as_str()) { 0o600 } else { 0o644 };
            // The umask may take more away, and never less.
            assert_eq!(mode(&file) & !expected, 0, "{name}");
            assert!(expected == 0o600 || !text.contains("PRIVATE KEY"), "{name} holds keys");
        }
        assert!(secret.iter().all(|name| path.join(name).exists()));
    }
}

#[test]
fn secrets_that_others_can_read_are_not_read() {
    let (_parent, path) = folder(2, Mode::Psk);
    open(&path.join("master.secret"), 0o644);
    let about = manifest(&path).expect("a manifest");
    let error = read(&path, &about, &wanted(2, Mode::Psk)).expect_err("open");
    assert!(matches!(&error, FilesError::TooOpen { mode: 0o644, .. }), "{error}");
    assert!(error.to_string().contains("so others than its owner can read the secrets in it"));
    open(&path.join("meters.csv"), 0o640);
    assert!(matches!(list(&path.join("meters.csv")), Err(FilesError::TooOpen { mode: 0o640, .. })));

    let (_parent, path) = folder(2, Mode::X509);
    open(&path.join("meters.key.pem"), 0o604);
    let about = manifest(&path).expect("a manifest");
    assert!(matches!(read(&path, &about, &wanted(2, Mode::X509)), Err(FilesError::TooOpen { .. })));
}

#[test]
fn a_folder_is_read_as_it_was_written_and_its_lists_say_the_same() {
    for kind in [Mode::Psk, Mode::X509] {
        let (_parent, path) = folder(4, kind);
        let about = manifest(&path).expect("a manifest");
        assert_eq!((about.mode, about.meters, about.endpoint.as_deref()), (kind, 4, Some("m,{index}")));
        assert_eq!(about.servers[1], (EMS, "coaps://127.0.0.1:5694".to_owned()));
        let wanted = wanted(4, kind);
        let [one, other] = [read_back(&path, &wanted), read_back(&path, &wanted)];
        assert_ne!(key(&one, EMS, 0), key(&one, Role::Bootstrap, 0));
        assert!(one.server(EMS).is_some());
        for (role, file) in [(Role::Bootstrap, "meters.csv"), (EMS, "ems-101.csv")] {
            let list = list(&path.join(file)).expect("a list");
            assert_eq!(list.endpoints().len(), 4);
            let mut only = wanted.clone();
            only.servers.retain(|server| server.role == role);
            let trust = path.join("ca.pem");
            let trust = (kind == Mode::X509).then_some(&*trust);
            let imported = import(&path.join(file), &list, trust, &only, &|_| ()).expect("imported");
            for number in 0..4 {
                assert_eq!(key(&one, role, number), key(&other, role, number));
                assert_eq!(key(&one, role, number), key(&imported, role, number));
            }
        }
    }
}

#[test]
fn fewer_meters_and_those_of_other_names_are_found() {
    let (_parent, path) = folder(4, Mode::X509);
    let all = read_back(&path, &wanted(4, Mode::X509));
    let mut third = wanted(1, Mode::X509);
    third.names = Names::new(1, |_| "m,2".to_owned());
    assert_eq!(key(&read_back(&path, &third), EMS, 0), key(&all, EMS, 2));
    let about = manifest(&path).expect("a manifest");
    let mut stranger = third.clone();
    stranger.names = Names::new(1, |_| "m,4".to_owned());
    let said = read(&path, &about, &stranger).expect_err("nobody").to_string();
    assert_eq!(said, "meter 0 (m,4) has no credentials for bootstrap");
    let said = read(&path, &about, &wanted(5, Mode::X509)).expect_err("too many").to_string();
    assert!(said.contains("is for 4 meters, and 5 are wanted"), "{said}");
    let said = read(&path, &about, &wanted(4, Mode::Psk)).expect_err("keys").to_string();
    assert!(said.contains("has credentials of mode x509, and server bootstrap wants psk"), "{said}");
    let mut elsewhere = wanted(4, Mode::X509);
    elsewhere.servers[0].names.push("10.0.0.1".to_owned());
    let said = read(&path, &about, &elsewhere).expect_err("elsewhere").to_string();
    assert!(said.contains("is not for 10.0.0.1, where the server is met"), "{said}");
}

#[test]
fn a_master_secret_makes_the_same_keys_again() {
    let (_parent, path) = folder(3, Mode::Psk);
    let (_other, fresh) = folder(3, Mode::Psk);
    let again = path.parent().expect("a parent").join("again");
    let master = Some(read_master(&path.join("master.secret")).expect("a secret"));
    provision(&again, &Order { master, ..order(3, Mode::Psk) }, &|_| ()).expect("written");
    for name in ["meters.csv", "ems-101.jsonl", "master.secret"] {
        let text = |folder: &Path| fs::read_to_string(folder.join(name)).expect("text");
        assert_eq!(text(&path), text(&again), "{name}");
        assert_ne!(text(&path), text(&fresh), "{name}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let (_parent, path) = folder(1, Mode::Psk);
    let before = fs::read_to_string(path.join("master.secret")).expect("text");
    let error = provision(&path, &order(1, Mode::Psk), &|_| ()).expect_err("not empty");
    assert!(matches!(error, FilesError::NotEmpty(_)), "{error}");
    assert_eq!(fs::read_to_string(path.join("master.secret")).expect("text"), before);
    // An empty folder becomes its owner's alone.
    let empty = path.parent().expect("a parent").join("empty");
    fs::create_dir(&empty).expect("a folder");
    open(&empty, 0o755);
    provision(&empty, &order(1, Mode::Psk), &|_| ()).expect("written");
    assert_eq!(mode(&empty), 0o700);
}

#[test]
fn bad_certificates_come_out_of_a_folder_as_long_as_its_authority_signs() {
    let (_parent, path) = folder(2, Mode::X509);
    let good = read_back(&path, &wanted(2, Mode::X509));
    let mut bad = wanted(2, Mode::X509);
    let all = Share { fault: Fault::Expired, at: EMS, share: "100%".parse().expect("a share") };
    bad.faults = Some(Faults { shares: vec![all], seed: Seed(1) });
    let spoilt = read_back(&path, &bad);
    assert_ne!(key(&good, EMS, 0), key(&spoilt, EMS, 0));
    assert_eq!(key(&good, Role::Bootstrap, 0), key(&spoilt, Role::Bootstrap, 0));
    fs::remove_file(path.join("ca.key.pem")).expect("it was there");
    let about = manifest(&path).expect("a manifest");
    let said = read(&path, &about, &bad).expect_err("nobody signs").to_string();
    assert!(said.contains("expired takes an authority that signs"), "{said}");
    assert!(read(&path, &about, &wanted(2, Mode::X509)).is_ok());
}

#[test]
fn an_authority_that_has_expired_or_is_none_is_named() {
    let (_kept, path) = folder(1, Mode::X509);
    let refused = |wanted: &Wanted| {
        let manifest = manifest(&path).expect("a manifest");
        read(&path, &manifest, wanted).expect_err("a folder that does not fit").to_string()
    };
    let later = Wanted { now: NOW + 11 * 366 * 86_400, ..wanted(1, Mode::X509) };
    assert!(refused(&later).ends_with("ca.pem: has expired, and so has what it signed"));
    std::fs::write(path.join("ca.pem"), "").expect("written");
    assert!(refused(&wanted(1, Mode::X509)).ends_with("ca.pem: holds no certificate"));
}

#[test]
fn a_list_is_for_meters_by_name_and_says_who_is_missing() {
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("keys.csv");
    fs::write(&path, "endpoint,key\nb,00\na,01\n").expect("written");
    open(&path, 0o600);
    let list = list(&path).expect("a list");
    let mut two = wanted(2, Mode::Psk);
    two.names = Names::new(2, |number| ["a", "b"][number as usize].to_owned());
    let store = import(&path, &list, None, &two, &|_| ()).expect("imported");
    assert_eq!((key(&store, Role::Bootstrap, 0), key(&store, Role::Bootstrap, 1)), (vec![1], vec![0]));
    // The embedded EMS, of which the list says nothing, has keys of its own.
    assert_eq!(key(&store, EMS, 0).len(), Master::KEY_BYTES);
    two.names = Names::new(2, |number| ["a", "c"][number as usize].to_owned());
    let said = import(&path, &list, None, &two, &|_| ()).expect_err("no c").to_string();
    assert_eq!(said, "meter 1 (c) has no credentials for bootstrap");
}

#[test]
fn files_that_are_none_are_refused_without_a_word_of_what_is_in_them() {
    let parent = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = parent.path().join(name);
        fs::write(&path, text).expect("written");
        open(&path, 0o600);
        path
    };
    let secret = "deadbeefdeadbeef";
    let errors = [
        read_master(&file("short", secret)).map(|_| ()).expect_err("too short"),
        read_key(&file("key", &format!("{secret}!"))).map(|_| ()).expect_err("no key"),
        read_key(&file("long", &secret.repeat(20))).map(|_| ()).expect_err("too long"),
        list(&file("list.csv", &format!("endpoint,key\na,{secret}x\n"))).map(|_| ()).expect_err("no key"),
        manifest(&file("manifest.toml", secret).with_file_name("")).map(|_| ()).expect_err("no manifest"),
        import::private_keys(
            Path::new("k.pem"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}\n").as_bytes(),
        )
        .map(|_| ())
        .expect_err("broken"),
    ];
    for error in errors {
        assert!(!format!("{error} {error:?}").contains("deadbeef"), "{error}");
    }
    assert!(read_key(&file("good", " hex:00ff\n")).is_ok());
    assert!(matches!(read_key(&parent.path().join("gone")), Err(FilesError::File { .. })));
}

#[test]
fn names_that_follow_no_template_stand_in_the_lists() {
    for kind in [Mode::Psk, Mode::X509] {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("keys");
        provision(&path, &Order { endpoint: None, ..order(2, kind) }, &|_| ()).expect("written");
        assert_eq!(manifest(&path).expect("a manifest").names, ["m,0".into(), "m,1".into()]);
    }
}

/// How long it takes, which is for people to see: machines differ.
#[test]
#[ignore = "slow in a debug build; prints how long it takes"]
fn ten_thousand_certificates() {
    let clock = crate::base::Clock::start();
    let store = make(&wanted(10_000, Mode::X509), &|_| ()).expect("made");
    println!("20,000 certificates in {:?}: {store:?}", clock.now().since_origin());
}
