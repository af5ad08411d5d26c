//! The arguments, the environment and the program headers that the kernel gives a program at its start.

use core::ffi::{CStr, c_char, c_void};
use core::slice;

use linux_raw_sys::auxvec::{
    AT_EGID, AT_EUID, AT_GID, AT_NULL, AT_PHDR, AT_PHNUM, AT_SECURE, AT_UID,
};
use linux_raw_sys::elf::{Elf_Phdr, PT_LOAD};

/// The flags of a segment that may be read, and neither written nor executed.
const READ_ONLY: u32 = 4;

/// The stack as the kernel made it: a count, arguments, the environment, and auxiliary pairs.
///
/// The strings that it points to stay where they are until the process becomes another program.
pub struct Start {
    arguments: *const *const c_char,
    environment: *mut *const c_char,
    headers: &'static [Elf_Phdr],
    privilege: FilePrivilege,
}

/// The privilege that the started file gives beyond the rights of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePrivilege {
    /// File capabilities, which end with the next program that is executed.
    Capabilities,
    /// Another user or group, which the next program keeps.
    Ids,
    /// Nothing.
    None,
}

impl Start {
    /// Takes over the stack.
    ///
    /// # Safety
    /// The stack is as the kernel made it, and nobody else uses it.
    pub unsafe fn new(stack: *const c_void) -> Self {
        let words = stack.cast::<usize>();
        // SAFETY: the stack has the count, so many arguments, and a null pointer. Then it has the
        // environment, a null pointer, and pairs up to one that is marked as the last.
        unsafe {
            let arguments = words.add(1).cast::<*const c_char>();
            let environment = arguments.add(*words + 1).cast_mut();
            let mut at = environment;
            while !(*at).is_null() {
                at = at.add(1);
            }
            let mut pair = at.add(1).cast::<[usize; 2]>();
            let (mut headers, mut count) = (core::ptr::null::<Elf_Phdr>(), 0);
            let (mut is_secure, mut users, mut groups) = (false, [0; 2], [0; 2]);
            while (*pair)[0] != AT_NULL as usize {
                match (*pair)[0] as u32 {
                    AT_PHDR => headers = (*pair)[1] as *const Elf_Phdr,
                    AT_PHNUM => count = (*pair)[1],
                    AT_SECURE => is_secure = (*pair)[1] != 0,
                    AT_UID => users[0] = (*pair)[1],
                    AT_EUID => users[1] = (*pair)[1],
                    AT_GID => groups[0] = (*pair)[1],
                    AT_EGID => groups[1] = (*pair)[1],
                    _ => {}
                }
                pair = pair.add(1);
            }
            let headers =
                if headers.is_null() { &[] } else { slice::from_raw_parts(headers, count) };
            let privilege = match is_secure {
                true if users[0] == users[1] && groups[0] == groups[1] => {
                    FilePrivilege::Capabilities
                }
                true => FilePrivilege::Ids,
                false => FilePrivilege::None,
            };
            Self { arguments, environment, headers, privilege }
        }
    }

    /// Returns the payload segment, which is the last one if there is any.
    pub fn payload(&self) -> Option<&'static [u8]> {
        let last = self.headers.last()?;
        let is_payload = last.p_type == PT_LOAD && last.p_flags == READ_ONLY;
        // SAFETY: the kernel has mapped the segment there, and nothing changes it.
        is_payload
            .then(|| unsafe { slice::from_raw_parts(last.p_vaddr as *const u8, last.p_filesz) })
    }

    /// Returns the name by which the program was called, without the folder.
    pub fn name(&self) -> &'static [u8] {
        // SAFETY: the list ends with a null pointer, and its strings with a zero.
        let called = unsafe {
            let first = *self.arguments;
            if first.is_null() { b"" } else { CStr::from_ptr(first).to_bytes() }
        };
        called.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// Returns the arguments. The first one is the name by which the program was called.
    pub fn arguments(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        // SAFETY: they are strings that end with a zero.
        self.argument_places().map(|place| unsafe { CStr::from_ptr(place) }.to_bytes())
    }

    /// Returns pointers to the arguments, each with a zero at its end.
    pub fn argument_places(&self) -> impl Iterator<Item = *const c_char> + use<> {
        strings(self.arguments)
    }

    /// Returns the variables and pointers to them, each with a zero at its end.
    pub fn environment(&self) -> impl Iterator<Item = (&'static [u8], *const c_char)> + use<> {
        strings(self.environment)
            // SAFETY: they are strings that end with a zero.
            .map(|place| (unsafe { CStr::from_ptr(place) }.to_bytes(), place))
    }

    /// Returns the value of the variable that is named `name` and `suffix`.
    pub fn variable(&self, name: &str, suffix: &str) -> Option<&'static [u8]> {
        let mut at = self.environment;
        // SAFETY: the list ends with a null pointer, and its strings with a zero.
        unsafe {
            while !(*at).is_null() {
                if let Some(value) = value(CStr::from_ptr(*at).to_bytes(), name, suffix) {
                    return Some(value);
                }
                at = at.add(1);
            }
        }
        None
    }

    /// Returns the privilege that the started file gives.
    pub fn privilege(&self) -> FilePrivilege {
        self.privilege
    }

    /// Removes a variable, however often it is there, and wipes it.
    ///
    /// The value that [`Self::variable`] returned for it must not be in use any more: the value is zeros
    /// then.
    pub fn remove_variable(&mut self, name: &str) {
        self.remove_variables(|entry| value(entry, name, "").is_some());
    }

    /// Removes the variables for which `is_unwanted` is true, and wipes them.
    pub fn remove_variables(&mut self, is_unwanted: impl Fn(&[u8]) -> bool) {
        let (mut from, mut to) = (self.environment, self.environment);
        // SAFETY: the list ends with a null pointer, and its strings with a zero; `to` is not behind
        // `from`; the strings lie in memory of this process that may be written.
        unsafe {
            while !(*from).is_null() {
                let entry = CStr::from_ptr(*from).to_bytes();
                if is_unwanted(entry) {
                    core::ptr::write_bytes((*from).cast_mut(), 0, entry.len());
                } else {
                    *to = *from;
                    to = to.add(1);
                }
                from = from.add(1);
            }
            *to = core::ptr::null();
        }
    }

    /// Changes the name by which the next program is called, if there is a first argument.
    pub fn set_first_argument(&mut self, name: &'static CStr) {
        // SAFETY: the list ends with a null pointer, and lies in memory of this process that may be
        // written.
        unsafe {
            if !(*self.arguments).is_null() {
                *self.arguments.cast_mut() = name.as_ptr();
            }
        }
    }

    /// Returns the arguments and the environment as the next program takes them. Each string ends with a
    /// zero, and each list with a null pointer.
    pub fn lists(&self) -> (*const *const c_char, *const *const c_char) {
        (self.arguments, self.environment)
    }
}

/// Returns the strings of a list.
fn strings(mut at: *const *const c_char) -> impl Iterator<Item = *const c_char> {
    core::iter::from_fn(move || {
        // SAFETY: the list ends with a null pointer, and nobody looks behind that.
        unsafe {
            let string = *at;
            (!string.is_null()).then(|| {
                at = at.add(1);
                string
            })
        }
    })
}

/// Returns the value of an entry, if the entry's variable is named `name` and `suffix`.
fn value<'e>(entry: &'e [u8], name: &str, suffix: &str) -> Option<&'e [u8]> {
    let rest = entry.strip_prefix(name.as_bytes())?;
    rest.strip_prefix(suffix.as_bytes())?.strip_prefix(b"=")
}
