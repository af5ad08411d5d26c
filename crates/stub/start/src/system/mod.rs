//! The kernel's calls for a stub: each is a function with types, and makes no decision.

use core::ffi::{CStr, c_char};

use linux_raw_sys::general::{self as linux, kernel_sigset_t, pollfd, termios};
use linux_raw_sys::ioctl::{TCGETS, TCSETSF, TIOCGPGRP};
use linux_raw_sys::prctl::PR_SET_DUMPABLE;
use zeroize::Zeroize;

use crate::arch::sealcrate_syscall;

pub use self::errno::Errno;
pub use self::files::{FileSystem, Folder, Mapped, Names, Status, link_says};
pub use self::process::{
    Child, Handler, change_folder, cores, execute, fault_address, fork, handle, host_name,
    is_first_process, is_in_root, pass_on_capabilities, process_id, provide_handler_stack,
    read_link, release_signals, unhandle, user,
};
pub use self::text::Text;

mod errno;
mod files;
mod process;
mod text;

/// The number of a signal.
pub type Signal = u32;

/// Standard error.
pub const STDERR: Descriptor<'static> = Descriptor(2, core::marker::PhantomData);

/// Standard input.
pub const STDIN: Descriptor<'static> = Descriptor(0, core::marker::PhantomData);

/// The size of the signal sets that the kernel takes.
const SIGNAL_SET: usize = size_of::<kernel_sigset_t>();

/// Calls the kernel with safe arguments: numbers, and pointers to places that live as long as the call.
///
/// # Safety
/// The call does nothing to memory beyond what the references behind its arguments allow.
unsafe fn call<const N: usize>(number: u32, arguments: [usize; N]) -> Result<usize, Errno> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the caller's promise.
    let returned = unsafe { sealcrate_syscall(number as usize, a, b, c, d, e, f) };
    if (-4095..0).contains(&returned) {
        Err(Errno(-returned as u16))
    } else {
        Ok(returned as usize)
    }
}

/// An open file that its owner closes.
#[derive(Clone, Copy)]
pub struct Descriptor<'f>(i32, core::marker::PhantomData<&'f File>);

/// A file that is open until it is dropped.
pub struct File(i32);

impl File {
    /// Opens a file for reading.
    pub fn open(path: &[u8]) -> Result<Self, Errno> {
        Self::open_with(path, linux::O_RDONLY)
    }

    /// Opens a terminal, without making it the controlling one.
    pub fn open_terminal(path: &[u8]) -> Result<Self, Errno> {
        Self::open_with(path, linux::O_RDWR | linux::O_NOCTTY)
    }

    fn open_with(path: &[u8], flags: u32) -> Result<Self, Errno> {
        Self::open_text(&Text::new(path)?, flags)
    }

    fn open_text(path: &Text, flags: u32) -> Result<Self, Errno> {
        let flags = (flags | linux::O_CLOEXEC) as usize;
        let arguments = [linux::AT_FDCWD as usize, path.place(), flags, 0];
        // SAFETY: the path ends with a zero.
        let fd = unsafe { call(linux::__NR_openat, arguments) }?;
        Ok(Self(fd as i32))
    }

    /// Makes a file in memory that can be executed and sealed.
    pub fn in_memory(name: &CStr, flags: u32) -> Result<Self, Errno> {
        let flags = flags | linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING;
        // SAFETY: the name ends with a zero.
        let fd =
            unsafe { call(linux::__NR_memfd_create, [name.as_ptr() as usize, flags as usize]) }?;
        Ok(Self(fd as i32))
    }

    /// Makes a file that signals are read from.
    pub fn of_signals(signals: &[Signal]) -> Result<Self, Errno> {
        let set = set_of(signals);
        let arguments =
            [usize::MAX, &raw const set as usize, SIGNAL_SET, linux::O_CLOEXEC as usize];
        // SAFETY: the set has the length that the kernel is told.
        let fd = unsafe { call(linux::__NR_signalfd4, arguments) }?;
        Ok(Self(fd as i32))
    }

