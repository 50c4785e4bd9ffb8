//! `<stage>.hgrm`: the percentile text that HdrHistogram plotters read, values in milliseconds.

use std::io::{self, Write};

use crate::metrics::LatencyHistogram;

/// Lines for each halving of the distance to 100 %, as the format's reference writer has it.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// Values are recorded in microseconds and written in milliseconds.
const US_PER_UNIT: f64 = 1000.0;
/// Linear steps in a bucket at three significant digits: the power of two next above 2 * 10^3.
const SUB_BUCKETS: u32 = 2048;

/// Writes the percentiles of one stage; without values, only the frame around them.
pub(super) fn write(out: &mut dyn Write, histogram: Option<&LatencyHistogram>) -> io::Result<()> {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let empty = LatencyHistogram::default();
    let raw = histogram.unwrap_or(&empty).raw();
    let mut total = 0;
    for step in raw.iter_quantiles(TICKS_PER_HALF_DISTANCE).take_while(|_| !raw.is_empty()) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / US_PER_UNIT;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:12.3} {quantile:2.12} {total:10}")?;
        // At 100 % the last column would be infinite; the format leaves it out.
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let [mean, deviation, max] = [raw.mean(), raw.stdev(), raw.max() as f64].map(|us| us / US_PER_UNIT);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {:12}]", raw.len())?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {SUB_BUCKETS:12}]", raw.buckets())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(histogram: Option<&LatencyHistogram>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, histogram).expect("memory takes every byte");
        String::from_utf8(bytes).expect("it is text")
    }

    #[test]
    fn four_values_look_as_plotters_expect() {
        let mut histogram = LatencyHistogram::default();
        [500, 1000, 1500, 2000]
            .into_iter()
            .map(Duration::from_micros)
            .for_each(|latency| histogram.record(latency));
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       0.500 0.000000000000          1           1.00
       0.500 0.100000000000          1           1.11
       0.500 0.200000000000          1           1.25
       1.000 0.300000000000          2           1.43
       1.000 0.400000000000          2           1.67
       1.000 0.500000000000          2           2.00
       1.500 0.550000000000          3           2.22
       1.500 0.600000000000          3           2.50
       1.500 0.650000000000          3           2.86
       1.500 0.700000000000          3           3.33
       2.000 0.750000000000          4           4.00
       2.000 1.000000000000          4
#[Mean    =        1.250, StdDeviation   =        0.559]
#[Max     =        2.000, Total count    =            4]
#[Buckets =           22, SubBuckets     =         2048]
";
        assert_eq!(text(Some(&histogram)), expected);
    }

    #[test]
    fn no_values_leave_the_frame() {
        let empty = text(None);
        assert_eq!(empty.lines().count(), 5, "{empty}");
        assert!(empty.contains("Total count    =            0"));
    }
}
