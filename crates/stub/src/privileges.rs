//! File capabilities of the packed file, which the program in memory would not have.
//!
//! The stub makes them ambient. The kernel then takes the program for an ordinary one, and the program's
//! loader listens to the environment. So the stub removes the variables that a loader ignores in privileged
//! programs.

use sealcrate_stub_start::{self as start, FilePrivilege, Start, system};

use crate::decoded::Decoded;
use crate::failure::Failure;

/// The variables that the C library removes from the environment of privileged programs. glibc,
/// `sysdeps/generic/unsecvars.h`. A name with an underscore at its end stands for all names that begin with
/// it.
const UNSAFE: [&[u8]; 14] = [
    b"GCONV_PATH",
    b"GETCONF_DIR",
    b"GLIBC_TUNABLES",
    b"HOSTALIASES",
    b"LD_",
    b"LOCALDOMAIN",
    b"LOCPATH",
    b"MALLOC_",
    b"NIS_PATH",
    b"NLSPATH",
    b"RESOLV_HOST_CONF",
    b"RES_OPTIONS",
    b"TMPDIR",
    b"TZDIR",
];

/// Passes on the capabilities that the file gives, or says that the program runs without them.
///
/// A program in a folder belongs to its user, who could exchange it before it is executed.
#[inline(never)]
pub(crate) fn pass_on(start: &mut Start, content: &Decoded<'_>) {
    let passed = match start.privilege() {
        FilePrivilege::None => return,
        FilePrivilege::Capabilities if matches!(content, Decoded::Folder(_)) => {
            return start::say(&Failure::CapabilitiesInFolder);
        }
        FilePrivilege::Ids => Ok(false),
        FilePrivilege::Capabilities => system::pass_on_capabilities(),
    };
    match passed {
        Ok(true) => start.remove_variables(is_unsafe),
        Ok(false) => {}
        Err(error) => start::say(&Failure::Capabilities(error)),
    }
}

fn is_unsafe(variable: &[u8]) -> bool {
    let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
    UNSAFE.iter().any(|unsafe_name| match unsafe_name.last() {
        Some(b'_') => name.starts_with(unsafe_name),
        _ => name == *unsafe_name,
    })
}
