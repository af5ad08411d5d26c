//! The terminal that a person sits at: it shows a banner and a prompt, and the person types a line.
//!
//! The terminal is read byte by byte. So a line can be longer than the kernel's lines. And ^C also ends the
//! first process of a container, to which the kernel would not deliver the signal.

use core::fmt;

use linux_raw_sys::general::{
    ECHO, ICANON, ICRNL, IEXTEN, ISIG, IXON, SIGTTOU, VMIN, VTIME, kernel_sigset_t, termios,
};

use crate::failure::Failure;
use crate::key::search::Found;
use crate::memory::Pages;
use crate::process::ENDING;
use crate::system::{self, Descriptor, Errno, File, STDIN, Signal};
use crate::tell::say;

/// The longest line that can be typed, in bytes.
const MAX_LINE: usize = 4096;

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const CTRL_BACKSLASH: u8 = 28;
const DELETE: u8 = 127;

/// A terminal that can be read and written.
pub struct Terminal {
    /// None if standard input is the terminal.
    file: Option<File>,
    before: termios,
    error: Option<Errno>,
}

/// A text that the user typed and that is no secret.
pub struct Answer {
    text: Pages<u8>,
    len: usize,
}

impl Answer {
    /// Joins the lines, without the blanks in them.
    fn joined(mut self) -> Self {
        let mut len = 0;
        for at in 0..self.len {
            if !self.text[at].is_ascii_whitespace() {
                self.text[len] = self.text[at];
                len += 1;
            }
        }
        Self { len, ..self }
    }

    /// Returns the text, or an empty one if it is no UTF-8.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

/// Whether the terminal shows the bytes that the user types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    Hidden,
    Shown,
}

impl Terminal {
    /// Returns the controlling terminal, or standard input if that is a terminal.
    pub fn open() -> Option<Self> {
        if let Ok(file) = File::open_terminal(b"/dev/tty") {
            if let Ok(before) = file.descriptor().terminal_settings() {
                return Some(Self { file: Some(file), before, error: None });
            }
        }
        let before = STDIN.terminal_settings().ok()?;
        Some(Self { file: None, before, error: None })
    }

