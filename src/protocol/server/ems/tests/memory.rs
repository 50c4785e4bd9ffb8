//! What devices cost, as far as the sizes of types tell; the module's documentation has the whole.

use crate::protocol::server::ems::device::{Device, Observed, Work};
use crate::protocol::server::ems::registry::Registration;
use crate::protocol::server::peers::Peer;

#[test]
fn a_device_costs_no_more_than_it_is_said_to() {
    assert!(size_of::<Option<Registration>>() <= 80);
    assert!(size_of::<Peer<Device>>() <= 304);
    assert!(size_of::<Work>() <= 104);
    assert!(size_of::<Observed>() <= 12);
}
