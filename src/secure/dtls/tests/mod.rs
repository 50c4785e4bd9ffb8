//! Both ends in virtual time.

mod attacks;
mod handshakes;
mod world;
