//! The environment of the original command: the image's own variables, and the variables that the user gave
//! at the start.
//!
//! The user's variables come first. But engines also set variables that nobody asked for. The image's own
//! variables replace such variables.

use sealcrate_packfile::index::List;
use sealcrate_stub_start::system::{File, host_name, user};
use sealcrate_stub_start::{Failure, Pages, Start};

use crate::command::Strings;

/// The PATH that engines set if an image sets none.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The TERM that engines set.
const DEFAULT_TERM: &[u8] = b"xterm";

/// The home of users that the image does not know.
const NO_HOME: &[u8] = b"/";

/// The most bytes of the list of users that are read.
const MAX_PASSWD: usize = 1 << 20;

/// Merges the variables that were given with the image's own ones.
pub(crate) fn merged(start: &Start, own: List<'_>) -> Result<Strings, Failure> {
    let defaults = Defaults::read()?;
    let given = || start.environment();
    let count = given().count() + own.len();
    let mut merged = Strings::new(count, own.iter().map(<[u8]>::len).sum())?;
    let is_own = |variable: &[u8]| own.iter().any(|own| name(own) == name(variable));
    for (variable, place) in given() {
        if !(is_own(variable) && defaults.has(variable)) {
            merged.add(place);
        }
    }
    for variable in own.iter() {
        let wins = |other: &[u8]| name(other) == name(variable) && !defaults.has(other);
        if !given().any(|(other, _)| wins(other)) {
            merged.add_copy(variable);
        }
    }
    Ok(merged)
}

/// The values that engines set by themselves.
struct Defaults {
    passwd: &'static [u8],
    host: [u8; 65],
}

impl Defaults {
    fn read() -> Result<Self, Failure> {
        let mut passwd =
            Pages::new(MAX_PASSWD).map_err(|_| Failure::Memory("the list of users"))?;
        let mut len = 0;
        if let Ok(file) = File::open(b"/etc/passwd") {
            while let Ok(count @ 1..) = file.descriptor().read(&mut passwd[len..]) {
                len += count;
            }
        }
        // The list is no secret, and wiping it would take up all of that memory.
        Ok(Self { passwd: &passwd.leak()[..len], host: host_name() })
    }

    fn has(&self, variable: &[u8]) -> bool {
        let value = variable.get(name(variable).len() + 1..).unwrap_or_default();
        match name(variable) {
            b"HOME" => value == self.home(),
            b"HOSTNAME" => value == self.host.split(|byte| *byte == 0).next().unwrap_or_default(),
            b"PATH" => value == DEFAULT_PATH,
            b"TERM" => value == DEFAULT_TERM,
            _ => false,
        }
    }

    /// Returns the home of this user. passwd(5).
    fn home(&self) -> &[u8] {
        let (uid, _) = user();
        let lines = self.passwd.split(|byte| *byte == b'\n');
        let mut homes = lines.filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b':').skip(2);
            let id = core::str::from_utf8(fields.next()?).ok()?;
            (id.parse() == Ok(uid)).then(|| fields.nth(2)).flatten()
        });
        homes.next().unwrap_or(NO_HOME)
    }
}

/// Returns the name of a variable.
pub(crate) fn name(variable: &[u8]) -> &[u8] {
    variable.split(|byte| *byte == b'=').next().unwrap_or_default()
}
