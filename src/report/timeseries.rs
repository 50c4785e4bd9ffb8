//! `timeseries.csv`: one row a second.
//!
//! `due`, `started` and the states are as they stood at the end of the second; everything else is of
//! the second alone. A stage without values in a second has a count of zero and empty percentiles.

use std::io::{self, Write};

use crate::metrics::{MeterState, Row, Stage};

/// Writes the names of the columns.
pub(super) fn write_header(out: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<String> = ["elapsed_s", "due", "started"].map(str::to_owned).to_vec();
    names.extend(MeterState::ALL.map(|state| format!("states.{state}")));
    for stage in Stage::ALL {
        names.extend(["count", "p50_us", "p99_us"].map(|figure| format!("stages.{stage}.{figure}")));
    }
    names.extend(["sent", "received", "retransmitted", "duplicates", "failures"].map(str::to_owned));
    write_record(out, &names)
}

/// Writes one second.
pub(super) fn write_row(out: &mut dyn Write, row: &Row) -> io::Result<()> {
    let mut cells =
        vec![format!("{:.3}", row.elapsed.as_secs_f64()), row.due.to_string(), row.started.to_string()];
    cells.extend(row.states.iter().map(|(_, count)| count.to_string()));
    for point in row.stages {
        let figure = |us: u64| if point.count > 0 { us.to_string() } else { String::new() };
        cells.extend([point.count.to_string(), figure(point.p50_us), figure(point.p99_us)]);
    }
    let traffic = row.traffic;
    let rest = [traffic.sent, traffic.received, traffic.retransmitted, traffic.duplicates, row.failures];
    cells.extend(rest.map(|count| count.to_string()));
    write_record(out, &cells)
}

fn write_record(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().from_writer(out);
    writer.write_record(cells)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    /// The file of the fixture: for each row, its cells by column.
    fn rows() -> Vec<std::collections::BTreeMap<String, String>> {
        let mut bytes = Vec::new();
        write_header(&mut bytes).expect("memory takes every byte");
        for row in fixture::totals().rows() {
            write_row(&mut bytes, row).expect("memory takes every byte");
        }
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        reader.deserialize().collect::<Result<_, _>>().expect("every row has the header's columns")
    }

    #[test]
    fn every_second_is_a_row_of_named_figures() {
        let rows = rows();
        assert_eq!(rows.len(), 2);
        let [first, last] = [&rows[0], &rows[1]];
        assert_eq!([&first["elapsed_s"], &last["elapsed_s"]], ["1.000", "1.500"]);
        assert_eq!([&first["due"], &first["started"]], ["20", "20"]);
        assert_eq!([&first["states.registered"], &last["states.registered"]], ["20", "0"]);
        assert_eq!(first["stages.onboarding.count"], "20");
        assert!(first["stages.onboarding.p50_us"].parse::<u64>().is_ok_and(|us| us > 12_000));
        assert_eq!([&last["stages.onboarding.count"], &last["stages.onboarding.p50_us"]], ["0", ""]);
        assert_eq!([&first["sent"], &last["sent"]], ["44", "20"]);
        assert_eq!([&first["failures"], &last["failures"]], ["4", "1"]);
    }
}