    /// Returns the file for code that uses it and does not close it.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor(self.0, core::marker::PhantomData)
    }

    /// Goes to a place in the file, counted from its beginning.
    pub fn seek(&self, place: u64) -> Result<(), Errno> {
        #[cfg(target_pointer_width = "64")]
        // SAFETY: no argument points to memory.
        let sought = unsafe { call(linux::__NR_lseek, [self.0 as usize, place as usize, 0]) };
        #[cfg(target_pointer_width = "32")]
        let sought = {
            let mut found = 0_u64;
            let (high, low) = ((place >> 32) as usize, place as usize);
            let arguments = [self.0 as usize, high, low, &raw mut found as usize, 0];
            // SAFETY: the kernel writes no more than the number.
            unsafe { call(linux::__NR__llseek, arguments) }
        };
        sought.map(drop)
    }

    /// Forbids every change of a file in memory, for good.
    pub fn seal(&self) -> Result<(), Errno> {
        let seals =
            linux::F_SEAL_SEAL | linux::F_SEAL_SHRINK | linux::F_SEAL_GROW | linux::F_SEAL_WRITE;
        let arguments = [self.0 as usize, linux::F_ADD_SEALS as usize, seals as usize];
        // SAFETY: no argument points to memory.
        unsafe { call(FCNTL, arguments) }.map(drop)
    }

    /// Becomes the program in a file, by the name that the file has in `/proc`. Returns the error if that
    /// fails, and nothing if there is no such name.
    ///
    /// The file is open in the program as well: an emulator that the kernel starts in the program's place
    /// opens the name once more.
    ///
    /// # Safety
    /// As for [`execute`](Self::execute).
    #[inline(never)]
    pub unsafe fn execute_by_name(
        &self,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> Option<Errno> {
        let mut digits = [0; 10];
        let path = Text::of(&[b"/proc/self/fd/", decimal(self.0 as u32, &mut digits)]).ok()?;
        Self::open(path.as_c_str().to_bytes()).ok()?;
        // SAFETY: no argument points to memory.
        let _ = unsafe { call(FCNTL, [self.0 as usize, linux::F_SETFD as usize, 0]) };
        // SAFETY: the caller's promise.
        Some(unsafe { execute(path.as_c_str(), arguments, environment) })
    }

    /// Becomes the program in a file. Returns only if that fails.
    ///
    /// # Safety
    /// The strings in both lists end with a zero, and both lists end with a null pointer.
    pub unsafe fn execute(
        &self,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> Errno {
        let flags = linux::AT_EMPTY_PATH as usize;
        let all = [
            self.0 as usize,
            c"".as_ptr() as usize,
            arguments as usize,
            environment as usize,
            flags,
        ];
        // SAFETY: the caller's promise.
        match unsafe { call(linux::__NR_execveat, all) } {
            Ok(_) => unreachable!("a program that has become another one"),
            Err(errno) => errno,
        }
    }
}

/// Writes a number, and returns its digits.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: no argument points to memory, and nobody has the number any more.
        let _ = unsafe { call(linux::__NR_close, [self.0 as usize]) };
    }
}

#[cfg(target_pointer_width = "64")]
const FCNTL: u32 = linux::__NR_fcntl;
#[cfg(target_pointer_width = "32")]
const FCNTL: u32 = linux::__NR_fcntl64;

