//! The meter's side of LwM2M: one device, from power-on to de-registration.
//!
//! ```text
//!            power_on
//!               |            (account on the card or in the store)
//!             Decide ------------------------------------------+
//!               | (Bootstrap-Server account only)              |
//!            HoldOff <----------------------+                  |
//!               |                           |                  |
//!          Bootstrapping --failed--> BootstrapBackoff          |
//!               | Finish, 2.04                                 |
//!               +------------------------------------------> Registering <--+
//!                                     (tries used up:          | 2.01       | retry
//!                                      HoldOff or Failed) <----+--failed--> RegistrationBackoff
//!                                                              |
//!                                                          Registered <--2.04-- Updating
//!                                                              | shutdown
//!                                                        Deregistering -> Off
//! ```
//!
//! A bootstrap that is triggered, or begun by the Bootstrap-Server, leaves registrations alone until it has
//! succeeded; one that fails goes back to what was there before.
//!
//! Each machine here is sans-IO. [`Client`] composes them behind one poll interface; `bootstrap` decides
//! where accounts come from and answers a Bootstrap-Server's commands, `register` keeps the registrations,
//! `manage` answers what a server asks of a registered device, `report` tells servers what they observe, and
//! `firmware` takes the packages they want installed. Two tables say what a device makes of ways that do not stand:
//! `alerts` of handshakes that failed, `closing` of those that others closed. This room never resolves a name, opens a socket or
//! reads a clock.

mod account;
mod alerts;
mod bootstrap;
#[expect(clippy::module_inception, reason = "the room is named after its one type, and so is the file of it")]
mod client;
mod closing;
mod config;
mod event;
mod firmware;
mod links;
mod manage;
mod register;
mod report;

pub use account::{Credentials, ServerAccount, bootstrap_account, server_account};
pub use bootstrap::{BootstrapPolicy, Card, CardError, NoFinish, decode_card, encode_card};
pub use client::Client;
pub use config::{Backoff, Config, Device, Provision};
pub use event::{
    Closed, Event, Failure, Fate, Link, ManagementOperation, NotificationFate, OpenFailed, Operation, Output,
    Reason, RequestKind, Security, Stage, State,
};
pub use firmware::{FirmwarePolicy, PackageFailure};
pub use register::{
    Behaviour, BootstrapLimit, BootstrapRetry, OnUpdate, Order, ParseBehaviourError, ParseUpdateTimingError,
    Patience, Refusal, RegistrationPolicy, Retries, Row, UpdateTiming, UsedUp,
};
pub use report::{Confirm, ReportPolicy, SendPlan, SendRefused};

#[cfg(test)]
mod tests;
