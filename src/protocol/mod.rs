//! LwM2M over CoAP, sans-IO: codecs, the message layer, the data model, and the two sides of the
//! protocol. Knows no socket, no clock and no randomness but the seeds it is given.

pub mod client;
pub mod coap;
pub mod content;
pub mod lwm2m;
pub mod server;
