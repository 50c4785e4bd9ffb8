//! What devices are told to do besides answering: campaigns, from the scenario's point of view.

use std::time::Duration;

use crate::base::{Percent, Rate};
use crate::protocol::lwm2m::package::{self, PackageVersion};
use crate::protocol::lwm2m::{Path, Value};

/// One kind of request to many devices, at a rate that does not wait for their answers.
///
/// A round goes over the devices in the order of their first registration, and ends when it has come to
/// the last one there is by then. A device that is not registered when its turn comes is passed over
/// without using up a place of the rate, and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// What they are told.
    pub action: Action,
    /// When the first round begins: so long after the first registration that the server accepted, or, if
    /// it has several workers, that each of them did.
    pub start: Duration,
    /// Devices told in a second, over all workers of a server.
    pub rate: Rate,
    /// How many of the devices take part; `None` for all of them. They are spread evenly over the order.
    pub share: Option<Percent>,
    /// When a round begins again, counted from the beginning of the last one; but not before that has
    /// ended, nor within a second. `None` for one round.
    pub repeat: Option<Duration>,
}

/// What a device is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Execute Registration Update Trigger (/1/x/8) of the server's own account.
    UpdateTrigger,
    /// Execute Bootstrap-Request Trigger (/1/x/9) of the server's own account.
    BootstrapTrigger,
    /// Execute Disable (/1/x/4) of the server's own account.
    Disable,
    /// Execute Reboot (/3/0/4).
    Reboot,
    /// Execute Factory Reset (/3/0/5).
    FactoryReset,
    /// Execute another resource.
    Execute {
        /// Which.
        path: Path,
        /// Its arguments, such as `0='1'`; empty for none.
        arguments: String,
    },
    /// Read.
    Read(Path),
    /// Observe; a standing observation of the same path is replaced.
    Observe(Path),
    /// End the observation of this path; devices without one are passed over.
    Cancel(Path),
    /// Write one resource.
    Write(Path, Value),
    /// Bring new firmware to Firmware Update (/5/0), have it installed, and follow it to its result.
    Firmware(Firmware),
}

/// A firmware update, from the package to the result in /5/0/5.
#[derive(Clone, Debug, PartialEq)]
pub struct Firmware {
    /// The version of the package.
    pub version: PackageVersion,
    /// Bytes of the package, its [frame](package::FRAME) included; at most 16 MiB. A device in the middle
    /// of fetching it has this much memory set aside here.
    pub size: u32,
    /// How the package comes to the device.
    pub delivery: Delivery,
    /// How often the state and the result are asked for while the device is at it. Notifications of an
    /// observed /5/0/3 are heeded as they come.
    pub poll: Duration,
    /// After how long, counted from the first request, a device is given up.
    pub limit: Duration,
}

/// What block-wise transfer is allowed elsewhere in this program.
const LARGEST: u32 = 16 << 20;

impl Firmware {
    /// The package of the campaign with this number: the same every time, and another for each campaign.
    pub fn package(&self, number: usize) -> Vec<u8> {
        package::make(self.version, self.size.min(LARGEST) as usize, number as u64)
    }
}

/// How a firmware package comes to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server writes it block by block to /5/0/0.
    Push,
    /// The server writes `<its URI>/firmware/<number of the campaign>` to /5/0/1, and the device fetches it
    /// there.
    Pull,
}
