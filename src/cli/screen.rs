//! Progress on standard error: on a terminal a block redrawn in place, elsewhere a line now and then.
//!
//! No alternate screen, no raw mode and no hidden cursor: whatever ends the program, the terminal needs
//! no repair.

use std::io::{self, IsTerminal as _, Stderr, Write};
use std::time::Duration;

use crossterm::{cursor, queue, terminal};

use super::progress::{Phase, Progress, render, render_line};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of a run; dropping it takes the block off the terminal again.
///
/// A display that cannot be written falls silent: it is not worth a run.
#[derive(Debug)]
pub struct Screen<W: Write = Stderr> {
    out: W,
    form: Form,
    failed: bool,
}

#[derive(Debug)]
enum Form {
    Block {
        colour: bool,
        /// Lines on the terminal that the next block replaces.
        drawn: u16,
    },
    Lines {
        last: Option<(Phase, Duration)>,
    },
}

impl Screen {
    /// On standard error: a block if that is a terminal and `no_tui` is not wanted, else lines. The
    /// environment's `NO_COLOR` is honoured (no-color.org).
    pub fn stderr(no_tui: bool) -> Self {
        let out = io::stderr();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if no_tui || dumb || !out.is_terminal() {
            Screen::lines(out)
        } else {
            Screen::block(out, !set("NO_COLOR"))
        }
    }
}

impl<W: Write> Screen<W> {
    /// A block redrawn in place.
    fn block(out: W, colour: bool) -> Self {
        Screen { out, form: Form::Block { colour, drawn: 0 }, failed: false }
    }

    /// A line at each change of phase and every few seconds.
    fn lines(out: W) -> Self {
        Screen { out, form: Form::Lines { last: None }, failed: false }
    }

    /// How often [`Screen::show`] is worth calling.
    pub fn interval(&self) -> Duration {
        match self.form {
            Form::Block { .. } => Duration::from_millis(250),
            Form::Lines { .. } => Duration::from_secs(1),
        }
    }

    /// Shows where the run is.
    pub fn show(&mut self, progress: &Progress) {
        // Some terminals, such as a serial line, do not know how wide they are and say 0.
        let known = || terminal::size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 0);
        if !self.failed {
            // One column less: some terminals wrap as soon as the last one is written.
            self.failed = self.draw(progress, || usize::from(known().unwrap_or(80)) - 1).is_err();
        }
    }

    fn draw(&mut self, progress: &Progress, width: impl Fn() -> usize) -> io::Result<()> {
        match &mut self.form {
            Form::Block { colour, drawn } => {
                let block = render(progress, width(), *colour);
                // Overwritten line by line: clearing it first would flicker, and some terminals keep what
                // is cleared in their scroll-back.
                let mut bytes = Vec::new();
                if *drawn > 0 {
                    queue!(bytes, cursor::MoveToPreviousLine(*drawn))?;
                }
                for line in block.lines() {
                    bytes.extend_from_slice(line.as_bytes());
                    queue!(bytes, terminal::Clear(terminal::ClearType::UntilNewLine))?;
                    bytes.push(b'\n');
                }
                // A longer block before this one, or what was typed meanwhile.
                queue!(bytes, terminal::Clear(terminal::ClearType::FromCursorDown))?;
                *drawn = block.lines().count() as u16;
                self.out.write_all(&bytes)?;
            }
            Form::Lines { last } => {
                let recent = |(phase, at): (Phase, Duration)| {
                    phase == progress.phase && progress.elapsed.saturating_sub(at) < LINE_EVERY
                };
                if last.is_some_and(recent) {
                    return Ok(());
                }
                *last = Some((progress.phase, progress.elapsed));
                writeln!(self.out, "{}", render_line(progress))?;
            }
        }
        self.out.flush()
    }
}

impl<W: Write> Screen<W> {
    /// Takes the block off the terminal.
    fn clear(&mut self) -> io::Result<()> {
        if let Form::Block { drawn, .. } = self.form {
            for _ in 0..drawn {
                let line = terminal::Clear(terminal::ClearType::CurrentLine);
                queue!(self.out, cursor::MoveToPreviousLine(1), line)?;
            }
        }
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // Nobody is left to be told if this fails.
        let _ = self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(phase: Phase, secs: u64) -> Progress {
        Progress { phase, elapsed: Duration::from_secs(secs), ..Progress::default() }
    }

    fn shown(mut screen: Screen<&mut Vec<u8>>, all: &[Progress]) {
        for progress in all {
            screen.draw(progress, || 60).expect("a vector can be written to");
        }
    }

    #[test]
    fn lines_come_at_changes_and_now_and_then() {
        let mut out = Vec::new();
        let arriving = (0..12).map(|secs| at(Phase::Arriving, secs));
        let all: Vec<_> = arriving.chain([at(Phase::Holding, 12), at(Phase::Holding, 13)]).collect();
        shown(Screen::lines(&mut out), &all);
        let text = String::from_utf8(out).expect("text");
        let times: Vec<_> =
            text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(times, ["0.0s arriving:", "5.0s arriving:", "10.0s arriving:", "12.0s holding:"]);
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_block_takes_the_place_of_the_last_and_leaves_nothing_behind() {
        let mut out = Vec::new();
        shown(Screen::block(&mut out, false), &[at(Phase::Arriving, 1), at(Phase::Arriving, 2)]);
        let text = String::from_utf8(out).expect("text");
        let drawn = |secs| render(&at(Phase::Arriving, secs), 60, false).replace('\n', "\x1b[K\n") + "\x1b[J";
        assert_eq!(text, format!("{}\x1b[6F{}{}", drawn(1), drawn(2), "\x1b[1F\x1b[2K".repeat(6)));
    }

    #[test]
    fn a_display_that_cannot_be_written_falls_silent() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut screen = Screen::lines(Full);
        screen.show(&at(Phase::Arriving, 1));
        assert!(screen.failed);
        screen.show(&at(Phase::Holding, 2));
    }
}
