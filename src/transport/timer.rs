//! A timer of the kernel's for event loops: 30 to 120 µs late where tokio's own is 1 to 2 ms.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use super::readiness::Readable;
use crate::base::{Clock, Instant};

/// One deadline that a tokio task can wait for.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    watch: Readable,
    /// CLOCK_MONOTONIC at the run's origin.
    origin: Duration,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not set and counts by `clock`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// That no descriptor is left.
    pub fn new(clock: &Clock) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let watch = Readable::watch(&fd)?;
        // The run's clock is read first: what passes in between makes the timer late, never early.
        let now = clock.now();
        let monotonic = clock_gettime(ClockId::Monotonic);
        let monotonic = Duration::new(monotonic.tv_sec as u64, monotonic.tv_nsec as u32);
        Ok(Timer { fd, watch, origin: monotonic.saturating_sub(now.since_origin()), armed: None })
    }

    /// Sets the deadline, in place of any other; [`Instant::FAR`] clears it. A deadline that has passed
    /// ends the next wait at once. Setting the same deadline again costs no system call.
    ///
    /// # Errors
    /// None that a valid timer can have.
    pub fn set(&mut self, deadline: Instant) -> io::Result<()> {
        if deadline == Instant::FAR {
            return self.clear();
        }
        if self.armed != Some(deadline) {
            let at = self.origin + deadline.since_origin();
            // All zero would disarm; an instant that early has long passed.
            self.program(at.max(Duration::from_nanos(1)))?;
            self.armed = Some(deadline);
        }
        Ok(())
    }

    /// Clears the deadline: waiting takes forever until another is set.
    ///
    /// # Errors
    /// None that a valid timer can have.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.armed.take().is_some() {
            self.program(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Waits for the deadline, and clears it. Cancel-safe: a wait that is dropped loses nothing.
    ///
    /// # Errors
    /// None that a valid timer can have.
    pub async fn wait(&mut self) -> io::Result<()> {
        loop {
            self.watch.readable().await?;
            let mut expirations = [0; 8];
            let read = self.watch.try_io(|| Ok(rustix::io::read(&self.fd, &mut expirations)?));
            match read {
                Ok(_) => {
                    self.armed = None;
                    return Ok(());
                }
                // Readiness of a deadline that has been moved since.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn program(&self, at: Duration) -> io::Result<()> {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec {
            it_interval: never,
            it_value: Timespec {
                tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(at.subsec_nanos()),
            },
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::Poll;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime").block_on(future)
    }

    /// Whether a wait would go on, after the reactor has had its turn.
    async fn waits_on(timer: &mut Timer) -> bool {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let mut wait = std::pin::pin!(timer.wait());
        std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_pending())).await
    }

    #[test]
    fn never_early_and_usable_again() {
        block_on(async {
            let clock = Clock::start();
            let mut timer = Timer::new(&clock).expect("a timer");
            for _ in 0..5 {
                let deadline = clock.now() + Duration::from_millis(2);
                timer.set(deadline).expect("set");
                timer.wait().await.expect("wait");
                assert!(clock.now() >= deadline);
            }
            // One that has passed, also at the origin itself.
            for past in [Instant::ZERO, clock.now()] {
                timer.set(past).expect("set");
                timer.wait().await.expect("wait");
            }
        });
    }

    #[test]
    fn a_moved_or_cleared_deadline_does_not_fire() {
        block_on(async {
            let clock = Clock::start();
            let mut timer = Timer::new(&clock).expect("a timer");
            timer.set(Instant::ZERO).expect("set");
            timer.set(clock.now() + Duration::from_secs(3600)).expect("moved");
            assert!(waits_on(&mut timer).await);
            timer.set(Instant::ZERO).expect("set");
            timer.clear().expect("cleared");
            assert!(waits_on(&mut timer).await);
            timer.set(Instant::ZERO).expect("set");
            timer.set(Instant::FAR).expect("cleared");
            assert!(waits_on(&mut timer).await);
        });
    }
}
