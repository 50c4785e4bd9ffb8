//! stub
use super::Instant;
pub struct Wheel;
impl Wheel {
    pub fn new(_start: Instant) -> Self { todo!() }
    pub fn arm(&mut self, _id: u32, _when: Instant) { todo!() }
    pub fn disarm(&mut self, _id: u32) { todo!() }
    pub fn next(&self) -> Option<Instant> { todo!() }
    pub fn expire(&mut self, _now: Instant, _due: &mut Vec<u32>) { todo!() }
    pub fn len(&self) -> usize { todo!() }
}
