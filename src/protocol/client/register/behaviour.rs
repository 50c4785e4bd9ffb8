//! How clients of the field depart from the specification, as a table: one row for each behaviour.
//!
//! The rows hold what deployed clients were seen to do, and what their code says. Where nothing is known of
//! one, it does what the specification has.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::timing::UpdateTiming;

/// Whose manners a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Behaviour {
    /// What the specification says, and the mildest where it leaves the choice.
    #[default]
    Spec,
    /// Anjay.
    Anjay,
    /// Wakaama.
    Wakaama,
    /// The client of Leshan.
    Leshan,
    /// The client of Zephyr.
    Zephyr,
}

/// One behaviour: what a device does where clients differ.
#[derive(Debug)]
pub struct Row {
    /// How scenarios and reports call it.
    pub name: &'static str,
    /// Which servers are registered with, and when.
    pub order: Order,
    /// What a Register refused with 4.xx or 5.xx is.
    pub register_refused: Refusal,
    /// On 4.12 the next lower version is tried at once (otherwise it is a refusal like others).
    pub lowers_version: bool,
    /// How often and how long apart a Register that failed is tried again.
    pub retries: Retries,
    /// Whether /1/x/16 is asked before a bootstrap takes the place of registrations that failed.
    pub asks_resource_16: bool,
    /// Whether the first such bootstrap starts at once, without the wait of the bootstrap policy.
    pub bootstraps_at_once: bool,
    /// What follows when tries are used up and no bootstrap takes their place.
    pub used_up: UsedUp,
    /// An Update was refused: 4.04 or any other error.
    pub update_refused: OnUpdate,
    /// An Update was not answered.
    pub update_timeout: OnUpdate,
    /// An Update was answered with an RST, or could not be sent.
    pub update_broken: OnUpdate,
    /// When Updates are sent, unless the policy says otherwise.
    pub update_timing: UpdateTiming,
    /// A Bootstrap-Request that names a format and is refused with 4.xx is made again without one, as for a
    /// 1.0 server (after 4.15 every device does so).
    pub drops_refused_format: bool,
    /// The Bootstrap-Request was refused.
    pub bootstrap_refused: BootstrapRetry,
    /// The Bootstrap-Request was not answered, or the Bootstrap-Server could not be reached or never came
    /// to Finish.
    pub bootstrap_timeout: BootstrapRetry,
    /// What of a bootstrap session [`Row::bootstrap_patience`] is the longest of.
    pub bootstrap_limit: BootstrapLimit,
    /// How long the Bootstrap-Server is given.
    pub bootstrap_patience: Patience,
}

/// Which servers are registered with, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those with /1/x/13 one after another, ascending; the others at once.
    Priority,
    /// All at once: /1/x/13 and /1/x/15 are ignored.
    AtOnce,
    /// One server only, the lowest /1/x/13 first; the next when it fails.
    OneAtATime,
}

/// What a refused Register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A failed try like any other.
    Try,
    /// The end of the tries.
    Final,
}

/// How often and how long apart a Register is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// As /1/x/17-20 say; a device that speaks 1.0 has no such resources and no second try.
    Resources,
    /// After these waits, whatever the store says.
    Fixed {
        /// The wait after each failed try but the last.
        waits: &'static [Duration],
        /// The wait before it all begins anew, if it does.
        pause: Duration,
    },
}

/// What follows when tries are used up and no bootstrap takes their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedUp {
    /// They begin anew after the wait between sequences.
    StartOver,
    /// The server is given up.
    Stay,
}

/// What a failed Update makes a device do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUpdate {
    /// Register at once.
    Register,
    /// Open the way to the server anew, then Register.
    Reconnect,
    /// Open the way anew and send the Update once more; when that fails too, Register.
    ReconnectAndRepeat,
    /// Send the Update again a second later, as long as the lifetime lasts; then Register.
    Repeat,
    /// The registration has failed, as if its tries were used up.
    Fail,
    /// Bootstrap, if there is an account for it and no other server is up; otherwise Register.
    Bootstrap,
}

/// What a device does after a bootstrap that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapRetry {
    /// It tries again after the waits of the bootstrap policy.
    Policy,
    /// It tries again after this wait, always.
    Fixed(Duration),
    /// It tries again after each of these waits, and then never.
    Waits(&'static [Duration]),
    /// It never tries again.
    Abort,
}

/// What of a bootstrap session the time is limited of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapLimit {
    /// The wait for each command, or for Finish after the last.
    PerCommand,
    /// The whole session, from the answer to the Bootstrap-Request to Finish.
    Total,
}

/// A time out of RFC 7252 §4.8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// EXCHANGE_LIFETIME, 247 s with the defaults.
    ExchangeLifetime,
    /// MAX_TRANSMIT_WAIT, 93 s with the defaults.
    MaxTransmitWait,
}

