//! Figures and sentences as people read them.

use std::time::Duration;

/// A whole number with its thousands apart: `100,000`.
pub fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 meter`, `2,000 meters`.
pub fn counted(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A figure that need not be exact: whole and with its thousands apart from 100 up, else with one decimal.
pub fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if 0.0 < value && value < 0.05 => "<0.1".to_owned(),
        // A cast from float saturates and is zero for NaN.
        _ if value >= 99.95 => count(value.round() as u64),
        _ => format!("{value:.1}"),
    }
}

/// An amount of memory: `25.0 MiB`.
pub fn memory(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A latency: `870 µs`, `4.2 ms`, `1.25 s`.
pub fn latency(span: Duration) -> String {
    let micros = span.as_secs_f64() * 1e6;
    match micros {
        _ if micros < 999.5 => format!("{micros:.0} µs"),
        _ if micros < 99_950.0 => format!("{:.1} ms", micros / 1e3),
        _ if micros < 999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Time since the start: `12.3s`, `2m05s`, `1h02m05s`.
pub fn elapsed(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0..60 => format!("{}.{}s", secs, span.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        _ => format!("{}h{:02}m{:02}s", secs / 3600, secs / 60 % 60, secs % 60),
    }
}

/// Breaks a sentence between words into lines of at most `width` columns unless a word alone is longer, the
/// first one after `first` and the others after `rest`. Every line ends with a line break.
pub fn wrap(first: &str, rest: &str, sentence: &str, width: usize) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    let mut fresh = true;
    for word in sentence.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > width {
            text.push_str(line.trim_end());
            text.push('\n');
            line = rest.to_owned();
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    text + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0_u32, 999, 1_000, 16_000_000].map(count), ["0", "999", "1,000", "16,000,000"]);
        assert_eq!([0.0, 99.9, 99.96, 12_345.6].map(figure), ["0", "99.9", "100", "12,346"]);
        assert_eq!([0.049, 0.05, 1.0, f64::NAN].map(figure), ["<0.1", "0.1", "1.0", "NaN"]);
        assert_eq!([0_u32, 1, 2_000].map(|n| counted(n, "meter")), ["0 meters", "1 meter", "2,000 meters"]);
        assert_eq!([0, 1536, 3 << 30].map(memory), ["0.0 KiB", "1.5 KiB", "3.0 GiB"]);
        let micros = [0, 870, 4_240, 99_960, 999_600, 1_250_000].map(Duration::from_micros);
        assert_eq!(micros.map(latency), ["0 µs", "870 µs", "4.2 ms", "100 ms", "1.00 s", "1.25 s"]);
        let millis = [0, 12_340, 59_999, 125_000, 3_725_000].map(Duration::from_millis);
        assert_eq!(millis.map(elapsed), ["0.0s", "12.3s", "59.9s", "2m05s", "1h02m05s"]);
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrap("a: ", "   ", "one two three", 10), "a: one two\n   three\n");
        assert_eq!(wrap("a: ", "   ", "one  two\nthree", 80), "a: one two three\n");
        assert_eq!(wrap("a: ", "   ", "incomprehensible", 10), "a: incomprehensible\n");
        assert_eq!(wrap("", "", "", 10), "\n");
    }
}
