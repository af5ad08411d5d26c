//! Terminals: settings, jobs, and the wait for a byte.

use linux_raw_sys::general::{self as linux, pollfd, termios};
use linux_raw_sys::ioctl::{TCGETS, TCSETSF, TIOCGPGRP};

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::files::file::Descriptor;
use crate::system::signal_set::SIGNAL_SET;

impl Descriptor<'_> {
    /// Returns the settings of a terminal. A file that is no terminal is an error.
    pub fn terminal_settings(self) -> Result<termios, Errno> {
        let mut settings = core::mem::MaybeUninit::<termios>::zeroed();
        let arguments = [self.0 as usize, TCGETS as usize, settings.as_mut_ptr() as usize];
        // SAFETY: the kernel writes no more than the settings.
        unsafe { call(linux::__NR_ioctl, arguments) }?;
        // SAFETY: the type consists of numbers, and zeros are a value of it.
        Ok(unsafe { settings.assume_init() })
    }

    /// Tells whether this process belongs to the job that has the terminal. Returns true for a file that has
    /// no job.
    pub fn is_of_this_job(self) -> bool {
        let mut job = 0_i32;
        let arguments = [self.0 as usize, TIOCGPGRP as usize, &raw mut job as usize];
        // SAFETY: the kernel writes a number of this size.
        let asked = unsafe { call(linux::__NR_ioctl, arguments) };
        // SAFETY: no argument points to memory.
        let own = unsafe { call(linux::__NR_getpgid, [0]) };
        asked.is_err() || own == Ok(job as usize)
    }

    /// Sets a terminal as soon as all output is written, and throws away the input before.
    pub fn set_terminal(self, settings: &termios) -> Result<(), Errno> {
        let arguments = [self.0 as usize, TCSETSF as usize, core::ptr::from_ref(settings) as usize];
        // SAFETY: the kernel reads no more than the settings.
        unsafe { call(linux::__NR_ioctl, arguments) }.map(drop)
    }
}

/// Waits until one of two files can be read, and tells whether the first can.
pub fn wait_for(first: Descriptor<'_>, other: Descriptor<'_>) -> Result<bool, Errno> {
    let asked = |fd: Descriptor<'_>| pollfd { fd: fd.0, events: linux::POLLIN as i16, revents: 0 };
    let mut files = [asked(first), asked(other)];
    loop {
        let arguments = [files.as_mut_ptr() as usize, files.len(), 0, 0, SIGNAL_SET];
        // SAFETY: the kernel reads and writes as many entries as it is told, and gets neither a time nor a
        // set.
        match unsafe { call(linux::__NR_ppoll, arguments) } {
            Ok(_) => return Ok(files[0].revents != 0),
            Err(Errno::INTERRUPTED) => {}
            Err(errno) => return Err(errno),
        }
    }
}