impl Descriptor<'_> {
    /// Reads some bytes, and returns their number: 0 at the end.
    pub fn read(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            let arguments = [self.0 as usize, buffer.as_mut_ptr() as usize, buffer.len()];
            // SAFETY: the buffer has the length that the kernel is told.
            match unsafe { call(linux::__NR_read, arguments) } {
                Err(Errno::INTERRUPTED) => {}
                done => return done,
            }
        }
    }

    /// Writes all bytes.
    pub fn write(self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let arguments = [self.0 as usize, bytes.as_ptr() as usize, bytes.len()];
            // SAFETY: there are as many bytes as the kernel is told.
            match unsafe { call(linux::__NR_write, arguments) } {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTERRUPTED) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Skips `count` bytes, which are zeros then.
    pub fn skip(self, count: usize) -> Result<(), Errno> {
        let from_here = linux::SEEK_CUR as usize;
        #[cfg(target_pointer_width = "64")]
        // SAFETY: no argument points to memory.
        let done = unsafe { call(linux::__NR_lseek, [self.0 as usize, count, from_here]) };
        #[cfg(target_pointer_width = "32")]
        let done = {
            let mut end = 0_u64;
            let arguments = [self.0 as usize, 0, count, &raw mut end as usize, from_here];
            // SAFETY: the kernel writes a number of this size.
            unsafe { call(linux::__NR__llseek, arguments) }
        };
        done.map(drop)
    }

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

/// Keeps other processes of the same user from reading this one, and the kernel from dumping this one's
/// memory.
pub fn forbid_dumps() {
    // SAFETY: no argument points to memory.
    let _ = unsafe { call(linux::__NR_prctl, [PR_SET_DUMPABLE as usize, 0, 0, 0, 0]) };
}

/// Fills a place with random bytes, as soon as the kernel has some.
pub fn random(place: &mut [u8]) -> Result<(), Errno> {
    let mut rest = place;
    while !rest.is_empty() {
        let arguments = [rest.as_mut_ptr() as usize, rest.len(), 0];
        // SAFETY: the place has the length that the kernel is told.
        match unsafe { call(linux::__NR_getrandom, arguments) } {
            Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTERRUPTED) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Maps `len` bytes of fresh zeros.
pub fn map(len: usize) -> Result<*mut u8, Errno> {
    let protection = (linux::PROT_READ | linux::PROT_WRITE) as usize;
    let flags = (linux::MAP_PRIVATE | linux::MAP_ANONYMOUS) as usize;
    // SAFETY: the mapping is new, and nothing lies there.
    let place = unsafe { call(MMAP, [0, len, protection, flags, usize::MAX, 0]) }?;
    Ok(place as *mut u8)
}

#[cfg(target_pointer_width = "64")]
const MMAP: u32 = linux::__NR_mmap;
#[cfg(target_pointer_width = "32")]
const MMAP: u32 = linux::__NR_mmap2;

/// Gives memory from [`map`] back.
///
/// # Safety
/// `place` is from [`map`] with that length, and nobody uses it any more.
pub unsafe fn unmap(place: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call(linux::__NR_munmap, [place as usize, len]) };
}

/// Blocks signals, and returns the set that was blocked before.
pub fn block_signals(signals: &[Signal]) -> Result<kernel_sigset_t, Errno> {
    change_signals(linux::SIG_BLOCK, &set_of(signals))
}

/// Blocks exactly the signals of a set.
pub fn restore_signals(set: &kernel_sigset_t) -> Result<(), Errno> {
    change_signals(linux::SIG_SETMASK, set).map(drop)
}

fn change_signals(how: u32, set: &kernel_sigset_t) -> Result<kernel_sigset_t, Errno> {
    let mut before = set_of(&[]);
    let arguments =
        [how as usize, core::ptr::from_ref(set) as usize, &raw mut before as usize, SIGNAL_SET];
    // SAFETY: both sets have the length that the kernel is told.
    unsafe { call(linux::__NR_rt_sigprocmask, arguments) }?;
    Ok(before)
}

/// Sends a signal to this process.
pub fn raise(signal: Signal) {
    let arguments = [process_id() as usize, signal as usize];
    // SAFETY: no argument points to memory.
    let _ = unsafe { call(linux::__NR_kill, arguments) };
}

fn set_of(signals: &[Signal]) -> kernel_sigset_t {
    let mut bytes = [0_u8; SIGNAL_SET];
    for signal in signals {
        let bit = *signal as usize - 1;
        bytes[place_of(bit / 8)] |= 1 << (bit % 8);
    }
    // SAFETY: a set consists of bits, and each value of the bits is a set.
    unsafe { core::mem::transmute(bytes) }
}

/// Returns the place of the byte of eight signals in a set, which consists of words.
const fn place_of(byte: usize) -> usize {
    if cfg!(target_endian = "little") { byte } else { byte ^ (size_of::<usize>() - 1) }
}

/// Ends the process.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: no argument points to memory, and nothing comes after the call.
        let _ = unsafe { call(linux::__NR_exit_group, [usize::from(status)]) };
    }
}

/// Overwrites the bytes that finished functions have left on the stack.
#[inline(never)]
pub fn wipe_stack() {
    let mut left = [0_u8; 48 << 10];
    left.zeroize();
}
