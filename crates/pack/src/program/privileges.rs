//! Privileges that a program's file gives to the user who starts it. A packed program cannot give them:
//! its start does not run the program from that file.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::fgetxattr;
use rustix::io::Errno;

/// A privilege that a file gives to the user who starts it. capabilities(7), chmod(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// Some of root's rights.
    Capabilities,
    /// The file's group.
    SetGroupId,
    /// The file's owner.
    SetUserId,
}

impl Privilege {
    /// Returns the privileges that `file` gives.
    ///
    /// # Errors
    /// The mode or the attributes of the file cannot be read.
    pub fn of(file: &File) -> io::Result<Vec<Self>> {
        let mode = file.metadata()?.mode();
        let mut found = Vec::new();
        if mode & 0o4000 != 0 {
            found.push(Self::SetUserId);
        }
        // If the group may not execute the file, the bit is about locks.
        if mode & 0o2010 == 0o2010 {
            found.push(Self::SetGroupId);
        }
        match fgetxattr(file, c"security.capability", &mut [0_u8; 64]) {
            Ok(_) | Err(Errno::RANGE) => found.push(Self::Capabilities),
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(found)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capabilities => "file capabilities",
            Self::SetGroupId => "set-group-ID",
            Self::SetUserId => "set-user-ID",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn mode_bits_tell_privileges() {
        let file = tempfile::tempfile().unwrap();
        let with = |mode| {
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
            Privilege::of(&file).unwrap()
        };
        assert_eq!(with(0o755), []);
        assert_eq!(with(0o4755), [Privilege::SetUserId]);
        assert_eq!(with(0o6755), [Privilege::SetUserId, Privilege::SetGroupId]);
        assert_eq!(with(0o2644), []);
    }
}
