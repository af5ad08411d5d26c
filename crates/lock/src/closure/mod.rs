//! The closure of a command: all files that run or are linked before its own first instruction.
//!
//! They are the command, its interpreter or loader, and its libraries. The closure also notes each place in
//! which a loader could find another file instead, also where nothing lies. So the order in which loaders
//! look does not matter. Files that a program opens by itself are not in the closure. ld.so(8), execve(2).

mod inspector;
mod library_folders;
mod program;
pub(crate) mod resolver;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use sealcrate_image::Image;
use sealcrate_packfile::index::Command;
use sealcrate_targets::Target;

use crate::closure::inspector::Inspector;
use crate::closure::library_folders::{configured, expanded, machine, musl_list, usual};
use crate::closure::program::{Elf, Program};
use crate::closure::resolver::{Expected, Resolver};
use crate::{Difference, Inode, InodeKind, PathRules, TreePath};

/// The most things that are checked at one start.
const MAX_CHECKS: usize = 8192;

/// The most bytes of files that are checked at one start.
const MAX_BYTES: u64 = 256 << 20;

/// The most words of a command that may name further programs.
const MAX_WORDS: usize = 256;

/// The folders of programs if the image sets no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The list of libraries that glibc loads first, and its cache.
const PRELOAD: &[u8] = b"/etc/ld.so.preload";
const CACHE: &[u8] = b"/etc/ld.so.cache";

/// The files and places that a start checks.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    /// The paths in clear layers, and the thing that lies at each, or nothing.
    pub(crate) expected: BTreeMap<TreePath, Expected>,
    /// Files beyond the bounds of a start's checks.
    pub(crate) beyond: Vec<TreePath>,
}

impl Closure {
    /// Finds the closure of a command and of its health check.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub(crate) fn of(
        image: &Image,
        difference: &Difference,
        rules: &PathRules,
        command: &Command<'_>,
    ) -> io::Result<Self> {
        // Without checks there is nothing to look for.
        if rules.unchecked.contains(&TreePath::default()) {
            return Ok(Self::default());
        }
        let mut search = Search {
            resolver: Resolver::of(difference, rules),
            inspector: Inspector::of(image),
            command: *command,
            configured: None,
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            bytes: 0,
            beyond: BTreeSet::new(),
        };
        search.commands(command.entrypoint.iter().chain(command.cmd.iter()));
        search.commands(command.healthcheck.iter());
        search.run()?;
        let beyond = search.beyond.into_iter().collect();
        Ok(Self { expected: search.resolver.into_noted(), beyond })
    }
}

/// A program that was found, and whose needs are not known yet.
#[derive(Clone)]
struct Found {
    path: TreePath,
    inode: Arc<Inode>,
    /// The folder of the name under which it was found, before any link is followed.
    folder: Vec<u8>,
    /// The folders that are named by the files which need it.
    inherited: Vec<Vec<u8>>,
}

struct Search<'a> {
    resolver: Resolver<'a>,
    inspector: Inspector<'a>,
    command: Command<'a>,
    /// The folders that the image's own configuration names for libraries.
    configured: Option<Vec<Vec<u8>>>,
    queue: VecDeque<Found>,
    queued: BTreeSet<(TreePath, Vec<Vec<u8>>)>,
    bytes: u64,
    beyond: BTreeSet<TreePath>,
}

impl<'a> Search<'a> {
    /// Looks for a command, and for programs that its arguments name.
    fn commands(&mut self, mut arguments: impl Iterator<Item = &'a [u8]>) {
        let Some(command) = arguments.next() else { return };
        self.command(command);
        // As in `sh -c "exec server --port 80"`.
        let separates = |byte: &u8| byte.is_ascii_whitespace() || b";&|()<>='\"`".contains(byte);
        let words = arguments.flat_map(|argument| argument.split(separates));
        for word in words.filter(|word| !word.is_empty() && !word.starts_with(b"-")).take(MAX_WORDS)
        {
            self.command(word);
        }
    }

    /// Looks for a program as execvp(3) does. A start does not check a program that is missing.
    fn command(&mut self, name: &[u8]) {
        self.resolver.mark();
        let folders = self.variable(b"PATH").unwrap_or(DEFAULT_PATH);
        let folders = folders.split(|byte| *byte == b':').filter(|folder| !folder.is_empty());
        let mut places: Vec<Vec<u8>> =
            folders.map(|folder| [folder, b"/", name].concat()).collect();
        if name.contains(&b'/') {
            places = vec![name.to_vec()];
        }
        for place in places {
            let found = self.follow(&place);
            if let Some((path, inode)) = found
                && inode.metadata.mode & 0o111 != 0
            {
                self.found(path, inode, &place, &[]);
                return;
            }
        }
        self.resolver.forget();
    }

    /// Follows a path, which begins at the working folder unless it is absolute.
    fn follow(&mut self, path: &[u8]) -> Option<(TreePath, Arc<Inode>)> {
        let path = self.absolute(path);
        self.resolver.follow(&path)
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let home = if path.starts_with(b"/") { b"" } else { self.command.working_dir };
        [home, b"/", path].concat()
    }

    fn variable(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut variables = self.command.env.iter();
        variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
    }

    /// Queues a program that was found under a name.
    fn found(&mut self, path: TreePath, inode: Arc<Inode>, name: &[u8], inherited: &[Vec<u8>]) {
        if self.resolver.noted_len() > MAX_CHECKS {
            self.beyond.insert(path);
        } else if self.queued.insert((path.clone(), inherited.to_vec())) {
            let at = name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            let (folder, inherited) = (name[..at].to_vec(), inherited.to_vec());
            self.queue.push_back(Found { path, inode, folder, inherited });
        }
    }

