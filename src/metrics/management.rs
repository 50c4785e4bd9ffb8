//! What servers ask of registered meters, and how it was answered.

use super::closed::closed_enum;

closed_enum! {
    /// An operation of Device Management and Reporting; its name is the key under `management`.
    pub enum ManagementKind {
        /// `GET`
        Read = "read",
        /// `GET` with Accept 40.
        Discover = "discover",
        /// `PUT` with values.
        WriteReplace = "write-replace",
        /// `POST` on an object instance or a multiple resource.
        WritePartial = "write-partial",
        /// `PUT` with a query.
        WriteAttributes = "write-attributes",
        /// `POST` on a resource.
        Execute = "execute",
        /// `POST` on an object.
        Create = "create",
        /// `DELETE`
        Delete = "delete",
        /// `FETCH` (LwM2M 1.1).
        ReadComposite = "read-composite",
        /// `iPATCH` (LwM2M 1.1).
        WriteComposite = "write-composite",
        /// `GET` with Observe 0.
        Observe = "observe",
        /// `FETCH` with Observe 0 (LwM2M 1.1).
        ObserveComposite = "observe-composite",
        /// `GET` or `FETCH` with Observe 1.
        CancelObservation = "cancel-observation",
    }
}

/// How requests of one kind were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServedCounts {
    /// With a code of success.
    pub ok: u64,
    /// With any other.
    pub error: u64,
}

impl ServedCounts {
    /// One more.
    pub(super) fn count(&mut self, success: bool) {
        *(if success { &mut self.ok } else { &mut self.error }) += 1;
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: ServedCounts) {
        self.ok += other.ok;
        self.error += other.error;
    }
}