const fn seconds<const N: usize>(waits: [u64; N]) -> [Duration; N] {
    let mut spans = [Duration::ZERO; N];
    let mut at = 0;
    while at < N {
        spans[at] = Duration::from_secs(waits[at]);
        at += 1;
    }
    spans
}

/// Leshan: one more try, at once.
const ONCE_MORE: &[Duration] = &seconds([0]);
/// Zephyr: five more tries, and the same for its bootstraps.
const ZEPHYR_WAITS: &[Duration] = &seconds([1, 2, 4, 8, 16]);
const TEN_MINUTES: Duration = Duration::from_secs(600);

const SPEC: Row = Row {
    name: "spec",
    order: Order::Priority,
    register_refused: Refusal::Try,
    lowers_version: true,
    retries: Retries::Resources,
    asks_resource_16: true,
    bootstraps_at_once: false,
    used_up: UsedUp::StartOver,
    update_refused: OnUpdate::Register,
    update_timeout: OnUpdate::Register,
    update_broken: OnUpdate::Register,
    update_timing: UpdateTiming::Half,
    drops_refused_format: false,
    bootstrap_refused: BootstrapRetry::Policy,
    bootstrap_timeout: BootstrapRetry::Policy,
    bootstrap_limit: BootstrapLimit::PerCommand,
    bootstrap_patience: Patience::ExchangeLifetime,
};

const ANJAY: Row = Row {
    name: "anjay",
    order: Order::AtOnce,
    used_up: UsedUp::Stay,
    update_broken: OnUpdate::Bootstrap,
    update_timing: UpdateTiming::LifetimeLess93,
    drops_refused_format: true,
    bootstrap_refused: BootstrapRetry::Abort,
    bootstrap_timeout: BootstrapRetry::Abort,
    ..SPEC
};

const WAKAAMA: Row = Row {
    name: "wakaama",
    lowers_version: false,
    used_up: UsedUp::Stay,
    update_refused: OnUpdate::Fail,
    update_timeout: OnUpdate::Fail,
    update_timing: UpdateTiming::LifetimeLess93,
    ..SPEC
};

const LESHAN: Row = Row {
    name: "leshan",
    register_refused: Refusal::Final,
    lowers_version: false,
    retries: Retries::Fixed { waits: ONCE_MORE, pause: TEN_MINUTES },
    asks_resource_16: false,
    bootstraps_at_once: true,
    update_timeout: OnUpdate::ReconnectAndRepeat,
    update_broken: OnUpdate::ReconnectAndRepeat,
    update_timing: UpdateTiming::LifetimeLess247,
    bootstrap_refused: BootstrapRetry::Fixed(TEN_MINUTES),
    bootstrap_timeout: BootstrapRetry::Fixed(TEN_MINUTES),
    bootstrap_limit: BootstrapLimit::Total,
    bootstrap_patience: Patience::MaxTransmitWait,
    ..SPEC
};

const ZEPHYR: Row = Row {
    name: "zephyr",
    order: Order::OneAtATime,
    register_refused: Refusal::Final,
    lowers_version: false,
    retries: Retries::Fixed { waits: ZEPHYR_WAITS, pause: Duration::from_secs(1_235) },
    asks_resource_16: false,
    update_timeout: OnUpdate::Reconnect,
    update_broken: OnUpdate::Repeat,
    update_timing: UpdateTiming::LifetimeLess10,
    bootstrap_refused: BootstrapRetry::Abort,
    bootstrap_timeout: BootstrapRetry::Waits(ZEPHYR_WAITS),
    bootstrap_limit: BootstrapLimit::Total,
    ..SPEC
};

impl Behaviour {
    /// All of them.
    pub const ALL: [Behaviour; 5] =
        [Behaviour::Spec, Behaviour::Anjay, Behaviour::Wakaama, Behaviour::Leshan, Behaviour::Zephyr];

    /// What it is in full.
    pub fn row(self) -> &'static Row {
        match self {
            Behaviour::Spec => &SPEC,
            Behaviour::Anjay => &ANJAY,
            Behaviour::Wakaama => &WAKAAMA,
            Behaviour::Leshan => &LESHAN,
            Behaviour::Zephyr => &ZEPHYR,
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// The text names no behaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no behaviour; known are \"spec\", \"anjay\", \"wakaama\", \"leshan\" and \"zephyr\"")]
pub struct ParseBehaviourError(String);

impl FromStr for Behaviour {
    type Err = ParseBehaviourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Behaviour::ALL.into_iter().find(|behaviour| behaviour.row().name == text);
        found.ok_or_else(|| ParseBehaviourError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_is_found_by_its_name() {
        for behaviour in Behaviour::ALL {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        let error = "Spec".parse::<Behaviour>().unwrap_err();
        assert!(Behaviour::ALL.iter().all(|known| error.to_string().contains(&known.to_string())), "{error}");
    }
}
