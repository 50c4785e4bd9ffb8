//! How devices of one kind register, as far as the specification leaves it open or clients depart from it.

/// How a device registers.
#[derive(Clone, Debug, Default)]
pub struct RegistrationPolicy {}
