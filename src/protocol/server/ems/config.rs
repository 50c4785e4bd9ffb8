//! How an EMS goes about it.

use std::sync::Arc;
use std::time::Duration;

use super::campaign::Campaign;
use crate::protocol::coap::{Params, Transport};
use crate::protocol::lwm2m::{Path, Version};
use crate::protocol::server::{EndpointPattern, Service};

/// How an EMS goes about it. Made by [`EmsConfig::new`], then changed field by field.
#[derive(Clone, Debug)]
pub struct EmsConfig {
    /// Transmission parameters towards every device.
    pub transmission: Arc<Params>,
    /// Devices whose messages are remembered at a time; registrations are not bounded by it.
    pub max_peers: usize,
    /// What devices speak over.
    pub transport: Transport,
    /// Whether every device has to prove who it is: then it may go by no other name.
    pub proven: bool,
    /// Endpoint names remembered for the account of registrations; a Register with one more is answered
    /// with 5.03.
    pub max_endpoints: usize,
    /// The Short Server ID under which devices know this server: of several Server instances (/1) it is
    /// the one with this ID in resource 0.
    pub short_server_id: u16,
    /// The lowest and the highest version accepted; others are refused with 4.12 (LwM2M Core §6.2.1).
    pub versions: (Version, Version),
    /// Endpoint names that are refused with 4.03.
    pub refused: Vec<EndpointPattern>,
    /// Whether the server keeps object lists by their profile ID (`pid`, LwM2M 1.2). If not, or where it
    /// does not know the ID, a Register without a list is refused with 4.09.
    pub profile_ids: bool,
    /// What is asked of a device when it registers.
    pub interview: Interview,
    /// For how long after its last message a device in queue mode is awake. LwM2M Core §6.5:
    /// MAX_TRANSMIT_WAIT.
    pub awake: Duration,
    /// Requests of campaigns that wait for one device at the most; more are given up and counted.
    pub max_waiting: usize,
    /// What devices are told to do, and when.
    pub campaigns: Vec<Campaign>,
    /// How many servers of this configuration share the devices among them: each carries its part of the
    /// rates of the campaigns.
    pub workers: u32,
    /// How fast and how well it answers.
    pub service: Service,
    /// This server as devices reach it, such as `coap://192.0.2.1:5683`: where they are told to pull
    /// firmware from.
    pub uri: String,
}

impl EmsConfig {
    /// A server that answers and asks nothing: every version, every endpoint, no interview, no campaign.
    pub fn new(transmission: Arc<Params>) -> Self {
        EmsConfig {
            awake: transmission.max_transmit_wait(),
            transmission,
            max_peers: 100_000,
            transport: Transport::Datagram,
            proven: false,
            max_endpoints: 100_000,
            short_server_id: 101,
            versions: (Version::V1_0, Version::V1_2),
            refused: Vec::new(),
            profile_ids: false,
            interview: Interview::Off,
            max_waiting: 32,
            campaigns: Vec::new(),
            workers: 1,
            service: Service::default(),
            uri: String::new(),
        }
    }
}

/// What an EMS asks a device when it registers, one question after the other (NSTART). What the device
/// did not list is not asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Interview {
    /// Nothing.
    #[default]
    Off,
    /// These questions, in this order.
    Ask(Vec<Question>),
}

/// One question of an interview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked for: an object, an instance or a resource.
    pub path: Path,
    /// How.
    pub ask: Ask,
}

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Once.
    Read,
    /// And to be told about changes from then on.
    Observe,
}

impl Interview {
    /// What GEISA's adm/registration has an EMS read or observe at a registration, beside the state of
    /// Firmware Update ([`Interview::FIRMWARE_STATE`]).
    pub const OBJECTS: [u16; 12] = [3, 4, 6, 10, 11, 12, 13, 20, 504, 3600, 3601, 3602];

    /// /5/0/3.
    pub const FIRMWARE_STATE: Path = Path::resource(5, 0, 3);

    /// Reads all that GEISA asks for.
    pub fn read() -> Self {
        Interview::geisa(Ask::Read)
    }

    /// Observes all that GEISA asks for.
    pub fn observe() -> Self {
        Interview::geisa(Ask::Observe)
    }

    /// The same, and these questions after it.
    pub fn with(self, further: impl IntoIterator<Item = Question>) -> Self {
        let mut questions = self.questions().to_vec();
        questions.extend(further);
        if questions.is_empty() { Interview::Off } else { Interview::Ask(questions) }
    }

    /// The questions, in their order.
    pub fn questions(&self) -> &[Question] {
        match self {
            Interview::Off => &[],
            Interview::Ask(questions) => questions,
        }
    }

    fn geisa(ask: Ask) -> Self {
        let objects = Interview::OBJECTS.map(Path::object);
        let paths = objects.into_iter().chain([Interview::FIRMWARE_STATE]);
        Interview::Ask(paths.map(|path| Question { path, ask }).collect())
    }
}
