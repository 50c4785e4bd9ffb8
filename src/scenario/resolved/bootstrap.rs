//! `[bootstrap]` with every value in place.

use crate::base::{Percent, Span};
use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::client::NoFinish;
use crate::protocol::coap::ContentFormat;

/// `[bootstrap]`: how meters come by their accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// The way they take.
    pub mode: Mode,
    /// The formats of writes they name (`pct`), best first; empty for LwM2M 1.0.
    pub formats: Vec<ContentFormat>,
    /// Whether they send their endpoint name (`ep`).
    pub send_endpoint: bool,
    /// Whether they ask for a Bootstrap-Pack first (LwM2M 1.2).
    pub pack: bool,
    /// How often a Pack-Request that met with silence is made again, 0 to 100.
    pub pack_retries: u8,
    /// How long they wait for Finish, 1 s to 1 d; `None` is as their behaviour has it.
    pub no_finish: Option<NoFinish>,
    /// How long the Bootstrap-Server Account outlives a bootstrap (/0/x/12). Whole seconds, 1 s to 30 d; for
    /// ever where there is none.
    pub account_timeout: Option<Span>,
    /// Their smartcards.
    pub card: CardTerms,
}

/// The four ways of LwM2M Core §6.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They ask their Bootstrap-Server.
    ClientInitiated,
    /// The accounts are in the meter when it is made.
    Factory,
    /// The accounts are on a card.
    Smartcard,
    /// As client-initiated, and they listen for a Bootstrap-Server that starts writing unasked (1.0).
    ServerInitiated,
}

/// `[bootstrap.card]`: the smartcards of meters that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct CardTerms {
    /// A file for each meter, `{index}` in its name; if each has its own; `None`
    /// for cards that hold the accounts of the scenario.
    pub file: Option<EndpointTemplate>,
    /// Meters without a card.
    pub missing: Percent,
    /// Cards that do not answer.
    pub unreadable: Percent,
    /// Cards of whose accounts a half is missing. With the two before, at most all.
    pub inconsistent: Percent,
    /// When every card is exchanged for another one, from the start of the run, 0 s to 30 d.
    pub exchanged_at: Option<Span>,
}
