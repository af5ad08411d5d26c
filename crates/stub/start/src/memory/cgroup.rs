//! The memory limit of control groups. The kernel kills a process without a word if its group goes beyond the
//! limit.
//!
//! A group's limit holds for all groups below it too. So this module reads the limits of this process's group
//! and of all groups above it. The limit that leaves the least memory counts.

use core::mem::ManuallyDrop;

use sealcrate_packfile::Parameters;

use crate::failure::Failure;
use crate::memory::Pages;
use crate::system::{File, Folder, Text};

/// The memory that the stub takes itself and that a program needs to begin with, in bytes.
const SOME: u64 = 4 << 20;

/// The smallest number that stands for no limit, in bytes.
const NO_LIMIT: u64 = 1 << 50;

/// The longest text that is read from the kernel, in bytes.
const MAX_TEXT: usize = 16 << 10;

/// The files in which one version of control groups tells limits and use.
struct Version {
    /// The folder in which its groups are mounted.
    root: &'static [u8],
    /// The controller in the line of a process's group. cgroups(7), `/proc/PID/cgroup`.
    controller: &'static [u8],
    limit: &'static [u8],
    used: &'static [u8],
    /// The figures of files that lie on a disk. They count as use, but the kernel drops such files from
    /// memory first.
    files: [&'static [u8]; 2],
}

const VERSIONS: [Version; 2] = [
    Version {
        root: b"/sys/fs/cgroup",
        controller: b"",
        limit: b"/memory.max",
        used: b"/memory.current",
        files: [b"active_file", b"inactive_file"],
    },
    Version {
        root: b"/sys/fs/cgroup/memory",
        controller: b"memory",
        limit: b"/memory.limit_in_bytes",
        used: b"/memory.usage_in_bytes",
        files: [b"total_active_file", b"total_inactive_file"],
    },
];

/// The file in which a group tells the parts of its use. In version 1, this figure there is the smallest
/// limit of all groups above.
const STAT: &[u8] = b"/memory.stat";
const SMALLEST: &[u8] = b"hierarchical_memory_limit";

/// The memory that may be used, in bytes, if there is a bound that can be read.
#[derive(Clone, Copy)]
pub struct Limit(Option<Bound>);

/// The bound that leaves the least.
#[derive(Clone, Copy)]
struct Bound {
    limit: u64,
    used: u64,
}

impl Bound {
    fn free(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Limit {
    /// Returns the memory that is left for work that ends before the program begins, in MiB. Returns nothing
    /// if there is no limit.
    pub fn room(self) -> Option<u64> {
        self.0.map(|bound| bound.free().saturating_sub(SOME) >> 20)
    }
}

/// Reads the limit, and checks that the program fits.
pub fn check(parameters: &Parameters<'_>) -> Result<Limit, Failure> {
    check_bytes(u64::from(parameters.needed_mib()) << 20)
}

/// Reads the limit, and checks that `bytes` bytes fit.
pub fn check_bytes(bytes: u64) -> Result<Limit, Failure> {
    // The room holds no secret, so the kernel gets it back unwiped: wiping would take up all of it.
    let room = Pages::new(MAX_TEXT).map_err(|_| Failure::Memory("the limits of memory"))?;
    let mut groups = Groups { room: ManuallyDrop::new(room), least: None };
    let text = groups.text(&[b"/proc/self/cgroup"]);
    let paths = text.map(|text| VERSIONS.each_ref().map(|version| version.group(text)));
    for (place, version) in VERSIONS.iter().enumerate() {
        match &paths {
            None => groups.look(version, b""),
            Some(paths) => {
                if let Some(path) = &paths[place] {
                    groups.look(version, path.as_c_str().to_bytes());
                }
            }
        }
    }
    let needed = bytes.saturating_add(SOME);
    match groups.least {
        Some(bound) if bound.free() < needed => Err(Failure::MemoryLimit {
            limit: bound.limit >> 20,
            needed: needed.saturating_add(bound.used).div_ceil(1 << 20),
        }),
        bound => Ok(Limit(bound)),
    }
}

/// The groups of this process, and the bound found so far that leaves the least.
struct Groups {
    room: ManuallyDrop<Pages<u8>>,
    least: Option<Bound>,
}

impl Groups {
    /// Looks at this process's group in one version, and at the groups above it, as far as the process sees
    /// them.
    fn look(&mut self, version: &Version, path: &[u8]) {
        let mut group = path.strip_suffix(b"/").unwrap_or(path);
        let smallest = loop {
            // The process may not see the groups above at all, but version 1 tells their smallest limit.
            let is_second = version.controller.is_empty();
            let smallest = if is_second { None } else { self.stat(version, group, &[SMALLEST]) };
            if smallest.is_some() || group.is_empty() || version.has(group) {
                break smallest;
            }
            // In a container, the mount may lack the groups at the path's beginning.
            let next = group[1..].iter().position(|byte| *byte == b'/');
            group = next.map_or(b"", |at| &group[at + 1..]);
        };
        match smallest {
            Some(NO_LIMIT..) => return,
            Some(limit) => self.add(version, group, limit),
            None => {}
        }
        loop {
            match self.number(&[version.root, group, version.limit]) {
                Some(NO_LIMIT..) | None => {}
                Some(limit) => self.add(version, group, limit),
            }
            match group.iter().rposition(|byte| *byte == b'/') {
                Some(at) => group = &group[..at],
                None => return,
            }
        }
    }

    /// Adds the limit of a group.
    fn add(&mut self, version: &Version, group: &[u8], limit: u64) {
        let used = self.number(&[version.root, group, version.used]).unwrap_or(0);
        // The kernel drops files on a disk from memory.
        let files = self.stat(version, group, &version.files).unwrap_or(0);
        let bound = Bound { limit, used: used.saturating_sub(files) };
        if self.least.is_none_or(|least| bound.free() < least.free()) {
            self.least = Some(bound);
        }
    }

    /// Returns the sum of the figures with these names, or nothing if a group tells none of them.
    fn stat(&mut self, version: &Version, group: &[u8], names: &[&[u8]]) -> Option<u64> {
        let text = self.text(&[version.root, group, STAT])?;
        let figures = text.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let name = fields.next()?;
            names.contains(&name).then(|| parsed(fields.next().unwrap_or_default()))?
        });
        figures.reduce(u64::saturating_add)
    }

