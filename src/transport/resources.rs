//! What this process uses: processor time by thread, memory, descriptors.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procfs::process::{Process, Task};

/// One thread's share of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadCpu {
    /// The kernel's number of the thread.
    pub id: i32,
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// The time it has run on a processor so far, in the kernel and out of it.
    pub cpu: Duration,
}

/// The processor time of every thread of this process that still lives. A thread takes its time with it
/// when it ends, so ask while they run.
///
/// # Errors
/// That `/proc` cannot be read.
pub fn cpu_by_thread() -> io::Result<Vec<ThreadCpu>> {
    let threads = Process::myself().and_then(|process| process.tasks()).map_err(io::Error::other)?;
    // One that ends while the list is read is left out.
    Ok(threads.filter_map(|thread| thread_cpu(&thread.ok()?)).collect())
}

fn thread_cpu(thread: &Task) -> Option<ThreadCpu> {
    let stat = thread.stat().ok()?;
    // The scheduler counts nanoseconds; a kernel without its statistics has ticks of some 10 ms.
    let cpu = match thread.schedstat() {
        Ok(scheduler) => Duration::from_nanos(scheduler.sum_exec_runtime),
        Err(_) => {
            Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
        }
    };
    Some(ThreadCpu { id: stat.pid, name: stat.comm, cpu })
}

/// The processor time of the calling thread.
pub fn this_thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes resident now.
    pub resident: u64,
    /// The most bytes that have been resident at a time.
    pub peak: u64,
}

/// The resident memory of this process, now and at its peak.
///
/// # Errors
/// That `/proc` cannot be read.
pub fn memory() -> io::Result<Memory> {
    let status = Process::myself().and_then(|process| process.status()).map_err(io::Error::other)?;
    match (status.vmrss, status.vmhwm) {
        (Some(resident), Some(peak)) => Ok(Memory { resident: resident * 1024, peak: peak * 1024 }),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no VmRSS or VmHWM")),
    }
}

/// How many descriptors this process may have open (the soft limit of `RLIMIT_NOFILE`).
pub fn descriptor_limit() -> u64 {
    // getrlimit fails for arguments that do not exist, and this one does.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

/// Raises the soft limit of descriptors to the hard one, which needs no privilege; the limit from now on.
/// Desktops allow 1,024 at first and a million when asked.
pub fn raise_descriptor_limit() -> u64 {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where even this is forbidden, the soft limit stays what it is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    descriptor_limit()
}

/// How many descriptors this process has open.
///
/// # Errors
/// That `/proc` cannot be read.
pub fn descriptors_open() -> io::Result<u64> {
    // Reading the directory opens one more.
    Ok((std::fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_told_apart_by_name() {
        std::thread::Builder::new()
            .name("busy-under-test".into())
            .spawn(|| {
                while this_thread_cpu() < Duration::from_millis(20) {
                    std::hint::black_box((0..1000).sum::<u64>());
                }
                let threads = cpu_by_thread().expect("/proc");
                let busy =
                    threads.iter().find(|thread| thread.name == "busy-under-test").expect("this thread");
                // The table may lag behind by a tick of the scheduler (up to 10 ms).
                assert!(busy.cpu >= Duration::from_millis(8), "{busy:?}");
            })
            .expect("a thread")
            .join()
            .expect("the thread's assertions hold");
    }

    #[test]
    fn memory_and_descriptors_are_counted() {
        let memory = memory().expect("/proc");
        assert!(memory.peak >= memory.resident && memory.resident > 1 << 20, "{memory:?}");
        let open = descriptors_open().expect("/proc");
        assert!((3..=descriptor_limit()).contains(&open), "{open}");
    }
}
