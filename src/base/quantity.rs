//! stub
use std::time::Duration;
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);
impl Rate {
    pub fn per_second(self) -> f64 {
        self.0
    }
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);
