//! Both ends in virtual time.

mod handshakes;
mod world;
