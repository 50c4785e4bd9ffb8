//! What a device says of the transports it is bound to (`b` and `Q`, LwM2M Core §6.2.1).

use std::borrow::Cow;

use super::super::account;
use super::registration::Registration;
use crate::protocol::coap::Message;
use crate::protocol::lwm2m::{Tree, Version};

/// The letters of a binding, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Binding(u32);

impl Binding {
    pub(super) fn of(text: &str) -> Self {
        let bit = |letter: u8| 1 << (letter.to_ascii_uppercase().saturating_sub(b'A')).min(31);
        Binding(text.bytes().fold(0, |set, letter| set | bit(letter)))
    }
}

impl Registration {
    /// What there is to register as `b`: /1/x/7, "U" where that is missing. From 1.1 on a device that is spoken
    /// to over a connection says so by "T", whether the account has it or not (LwM2M Core §6.2.1); 1.0 has no
    /// word for it.
    pub(super) fn binding_by<'a>(&self, tree: &'a Tree) -> Cow<'a, str> {
        let written = account::binding(tree, self.account.server);
        match written {
            _ if !self.scheme.is_stream() || self.version == Version::V1_0 => written.unwrap_or("U").into(),
            None => "T".into(),
            Some(binding) if binding.contains('T') => binding.into(),
            Some(binding) => format!("{binding}T").into(),
        }
    }

    /// With `b`, and the flag of queue mode: `Q` of its own from 1.1 on, part of the binding before.
    pub(super) fn with_binding(&mut self, request: Message, tree: &Tree, queue_mode: bool) -> Message {
        let binding = &*self.binding_by(tree);
        self.binding = Binding::of(binding);
        self.queue = queue_mode || binding.contains('Q');
        if !self.queue {
            return request.with_parameter("b", binding);
        }
        let plain: String = binding.chars().filter(|letter| *letter != 'Q').collect();
        match self.version {
            Version::V1_0 => request.with_parameter("b", format_args!("{plain}Q")),
            Version::V1_1 | Version::V1_2 => request.with_parameter("b", plain).with_query("Q"),
        }
    }
}
