//! How devices of one kind register, as far as the specification leaves it open or clients depart from it.

use std::time::Duration;

use super::behaviour::{Behaviour, Refusal};
use super::timing::UpdateTiming;

/// How a device registers.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistrationPolicy {
    /// Whose manners it has.
    pub behaviour: Behaviour,
    /// Whether `ep` is sent. Without it, the security identity has to stand for the device (1.1).
    pub send_endpoint: bool,
    /// When it sends Updates; `None` is as its behaviour has it.
    pub update: Option<UpdateTiming>,
    /// Whether a refused Register ends the tries at once (`Some(Refusal::Final)`), which the text of
    /// /1/x/16 allows, or is a try like others; `None` is as its behaviour has it.
    pub refusal: Option<Refusal>,
    /// What was answered with 5.03 (Register, Update, Bootstrap-Request) is repeated after the answer's Max-Age
    /// (60 s where it has none), and uses up no try. GSMA TS.34 advises it; no known client does it.
    pub honour_max_age: bool,
    /// The device sleeps from MAX_TRANSMIT_WAIT after its last message on, and says so (`Q`).
    pub queue_mode: bool,
    /// Devices that speak 1.2 register by the hash of their object list (`pid`), and give the list only when
    /// the server does not know it (4.09).
    pub profile_id: bool,
    /// Every Update carries the object list, changed or not, as some clients have it.
    pub update_with_objects: bool,
    /// After a reboot the device goes on with the registration it had, by an Update.
    pub keep_registration_over_reboot: bool,
    /// How long the answer to a De-register is waited for; `None` as long as for any other request.
    pub deregister_timeout: Option<Duration>,
}

impl Default for RegistrationPolicy {
    /// As the specification has it, by name, and without any of the switches.
    fn default() -> Self {
        RegistrationPolicy {
            behaviour: Behaviour::default(),
            send_endpoint: true,
            update: None,
            refusal: None,
            honour_max_age: false,
            queue_mode: false,
            profile_id: false,
            update_with_objects: false,
            keep_registration_over_reboot: false,
            deregister_timeout: None,
        }
    }
}

impl RegistrationPolicy {
    /// When Updates are sent.
    pub fn update_timing(&self) -> UpdateTiming {
        self.update.unwrap_or(self.behaviour.row().update_timing)
    }

    /// What a refused Register is.
    pub fn refusal(&self) -> Refusal {
        self.refusal.unwrap_or(self.behaviour.row().register_refused)
    }
}
