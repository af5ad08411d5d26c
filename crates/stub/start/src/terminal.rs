//! The terminal that a person sits at: a banner, a prompt, a line that is typed.
//!
//! Lines are read byte by byte, so that they can be longer than the kernel's, and so that ^C ends
//! the first process of a container too, for which the kernel does not heed its signals.

use core::fmt;

use linux_raw_sys::general::{
    ECHO, ICANON, ICRNL, IEXTEN, ISIG, IXON, SIGTTOU, VMIN, VTIME, kernel_sigset_t, termios,
};

use crate::ending::ENDING;
use crate::failure::{Failure, say};
use crate::key_search::Found;
use crate::pages::Pages;
use crate::system::{self, Descriptor, Errno, File, STDIN, Signal};

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
    /// None where standard input is it.
    file: Option<File>,
    before: termios,
    error: Option<Errno>,
}

/// What was typed and is no secret.
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

    /// Returns the line; nothing if it is no text.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

/// Whether what is typed is seen.
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

    /// Tells whether this job may use the terminal. One in the background is stopped, as the kernel would
    /// stop it, after a word why; it goes on when it is brought to the foreground.
    ///
    /// Where it cannot be stopped, or goes on in the background, nothing can be asked.
    pub fn is_in_foreground(&self) -> bool {
        if !self.descriptor().is_of_this_job() {
            say(&Failure::Background);
            system::raise(SIGTTOU);
        }
        self.descriptor().is_of_this_job()
    }

    /// Shows what the packer wants to be shown, as it is.
    pub fn show_banner(&mut self, banner: &[u8]) -> Result<(), Failure> {
        self.write(banner)?;
        match banner.last() {
            None | Some(b'\n') => Ok(()),
            Some(_) => self.write(b"\n"),
        }
    }

    /// Asks for a line that is not seen.
    pub fn ask_secret(&mut self, prompt: &str) -> Result<Found, Failure> {
        let Answer { text, len } = self.ask(prompt, Echo::Hidden, |_| false)?;
        Ok(Found::typed(text, len))
    }

    /// Asks for what is seen, and may come in several lines: more of them as long as it is said to be
    /// unfinished, but none after an empty one.
    pub fn ask_lines(
        &mut self,
        prompt: &str,
        is_unfinished: fn(&[u8]) -> bool,
    ) -> Result<Answer, Failure> {
        self.ask(prompt, Echo::Shown, is_unfinished).map(Answer::joined)
    }

    /// Returns the failure of what was last written with `write!`.
    pub fn failure(&self) -> Failure {
        self.error.map_or(Failure::Defect, Failure::Terminal)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.descriptor().write(bytes).map_err(Failure::Terminal)
    }

    /// Asks, with the terminal set for it, and sets it back however that ends.
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
            // Ends the process, unless it is the first of a container, or the signal is ignored.
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
                // The room for one byte more makes a line too long that is, and not another one.
                _ if len == MAX_LINE => return Err(Failure::LineTooLong),
                _ => {
                    text[len] = byte[0];
                    len += 1;
                    self.show(echo, &byte)?;
                }
            }
            // It is a byte of a secret.
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

/// Returns settings with which every byte comes as soon as it is typed, and none is seen.
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
    // What the kernel tells of a signal has this length, and begins with its number.
    let mut told = [0; 128];
    signals.read(&mut told)?;
    Ok(Signal::from_ne_bytes([told[0], told[1], told[2], told[3]]))
}
