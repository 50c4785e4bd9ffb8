//! What devices send by themselves: Send (LwM2M Core §6.4.6), at `/dp`.

use super::Ems;
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::Path;
use crate::protocol::server::peers::Slot;

/// The formats a Send may have (LwM2M Core §6.4.6): those whose values carry their paths.
const FORMATS: [ContentFormat; 3] =
    [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat(11_544)];

impl Ems {
    /// Answers a Send.
    pub(super) fn take_report(&mut self, slot: Slot, request: &Message, now: Instant) -> Message {
        if !self.is_registered(slot, now) {
            self.counters.sends.unregistered += 1;
            return Message::response(Code::NOT_FOUND);
        }
        let counters = &mut self.counters.sends;
        let format = request.content_format().filter(|format| FORMATS.contains(format));
        let decoded = format.map(|format| content::decode(format, Path::ROOT, request.payload()));
        Message::response(match decoded {
            None | Some(Err(content::Error::Unsupported(_))) => {
                counters.unknown_format += 1;
                Code::UNSUPPORTED_CONTENT_FORMAT
            }
            Some(Err(_)) => {
                counters.undecodable += 1;
                Code::BAD_REQUEST
            }
            Some(Ok(entries)) => {
                counters.accepted += 1;
                counters.bytes += request.payload().len() as u64;
                counters.values += entries.len() as u64;
                Code::CHANGED
            }
        })
    }
}
