//! The device itself: /3, /5, /6, /9.

use super::sheet::Sheet;
use crate::protocol::lwm2m::Value;

const MANUFACTURER: &str = "bootstorm";
const MODEL: &str = "simulated meter";

/// /3 with what is mandatory, and what it is.
pub(super) fn minimal(sheet: &mut Sheet) {
    sheet
        .instance(3, 0)
        .text(0, MANUFACTURER)
        .text(1, MODEL)
        .text(3, env!("CARGO_PKG_VERSION"))
        // /3/0/11: error code 0, no error.
        .several(11, [Value::Integer(0)])
        .text(16, "U")
        .text(17, "smart meter");
}

/// The rest of /3: fed by the mains, with a battery for the clock and the last gasp.
pub(super) fn device(sheet: &mut Sheet) {
    const MAINS: i64 = 6;
    const INTERNAL_BATTERY: i64 = 1;
    minimal(sheet);
    sheet
        .instance(3, 0)
        .text(2, "")
        .several(6, [Value::Integer(MAINS), Value::Integer(INTERNAL_BATTERY)])
        .several(7, [Value::Integer(230_000), Value::Integer(3_600)])
        .several(8, [Value::Integer(25), Value::Integer(0)])
        // Full, and kept so.
        .codes(&[(9, 100), (10, 96_000), (20, 2), (21, 128_000)])
        .time(13)
        .text(14, "+00:00")
        .text(15, "Etc/UTC")
        .text(18, "A2")
        .text(19, "1.0.0");
}

/// /5, idle; CoAP is spoken, and packages may be pushed and pulled.
pub(super) fn firmware(sheet: &mut Sheet) {
    const COAP: i64 = 0;
    const BOTH: i64 = 2;
    sheet
        .instance(5, 0)
        .text(1, "")
        .codes(&[(3, 0), (5, 0), (9, BOTH)])
        .text(6, "")
        .text(7, "")
        .several(8, [Value::Integer(COAP)])
        // Mandatory, and not to be put off for ever.
        .integer(11, 1)
        .unsigned(13, 86_400)
        .boolean(14, false);
}

/// /6: where an installer has noted it down.
pub(super) fn location(sheet: &mut Sheet) {
    sheet.instance(6, 0).float(0, 0.0).float(1, 0.0).float(2, 0.0).float(3, 5.0).time(5);
}

/// /9/0: one application, installed and running.
pub(super) fn software(sheet: &mut Sheet) {
    const INSTALLED: i64 = 4;
    const SUCCESSFULLY: i64 = 2;
    sheet
        .instance(9, 0)
        .text(0, super::platform::PACKAGE)
        .text(1, super::platform::PACKAGE_VERSION)
        .codes(&[(7, INSTALLED), (9, SUCCESSFULLY), (21, 1)])
        .boolean(8, false)
        .boolean(12, true);
}
