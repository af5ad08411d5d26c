//! Interruption: Ctrl-C and termination leave nothing half done.
//!
//! A file has no name before it is whole, and unnamed files vanish with the program, so that the program
//! can end at once. Temporary names are on a list, and are removed first. The program may finish only
//! while it gives names.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use sealcrate_image::Leftovers;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::output::talk;

/// Holds interruptions off while files get names, and has the list of names that interruptions remove.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    committing: Arc<AtomicBool>,
    leftovers: Leftovers,
}

impl Interrupt {
    /// Starts to listen for signals.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let interrupt = Self::default();
        let Self { committing, leftovers } = interrupt.clone();
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let terminal = Terminal::save();
        thread::spawn(move || {
            for signal in signals.forever() {
                if committing.swap(false, Ordering::SeqCst) {
                    talk::note("finishing what is almost done; once more stops it");
                    continue;
                }
                terminal.restore();
                talk::line("interrupted");
                // Held to the end: no file gets a name any more.
                let _cleared = leftovers.clear();
                process::exit(128 + signal);
            }
        });
        Ok(interrupt)
    }

    /// Returns the list of names that an interruption removes.
    pub(crate) fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    /// Ignores the first interruption from now on.
    pub(crate) fn begin_to_hold(&self) {
        self.committing.store(true, Ordering::SeqCst);
    }

    /// Heeds interruptions again.
    pub(crate) fn end_to_hold(&self) {
        self.committing.store(false, Ordering::SeqCst);
    }
}

/// How the terminal was before a prompt switched its echo off.
struct Terminal(Option<(std::fs::File, Termios)>);

impl Terminal {
    fn save() -> Self {
        let terminal = std::fs::File::open("/dev/tty").ok();
        Self(terminal.and_then(|file| tcgetattr(&file).ok().map(|state| (file, state))))
    }

    fn restore(&self) {
        if let Some((file, state)) = &self.0 {
            // The program ends in any case.
            let _ = tcsetattr(file, OptionalActions::Now, state);
        }
    }
}