    /// Reads a number from a file. "max" is no number, and means that there is no limit.
    fn number(&mut self, path: &[&[u8]]) -> Option<u64> {
        self.text(path).and_then(|text| parsed(text.trim_ascii()))
    }

    /// Reads a file of the kernel, up to the length of the room.
    fn text(&mut self, path: &[&[u8]]) -> Option<&[u8]> {
        let path = Text::of(path).ok()?;
        let file = File::open(path.as_c_str().to_bytes()).ok()?;
        // The kernel gives each of these files in one read.
        let len = file.descriptor().read(&mut self.room).ok()?;
        Some(&self.room[..len])
    }
}

impl Version {
    /// Returns the path of the group that a process is in.
    fn group(&self, groups: &[u8]) -> Option<Text> {
        let mut groups = groups.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = line.splitn(3, |byte| *byte == b':');
            let mut controllers = fields.nth(1)?.split(|byte| *byte == b',');
            let is_it = controllers.any(|controller| controller == self.controller);
            fields.next().filter(|_| is_it)
        });
        let group = groups.next()?;
        let goes_up = group.windows(3).any(|part| part == b"/..");
        Text::new(if goes_up { b"" } else { group }).ok()
    }

    fn has(&self, group: &[u8]) -> bool {
        let path = Text::of(&[self.root, group]);
        path.is_ok_and(|path| Folder::open(path.as_c_str().to_bytes()).is_ok())
    }
}

fn parsed(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
