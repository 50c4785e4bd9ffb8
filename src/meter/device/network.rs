//! The network a meter is on: /4, /7; /10, /11, /13 and /504 on a cellular one, /12 on a wireless LAN.

use super::sheet::Sheet;
use crate::protocol::lwm2m::Value;

/// Values of /4/0/0.
pub(super) const CELLULAR: i64 = 6;
/// A WLAN.
pub(super) const WLAN: i64 = 21;
/// An Ethernet.
pub(super) const ETHERNET: i64 = 41;

const APN: &str = "meters.example";

/// /4.
pub(super) fn connectivity(sheet: &mut Sheet, bearer: i64) {
    let mut page = sheet.instance(4, 0);
    page.integer(0, bearer)
        .several(1, [Value::Integer(bearer)])
        .codes(&[
            (2, if bearer == ETHERNET { 0 } else { -85 }),
            (3, if bearer == ETHERNET { 0 } else { -11 }),
        ])
        .several(4, ["10.0.0.2".into()])
        .several(5, ["10.0.0.1".into()])
        .integer(6, 1);
    if bearer == CELLULAR {
        // A network code that is kept for tests (ITU-T E.212: 001-01), a cell and its area.
        page.several(7, [APN.into()]).codes(&[
            (8, 1_000_000),
            (9, 1),
            (10, 1),
            (11, 12),
            (12, 4_660),
            (13, 0),
        ]);
    }
}

/// /7.
pub(super) fn statistics(sheet: &mut Sheet) {
    sheet.instance(7, 0).codes(&[(2, 0), (3, 0), (4, 1_280), (5, 240), (8, 0)]);
}

/// /10, /11, /13, /504: a modem with an eUICC that does not come off.
pub(super) fn cellular(sheet: &mut Sheet) {
    const EUICC: i64 = 2;
    const NO_AUTHENTICATION: i64 = 3;
    const IPV4: i64 = 1;
    const LTE_PREFERRED: i64 = 4;
    // PSM and eDRX.
    sheet
        .instance(10, 0)
        .codes(&[(4, 3_600), (5, 30)])
        .several(11, [Value::ObjectLink(11, 0)])
        .counts(&[(12, 0b11), (13, 0)]);
    sheet
        .instance(11, 0)
        .text(0, "default")
        .text(1, APN)
        .boolean(3, true)
        .codes(&[(4, NO_AUTHENTICATION), (13, 0), (14, 0), (24, IPV4)])
        .several(15, ["10.0.0.2".into()]);
    sheet.instance(13, 0).several(0, [Value::Integer(LTE_PREFERRED)]).codes(&[(3, -124), (10, -140)]);
    sheet
        .instance(504, 0)
        .codes(&[(0, EUICC), (5, 0), (6, 0), (9, 1_200), (10, 1_536), (13, 1)])
        .several(1, [Value::Integer(EUICC)])
        .text(2, "Example Mobile")
        .text(7, "default")
        .several(11, ["8999010000000000000".into()])
        .text(12, "");
}

/// /12: a station on the access point of a substation.
pub(super) fn wlan(sheet: &mut Sheet) {
    const UP: i64 = 1;
    const STATION: i64 = 1;
    const N: i64 = 4;
    const EAP: i64 = 2;
    sheet
        .instance(12, 0)
        .text(0, "wlan0")
        .boolean(1, true)
        .codes(&[(2, 1), (3, UP), (8, STATION), (9, 6), (14, N), (15, EAP), (16, 0)])
        .text(4, "020000000000")
        .text(5, "meters")
        .codes(&[(33, 0), (34, 0), (35, 0), (36, 0), (37, 0), (38, 0)]);
}