    fn descriptor(&self) -> Descriptor<'_> {
        self.file.as_ref().map_or(STDIN, File::descriptor)
    }

    /// Tells whether this job may use the terminal. A job in the background first says why, and then stops,
    /// as the kernel would stop it. It goes on when the user brings it to the foreground.
    ///
    /// If the job cannot be stopped, or goes on in the background, it cannot ask for anything.
    pub fn is_in_foreground(&self) -> bool {
        if !self.descriptor().is_of_this_job() {
            say(&Failure::Background);
            system::raise(SIGTTOU);
        }
        self.descriptor().is_of_this_job()
    }

    /// Shows the packer's banner as it is.
    pub fn show_banner(&mut self, banner: &[u8]) -> Result<(), Failure> {
        self.write(banner)?;
        match banner.last() {
            None | Some(b'\n') => Ok(()),
            Some(_) => self.write(b"\n"),
        }
    }

    /// Asks for a line that the terminal does not show.
    pub fn ask_secret(&mut self, prompt: &str) -> Result<Found, Failure> {
        let Answer { text, len } = self.ask(prompt, Echo::Hidden, |_| false)?;
        Ok(Found::typed(text, len))
    }

    /// Asks for a text that the terminal shows, and that may come in several lines. Reads more lines as long
    /// as `is_unfinished` says so, but none after an empty line.
    pub fn ask_lines(
        &mut self,
        prompt: &str,
        is_unfinished: fn(&[u8]) -> bool,
    ) -> Result<Answer, Failure> {
        self.ask(prompt, Echo::Shown, is_unfinished).map(Answer::joined)
    }

    /// Returns the failure of the last `write!`.
    pub fn failure(&self) -> Failure {
        self.error.map_or(Failure::Defect, Failure::Terminal)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.descriptor().write(bytes).map_err(Failure::Terminal)
    }

    /// Sets the terminal for the question, asks, and sets the terminal back in any case.
    fn ask(
        &self,
        prompt: &str,
        echo: Echo,
        is_unfinished: fn(&[u8]) -> bool,
    ) -> Result<Answer, Failure> {
        let signals = Signals::catch().map_err(Failure::Terminal)?;
        self.descriptor().set_terminal(&raw(self.before)).map_err(Failure::Terminal)?;
        let read = |()| self.read(echo, is_unfinished, &signals.file);
        let answer = self.write(prompt.as_bytes()).and_then(read);
        let _ = self.descriptor().set_terminal(&self.before);
        let _ = self.write(b"\n");
        drop(signals);
        if let Err(Failure::Signal(signal)) = answer {
            // This ends the process, unless it is the first of a container, or the signal is ignored.
            system::raise(signal);
        }
        answer
    }

    fn read(
        &self,
        echo: Echo,
        is_unfinished: fn(&[u8]) -> bool,
        signals: &File,
    ) -> Result<Answer, Failure> {
        let mut text = Pages::new(MAX_LINE).map_err(Failure::Terminal)?;
        let mut len = 0;
        loop {
            let signals = signals.descriptor();
            if system::wait_for(signals, self.descriptor()).map_err(Failure::Terminal)? {
                return Err(Failure::Signal(signal_from(signals).map_err(Failure::Terminal)?));
            }
            let mut byte = [0];
            let count = self.descriptor().read(&mut byte).map_err(Failure::Terminal)?;
            match byte[0] {
                _ if count == 0 => return Err(Failure::Interrupted),
                b'\n' | b'\r' => {
                    let has_ended = text[..len].last() == Some(&b'\n');
                    if len == MAX_LINE || has_ended || !is_unfinished(&text[..len]) {
                        return Ok(Answer { text, len });
                    }
                    text[len] = b'\n';
                    len += 1;
                    self.show(echo, b"\n")?;
                }
                CTRL_C | CTRL_BACKSLASH => return Err(Failure::Interrupted),
                CTRL_D if len == 0 => return Err(Failure::Interrupted),
                CTRL_D => return Ok(Answer { text, len }),
                BACKSPACE | DELETE => {
                    if len > 0 {
                        len -= 1;
                        self.show(echo, b"\x08 \x08")?;
                    }
                }
                CTRL_U => {
                    for _ in 0..len {
                        self.show(echo, b"\x08 \x08")?;
                    }
                    len = 0;
                }
                control if control < b' ' => {}
                // A line of the greatest length is not too long. Only one byte more makes it so.
                _ if len == MAX_LINE => return Err(Failure::LineTooLong),
                _ => {
                    text[len] = byte[0];
                    len += 1;
                    self.show(echo, &byte)?;
                }
            }
            // The byte may be part of a secret.
            zeroize::Zeroize::zeroize(&mut byte);
        }
    }

    fn show(&self, echo: Echo, bytes: &[u8]) -> Result<(), Failure> {
        match echo {
            Echo::Hidden => Ok(()),
            Echo::Shown => self.write(bytes),
        }
    }
}

impl fmt::Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.descriptor().write(text.as_bytes()).map_err(|errno| {
            self.error = Some(errno);
            fmt::Error
        })
    }
}

/// Returns settings with which every byte comes as soon as the user types it, and the terminal shows none.
fn raw(mut settings: termios) -> termios {
    settings.c_iflag &= !IXON;
    settings.c_iflag |= ICRNL;
    settings.c_lflag &= !(ECHO | ICANON | ISIG | IEXTEN);
    settings.c_cc[VMIN as usize] = 1;
    settings.c_cc[VTIME as usize] = 0;
    settings
}

/// Signals that are read from a file instead of ending the process, until this is dropped.
struct Signals {
    file: File,
    before: kernel_sigset_t,
}

impl Signals {
    fn catch() -> Result<Self, Errno> {
        let before = system::block_signals(&ENDING)?;
        Ok(Self { file: File::of_signals(&ENDING)?, before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = system::restore_signals(&self.before);
    }
}

/// Reads which signal has come.
fn signal_from(signals: Descriptor<'_>) -> Result<Signal, Errno> {
    // The kernel's description of a signal has this length, and begins with the signal's number. signalfd(2).
    let mut told = [0; 128];
    signals.read(&mut told)?;
    Ok(Signal::from_ne_bytes([told[0], told[1], told[2], told[3]]))
}
