//! The credentials of a fleet, and how they get where they belong out of band: made for every meter, or taken from
//! somebody else's list; written for the servers under test; given to meters and to the embedded servers.
//!
//! No message and no `Debug` of this room shows a key. Only `files` touches files; those that hold secrets can be
//! read by their owner alone.
