//! What an EMS knows of a device while it is a peer: its registration, and what is under way with it.

use std::collections::VecDeque;

use super::config::Question;
use super::firmware::Step;
use super::registry::{Endpoint, Place};
use crate::base::Instant;
use crate::protocol::coap::Handle;
use crate::protocol::lwm2m::Path;

/// One device.
#[derive(Default)]
pub(super) struct Device {
    /// Its registration.
    pub place: Option<Place>,
    /// When it was heard last.
    pub heard: Instant,
    /// What is under way; `None` for most devices most of the time.
    pub work: Option<Box<Work>>,
}

/// What is under way with a device.
#[derive(Default)]
pub(super) struct Work {
    /// The request that was given to its message layer.
    pub current: Option<(Handle, Job)>,
    /// Those after it.
    pub jobs: VecDeque<Job>,
    /// How many of `jobs`, from the front, were held because the device slept when their turn came.
    pub held: u32,
    /// Whether the session in which `observed` began is over: they are to begin again.
    pub cut: bool,
    pub interview: Option<UnderInterview>,
    /// What is observed.
    pub observed: Vec<Observed>,
}

/// One request to a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Job {
    /// Of an interview.
    Question(Question),
    /// Of the campaign with this number.
    Campaign(u16, Task),
}

/// What a campaign wants of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Task {
    /// Its action.
    Act,
    /// To find out which instance of /1 is this server's, before it acts.
    Locate,
    /// A step of the firmware update of this endpoint.
    Firmware(Step, Endpoint),
}

/// An interview in progress.
pub(super) struct UnderInterview {
    pub began: Instant,
    /// Questions not yet answered.
    pub left: u32,
}

/// One observation.
pub(super) struct Observed {
    pub handle: Handle,
    pub path: Path,
}

impl Work {
    /// Whether nothing is under way, now or in time.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.jobs.is_empty() && self.interview.is_none() && self.observed.is_empty()
    }

    /// How many observations stand.
    pub fn standing(&self) -> usize {
        if self.cut { 0 } else { self.observed.len() }
    }

    /// The observation of this path.
    pub fn observation(&self, path: Path) -> Option<Handle> {
        self.observed.iter().find(|observed| observed.path == path).map(|observed| observed.handle)
    }

    /// Takes an observation off the list.
    pub fn unobserve(&mut self, handle: Handle) -> bool {
        let before = self.observed.len();
        self.observed.retain(|observed| observed.handle != handle);
        self.observed.len() < before
    }
}
