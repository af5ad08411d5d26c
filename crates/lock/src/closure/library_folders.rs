//! Folders of libraries, which loaders know or an image's configuration names.

use std::io;

use sealcrate_targets::{TARGETS, Target};

use crate::closure::resolver::Resolver;
use crate::{Inode, Node, TreePath};

/// The file that names the folders of glibc. ldconfig(8).
const CONFIGURATION: &str = "etc/ld.so.conf";
/// How often one file of the configuration may include others.
const MAX_DEPTH: usize = 4;

/// The most folders that are taken from the configuration.
const MAX_FOLDERS: usize = 256;

/// Tells the machine of an ELF file by its number.
pub(crate) fn machine(number: u16) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.machine == number)
}

/// Returns the folders that loaders look into by themselves: of Debian, of Red Hat, and of musl.
pub(crate) fn usual(machine: &Target) -> impl Iterator<Item = Vec<u8>> {
    let all = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"];
    let all = all.into_iter().map(|folder| folder.as_bytes().to_vec());
    let triplet = machine.libraries.triplet;
    let of_machine = ["/lib", "/usr/lib"].into_iter();
    all.chain(of_machine.map(move |folder| format!("{folder}/{triplet}").into_bytes()))
}

/// Returns the list of folders that a loader reads, if it is musl's.
pub(crate) fn musl_list(loader: &[u8]) -> Option<Vec<u8>> {
    let name = loader.rsplit(|byte| *byte == b'/').next()?;
    let machine = name.strip_prefix(b"ld-musl-")?.strip_suffix(b".so.1")?;
    let known = TARGETS.iter().find(|target| target.libraries.musl.as_bytes() == machine)?;
    Some(of_musl(known))
}

fn of_musl(machine: &Target) -> Vec<u8> {
    format!("/etc/ld-musl-{}.path", machine.libraries.musl).into_bytes()
}

/// Returns the folders that a folder's name in a program may stand for. ld.so(8), "Dynamic string tokens".
pub(crate) fn expanded(folder: &[u8], origins: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut folders = vec![folder.to_vec()];
    let tokens: [(&str, &[&[u8]]); 2] = [("ORIGIN", origins), ("LIB", &[b"lib", b"lib64"])];
    for (token, values) in tokens {
        for written in [format!("${token}"), format!("${{{token}}}")] {
            let replace = |folder: Vec<u8>| {
                let at = folder.windows(written.len()).position(|part| part == written.as_bytes());
                let Some(at) = at else { return vec![folder] };
                let (before, after) = (&folder[..at], &folder[at + written.len()..]);
                values.iter().map(|value| [before, value, after].concat()).collect()
            };
            folders = folders.into_iter().flat_map(replace).collect();
        }
    }
    folders.retain(|folder| !folder.is_empty() && !folder.contains(&b'$'));
    folders.dedup();
    folders
}

/// Reads the folders that the configuration of an image names.
pub(crate) fn configured(
    resolver: &Resolver<'_>,
    mut text: impl FnMut(&Inode) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut folders = Vec::new();
    for list in TARGETS.iter().map(of_musl) {
        let path = TreePath::parse(&list).unwrap_or_default();
        if let Some(inode) = resolver.file(&path) {
            let text = text(inode)?;
            let listed = text.split(|byte| matches!(byte, b'\n' | b':'));
            folders.extend(listed.filter(|line| line.starts_with(b"/")).map(<[u8]>::to_vec));
        }
    }
    let mut files = vec![(TreePath::parse(CONFIGURATION.as_bytes()).unwrap_or_default(), 0)];
    while let Some((path, depth)) = files.pop() {
        let Some(inode) = resolver.file(&path) else { continue };
        for line in text(inode)?.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.starts_with(b"/") {
                folders.push(line.to_vec());
            } else if let Some(pattern) = line.strip_prefix(b"include ")
                && depth < MAX_DEPTH
            {
                files
                    .extend(matching(resolver, pattern.trim_ascii()).map(|path| (path, depth + 1)));
            }
        }
        if folders.len() > MAX_FOLDERS {
            break;
        }
    }
    folders.truncate(MAX_FOLDERS);
    Ok(folders)
}

/// Returns the files that match a pattern. Its last name may have one `*`.
fn matching(resolver: &Resolver<'_>, pattern: &[u8]) -> impl Iterator<Item = TreePath> + use<> {
    let at = pattern.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (folder, name) = (&pattern[..at], pattern.get(at + 1..).unwrap_or_default());
    // A relative pattern starts in /etc.
    let folder =
        if pattern.starts_with(b"/") { folder.to_vec() } else { [b"/etc/", folder].concat() };
    let folder = TreePath::parse(&folder).unwrap_or_default();
    let star = name.iter().position(|byte| *byte == b'*');
    let fits = |child: &[u8]| match star {
        Some(star) => {
            child.len() + 1 >= name.len()
                && child.starts_with(&name[..star])
                && child.ends_with(&name[star + 1..])
        }
        None => child == name,
    };
    let children = resolver.folder(&folder).into_iter().flatten();
    let found: Vec<_> = children
        .filter(|(child, node)| fits(child) && matches!(node, Node::Leaf { .. }))
        .map(|(child, _)| folder.join(child))
        .collect();
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_names_of_folders_stand_for_what_loaders_put_there() {
        let of = |folder: &str| {
            let folders = expanded(folder.as_bytes(), &[b"/opt/a", b"/bin"]);
            folders.into_iter().map(|folder| String::from_utf8(folder).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of("$ORIGIN/../lib"), ["/opt/a/../lib", "/bin/../lib"]);
        assert_eq!(of("${ORIGIN}"), ["/opt/a", "/bin"]);
        assert_eq!(of("/usr/$LIB/x"), ["/usr/lib/x", "/usr/lib64/x"]);
        assert_eq!(of("/a/$PLATFORM"), [""; 0]);
        assert_eq!(of("/plain"), ["/plain"]);
    }

    #[test]
    fn lists_of_musl_are_those_of_the_loader() {
        let list = musl_list(b"/lib/ld-musl-x86_64.so.1");
        assert_eq!(list, Some(b"/etc/ld-musl-x86_64.path".to_vec()));
        assert_eq!(musl_list(b"/lib/ld-musl-mips.so.1"), None);
        assert_eq!(musl_list(b"/lib64/ld-linux-x86-64.so.2"), None);
    }
}
