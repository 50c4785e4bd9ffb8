//! stub: transmission parameters RFC 7252 §4.8
use std::time::Duration;
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    pub ack_timeout: Duration,
    pub ack_random_factor: f64,
    pub max_retransmit: u32,
    pub nstart: u32,
    /// preferred block size in bytes, 16..=1024, power of two
    pub block_size: u16,
    /// largest body accepted in a block-wise transfer
    pub max_body: usize,
}
impl Default for Params {
    fn default() -> Self {
        todo!()
    }
}
impl Params {
    pub fn max_transmit_span(&self) -> Duration {
        todo!()
    }
    pub fn max_transmit_wait(&self) -> Duration {
        todo!()
    }
    pub fn exchange_lifetime(&self) -> Duration {
        todo!()
    }
}
