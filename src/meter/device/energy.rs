//! /10243: what a single-phase meter measures.

use super::sheet::Sheet;

pub(super) fn power_meter(sheet: &mut Sheet) {
    let mut page = sheet.instance(10_243, 0);
    page.text(0, "bootstorm").text(1, "single-phase 5(80) A").text(2, "").text(3, "mains connection");
    page.float(4, 230.0);
    for id in (5..=10).chain(12..=16) {
        page.float(id, 0.0);
    }
    page.float(11, 1.0).float(17, 50.0);
}
