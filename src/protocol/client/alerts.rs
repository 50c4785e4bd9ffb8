//! What an alert that ended a handshake means for the next try (LwM2M Transport §5.2, the table of alerts).
//!
//! | reaction | alerts |
//! |---|---|
//! | Retry | 0 10 20 21 22 40 47 50 51 70 71 86 90 100 111, those the table does not have, and no alert at all |
//! | Fail | 42-46 48 49 112-115 |
//! | Ignore | 30 41 60 110 |
//!
//! *Retry* is a failed try like any other: the usual waits follow. *Fail* says that what either end proves
//! itself by will not do, and no try with the same credentials makes that better: the tries to register are
//! used up at once, and what follows is what follows the last one (/1/x/16). *Ignore* is for alerts that do not
//! have to end a handshake; one that ended all the same is a failed try.

/// What follows a handshake that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The next try comes as after any other failure.
    Retry,
    /// No further try of this kind.
    Fail,
    /// The alert means nothing; the handshake it ended was a failed try.
    Ignore,
}

/// What the alert with this AlertDescription (RFC 5246 §7.2) leads to; none is a peer that fell silent.
pub(super) fn reaction(alert: Option<u8>) -> Reaction {
    match alert {
        // bad_certificate to certificate_unknown, unknown_ca, access_denied.
        Some(42..=46 | 48 | 49) => Reaction::Fail,
        // unrecognized_name, bad_certificate_status_response, bad_certificate_hash_value, unknown_psk_identity.
        Some(112..=115) => Reaction::Fail,
        // decompression_failure, no_certificate, export_restriction, unsupported_extension.
        Some(30 | 41 | 60 | 110) => Reaction::Ignore,
        Some(_) | None => Reaction::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_of_the_table_has_its_reaction() {
        let all = |wanted| (0..=255).filter(|alert| reaction(Some(*alert)) == wanted).collect::<Vec<u8>>();
        assert_eq!(all(Reaction::Fail), [42, 43, 44, 45, 46, 48, 49, 112, 113, 114, 115]);
        assert_eq!(all(Reaction::Ignore), [30, 41, 60, 110]);
        for alert in [0, 10, 20, 21, 22, 40, 47, 50, 51, 70, 71, 86, 90, 100, 111] {
            assert_eq!(reaction(Some(alert)), Reaction::Retry, "{alert}");
        }
    }

    #[test]
    fn silence_and_alerts_nobody_knows_are_tried_again() {
        assert_eq!(reaction(None), Reaction::Retry);
        assert_eq!(reaction(Some(120)), Reaction::Retry);
        assert_eq!(reaction(Some(255)), Reaction::Retry);
    }
}