    /// Works on the found programs until they lead to no further one.
    fn run(&mut self) -> io::Result<()> {
        while let Some(found) = self.queue.pop_front() {
            let Some(inspected) = self.inspector.inspect(&found.inode)? else {
                self.beyond.insert(found.path);
                continue;
            };
            self.check(&found, inspected.digest);
            match &inspected.program {
                Some(Program::Elf(elf)) => self.elf(&found, elf)?,
                Some(Program::Script(interpreter, rest)) => self.script(interpreter, rest),
                None => {}
            }
        }
        Ok(())
    }

    fn check(&mut self, found: &Found, digest: [u8; 32]) {
        let InodeKind::File { len, .. } = found.inode.kind else { return };
        if !self.resolver.is_checked(&found.path) {
            return;
        }
        if self.bytes + len > MAX_BYTES {
            self.beyond.insert(found.path.clone());
        } else if self.resolver.note_file(&found.path, (found.inode.metadata.mode, len, digest)) {
            self.bytes += len;
        }
    }

    fn script(&mut self, interpreter: &[u8], rest: &[u8]) {
        if let Some((path, inode)) = self.follow(interpreter) {
            self.found(path, inode, interpreter, &[]);
        }
        if interpreter.ends_with(b"/env") {
            let mut words = rest.split(u8::is_ascii_whitespace);
            let program = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
            if let Some(program) = program.filter(|program| !program.is_empty()) {
                self.command(program);
            }
        }
    }

    fn elf(&mut self, found: &Found, elf: &Elf) -> io::Result<()> {
        let mut needed = elf.needed.clone();
        if let Some(loader) = &elf.loader {
            if let Some((path, inode)) = self.follow(loader) {
                self.found(path, inode, loader, &[]);
            }
            needed.extend(self.preloaded(loader)?);
        }
        let machine = machine(elf.machine).filter(|_| !needed.is_empty());
        let Some(machine) = machine else { return Ok(()) };
        let real = [b"/", found.path.parent().unwrap_or_default().as_bytes()].concat();
        let origins = [real.as_slice(), &found.folder];
        let mut own: Vec<Vec<u8>> = Vec::new();
        for folder in elf.folders.iter().flat_map(|folder| expanded(folder, &origins)) {
            if !found.inherited.contains(&folder) && !own.contains(&folder) {
                own.push(folder);
            }
        }
        let named = [found.inherited.clone(), own].concat();
        let given = self.variable(b"LD_LIBRARY_PATH").unwrap_or_default();
        let given = given.split(|byte| matches!(byte, b':' | b';'));
        let given = given.flat_map(|folder| expanded(folder, &origins));
        let folders: Vec<Vec<u8>> = named
            .iter()
            .cloned()
            .chain(given)
            .chain(self.configured()?)
            .chain(usual(machine))
            .collect();
        for name in needed {
            if self.resolver.noted_len() > MAX_CHECKS {
                self.beyond.insert(found.path.clone());
                break;
            }
            self.library(&name, &folders, &named, machine);
        }
        Ok(())
    }

    /// Looks for a library in all folders. A library that is in none comes
    /// from outside the image, and a start does not check it.
    fn library(&mut self, name: &[u8], folders: &[Vec<u8>], named: &[Vec<u8>], machine: &Target) {
        self.resolver.mark();
        let mut places: Vec<Vec<u8>> = Vec::new();
        if name.contains(&b'/') {
            places.push(name.to_vec());
        } else {
            for folder in folders {
                for inner in machine.libraries.inner_folders {
                    let inner = [folder, &b"/"[..], inner.as_bytes()].concat();
                    // A missing folder needs one check, instead of one for each library.
                    let inner = self.absolute(&inner);
                    if self.resolver.leads_to_folder(&inner) {
                        places.push([&inner, &b"/"[..], name].concat());
                    }
                }
                places.push([folder, &b"/"[..], name].concat());
            }
        }
        let mut is_there = false;
        for place in places {
            if let Some((path, inode)) = self.follow(&place) {
                is_there = true;
                self.found(path, inode, &place, named);
            }
        }
        if !is_there {
            self.resolver.forget();
        }
    }

    /// Returns the names of the libraries that a loader loads first.
    fn preloaded(&mut self, loader: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let separates = |byte: &u8| byte.is_ascii_whitespace() || *byte == b':';
        let mut text = Vec::new();
        for name in [&b"LD_PRELOAD"[..], b"LD_AUDIT"] {
            text.extend(self.variable(name).unwrap_or_default());
            text.push(b' ');
        }
        let of_musl = musl_list(loader);
        let lists: &[&[u8]] = match &of_musl {
            Some(list) => &[list],
            None => &[PRELOAD, CACHE],
        };
        for list in lists {
            let Some((path, inode)) = self.follow(list) else { continue };
            if *list == PRELOAD {
                text.extend(self.inspector.text(&inode)?);
            }
            self.found(path, inode, list, &[]);
        }
        let names = text.split(separates).filter(|name| !name.is_empty());
        Ok(names.map(<[u8]>::to_vec).take(MAX_WORDS).collect())
    }

    /// Returns the folders that the image's configuration names.
    fn configured(&mut self) -> io::Result<Vec<Vec<u8>>> {
        if self.configured.is_none() {
            let (resolver, inspector) = (&self.resolver, &self.inspector);
            self.configured = Some(configured(resolver, |inode| inspector.text(inode))?);
        }
        Ok(self.configured.clone().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
