//! Threads on cores.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The cores this process may run on, by number.
pub fn cores() -> Vec<usize> {
    match sched_getaffinity(Pid::from_raw(0)) {
        Ok(set) => (0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect(),
        // Without the answer, what the standard library believes.
        Err(_) => (0..std::thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}

/// Keeps the calling thread on `core`; whether the system agreed. A thread that is not pinned works as
/// well, only its figures wander more, so this is no error.
pub fn pin_current_thread(core: usize) -> bool {
    let mut only = CpuSet::new();
    // Pid 0 is the calling thread, not the process (sched_setaffinity(2)).
    only.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_stays_and_the_others_are_left_alone() {
        let before = cores();
        let last = *before.last().expect("at least one core");
        std::thread::spawn(move || {
            assert!(pin_current_thread(last));
            assert_eq!(cores(), [last]);
            assert!(!pin_current_thread(CpuSet::count() - 1) || CpuSet::count() - 1 == last);
        })
        .join()
        .expect("the thread's assertions hold");
        assert_eq!(cores(), before);
    }
}
