//! GEISA's platform: /20, /3600, /3601, /3602, /3604, /3605, /3606, with one application on it.

use super::sheet::Sheet;
use crate::protocol::lwm2m::Value;

/// The application, as /9 and /3604 have it.
pub(super) const PACKAGE: &str = "org.example.loadprofile";
/// Its version.
pub(super) const PACKAGE_VERSION: &str = "1.4.2";
/// Its AppID, resource 4050 of several objects.
const APP_ID: u64 = 1;

/// All of them.
pub(super) fn objects(sheet: &mut Sheet) {
    event_log(sheet);
    messaging(sheet);
    host(sheet);
    accounting(sheet);
    application(sheet);
    component(sheet);
    configuration(sheet);
}

fn event_log(sheet: &mut Sheet) {
    const SYSTEM: i64 = 1;
    const HOST: i64 = 1;
    // Running, with valid data.
    const STATUS: i64 = 0b10;
    const NOTICE: i64 = 5;
    sheet
        .instance(20, 0)
        .codes(&[(4010, SYSTEM), (4013, STATUS), (4015, 0), (4018, HOST), (4053, NOTICE)])
        .opaque(4014, b"boot: power up, clock set, store ok")
        .text(4019, "host")
        .boolean(4052, false);
}

fn messaging(sheet: &mut Sheet) {
    sheet
        .instance(3600, 0)
        .opaque(1, b"")
        .counts(&[(2, 4), (3, 0), (4, 3_600), (4050, APP_ID)])
        .text(5, "application/cbor");
}

/// A small Linux host: two cores, 256 MiB, 1 GiB of flash.
fn host(sheet: &mut Sheet) {
    const MIB: u64 = 1 << 20;
    sheet
        .instance(3601, 0)
        .text(1, "arm64")
        .text(2, "Cortex-A53")
        .counts(&[
            (0, 0),
            (10, 800_000_000),
            (11, 400_000_000),
            (12, 1_200_000_000),
            (13, 2),
            (14, 20),
            (15, 80),
        ])
        .counts(&[(20, 256 * MIB), (21, 120 * MIB), (22, 74), (23, 132), (24, 900), (25, 1_400)])
        .counts(&[(30, 1_024 * MIB), (31, 420 * MIB), (32, 512 * MIB), (33, 96 * MIB)])
        .several(34, ["mmcblk0".into()])
        .several(35, ["/".into(), "/apps".into()])
        .several(36, [Value::Unsigned(188 * MIB), Value::Unsigned(416 * MIB)])
        .several(40, ["wan0".into(), "lo".into()])
        .several(41, ["unknown".into(), "loopback".into()])
        .several(42, [Value::Unsigned(1_000_000), Value::Unsigned(0)])
        .several(43, [Value::Unsigned(0), Value::Unsigned(0)]);
}

/// What the application sends and receives, from midnight to midnight.
fn accounting(sheet: &mut Sheet) {
    const APP_MESSAGES: i64 = 1;
    const APPLICATION: i64 = 1;
    const NORMAL: i64 = 1;
    const NOT_THROTTLED: i64 = 1;
    const NO_REASON: i64 = 1;
    const DAILY: u64 = 2;
    sheet
        .instance(3602, 0)
        .put(0, Value::ObjectLink(9, 0))
        .codes(&[(10, APP_MESSAGES), (11, APPLICATION)])
        .text(20, "RRULE:FREQ=DAILY;INTERVAL=1")
        .counts(&[(21, DAILY), (30, 4_000_000), (31, 0), (32, 4_000_000), (33, 0), (34, 0)])
        .counts(&[(41, 0), (43, 0), (44, 0)])
        .codes(&[(50, NORMAL), (51, NOT_THROTTLED), (52, NO_REASON)])
        .times(&[70, 71, 72])
        .unsigned(4050, APP_ID);
}

fn application(sheet: &mut Sheet) {
    const LINUX: i64 = 1;
    const RUNNING: i64 = 4;
    const HEALTHY: i64 = 1;
    sheet
        .instance(3604, 0)
        .text(0, PACKAGE)
        .text(1, "loadprofile-1")
        .put(2, Value::ObjectLink(9, 0))
        .several(3, [Value::ObjectLink(3602, 0)])
        .text(10, "Load profile")
        .text(11, PACKAGE_VERSION)
        .codes(&[(12, LINUX), (20, RUNNING), (21, HEALTHY)])
        .text(22, "")
        .times(&[23, 24, 72])
        .counts(&[(30, 0), (31, 1), (32, 0)])
        .float(40, 2.0)
        .float(41, 2.0)
        .counts(&[(43, 18_000_000), (44, 24_000_000), (45, 33_554_432), (46, 4_000_000)])
        .integer(47, 16_777_216)
        .counts(&[(48, 300_000), (49, 8_388_608), (50, 6), (51, 1), (4050, APP_ID)]);
}

/// The platform as a whole.
fn component(sheet: &mut Sheet) {
    const AGGREGATE: i64 = 1;
    const HEALTHY: i64 = 1;
    const REGISTERED: i64 = 3;
    const BOOTSTRAPPED: i64 = 4;
    const UP: i64 = 3;
    sheet
        .instance(3605, 0)
        .codes(&[(0, AGGREGATE), (4, HEALTHY), (10, 0)])
        .text(1, "platform")
        .text(3, "1.0.0")
        .text(5, "")
        .times(&[7, 12, 13, 31])
        .unsigned(11, 3_600)
        .codes(&[(20, REGISTERED), (24, BOOTSTRAPPED), (30, UP), (40, 1), (50, 1), (60, 1), (61, 1), (62, 1)])
        .counts(&[(33, 0), (41, 0), (42, 0), (51, 0), (52, 0), (53, 0)]);
}

/// What is asked for, and in force: even IDs and odd ones.
fn configuration(sheet: &mut Sheet) {
    const IN_FORCE: u64 = 1;
    let mut page = sheet.instance(3606, 0);
    page.text(0, "1").unsigned(1, IN_FORCE).times(&[2, 3]);
    // Sampling periods and monitoring windows, the queue, and the log.
    let pairs: [(u16, u64); 12] = [
        (20, 60),
        (22, 60),
        (24, 60),
        (26, 60),
        (28, 300),
        (40, 3_600),
        (60, 4),
        (80, 5),
        (112, 1_000),
        (114, 1_000_000),
        (116, 86_400),
        (140, 3_600),
    ];
    for (id, value) in pairs {
        page.counts(&[(id, value), (id + 1, value)]);
    }
    for (id, truth) in [(64, true), (88, false), (110, true)] {
        page.boolean(id, truth).boolean(id + 1, truth);
    }
}
