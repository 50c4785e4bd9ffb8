//! bootstorm drives fleets of simulated LwM2M smart meters against a Bootstrap-Server and an EMS.
pub mod base;
pub mod cli;
pub mod faults;
pub mod fleet;
pub mod meter;
pub mod metrics;
pub mod protocol;
pub mod report;
pub mod scenario;
pub mod servers;
pub mod sim;
pub mod transport;

/// A meter's life is some dozens of small allocations on one thread; the system's allocator spends more
/// time on them than the protocol does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
