//! The mirror that this machine's own packages come from, as apt's files name it (sources.list(5)).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Suites of Debian that a machine may name by its place among the releases.
const PLACES: [&str; 5] = ["oldstable", "sid", "stable", "testing", "unstable"];

/// Returns the address of the mirror.
///
/// # Errors
/// No file of apt names one.
pub(super) fn of_this_machine() -> anyhow::Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    named_in(Path::new("/etc/apt"), codename(&release))
        .context("no file in /etc/apt names a mirror of Debian")
}

/// Reads the name of the release out of `/etc/os-release`.
fn codename(release: &str) -> Option<&str> {
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(line.trim_matches('"'))
}

/// Finds the first mirror in the files of apt's folder.
fn named_in(apt: &Path, codename: Option<&str>) -> Option<String> {
    let entries = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    parts.sort();
    let is_debian = |suite: &str| Some(suite) == codename || PLACES.contains(&suite);
    [apt.join("sources.list")].into_iter().chain(parts).find_map(|file| {
        let text = fs::read_to_string(&file).ok()?;
        match file.extension()?.to_str()? {
            "list" => in_lines(&text, is_debian),
            "sources" => in_stanzas(&text, is_debian),
            _ => None,
        }
    })
}

/// Reads the format of one line an entry: `deb [OPTIONS] URI SUITE COMPONENT...`.
fn in_lines(text: &str, is_debian: impl Fn(&str) -> bool) -> Option<String> {
    text.lines().find_map(|line| {
        let entry = line.split('#').next()?.trim().strip_prefix("deb")?;
        let entry = entry.strip_prefix([' ', '\t'])?.trim_start();
        let entry = match entry.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => entry,
        };
        let mut words = entry.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let has_main = words.any(|component| component == "main");
        (has_main && is_debian(suite) && is_mirror(uri)).then(|| uri.to_owned())
    })
}

/// Reads the format of stanzas (deb822), whose fields go on in lines that begin with white space.
fn in_stanzas(text: &str, is_debian: impl Fn(&str) -> bool) -> Option<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).find_map(|stanza| {
        let words = |field| words_of(stanza, field);
        let serves = words("Types").contains(&"deb")
            && !words("Enabled").contains(&"no")
            && words("Components").contains(&"main")
            && words("Suites").into_iter().any(&is_debian);
        let uri = words("URIs").into_iter().find(|uri| is_mirror(uri))?;
        serves.then(|| uri.to_owned())
    })
}

/// Returns the words of a stanza's field, whose name may be written in any case.
fn words_of<'a>(stanza: &[&'a str], field: &str) -> Vec<&'a str> {
    let begins = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case(field))
    };
    let Some(first) = stanza.iter().position(begins) else {
        return Vec::new();
    };
    let further = stanza[first + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
    let value = stanza[first].split_once(':').map_or("", |(_, value)| value);
    [value].into_iter().chain(further.copied()).flat_map(str::split_whitespace).collect()
}

/// Whether an address is one of a server or a folder, and no disc that somebody has to put in.
fn is_mirror(uri: &str) -> bool {
    ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the files of a folder of apt, and looks for bookworm's mirror.
    fn found(files: &[(&str, &str)]) -> Option<String> {
        let apt = tempfile::tempdir().unwrap();
        fs::create_dir(apt.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(apt.path().join(name), text).unwrap();
        }
        named_in(apt.path(), codename("ID=debian\nVERSION_CODENAME=\"bookworm\"\n"))
    }

    #[test]
    fn mirror_is_read_in_lines() {
        let list = "# deb http://old.test/debian bookworm main
deb-src http://source.test/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb http://other.test/apt tools-bookworm main
deb [arch=amd64 signed-by=/a b.gpg] http://mirror.test/debian  bookworm contrib main # ours
deb http://second.test/debian bookworm main
";
        assert_eq!(found(&[("sources.list", list)]).unwrap(), "http://mirror.test/debian");
        let part = [("sources.list", ""), ("sources.list.d/a.list", list)];
        assert_eq!(found(&part).unwrap(), "http://mirror.test/debian");
    }

    #[test]
    fn mirror_is_read_in_stanzas() {
        let sources = "Types: deb
URIs: http://other.test/node
Suites: nodistro
Components: main

# The stanza that counts follows one that is switched off.
Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main

types: deb deb-src
URIs: cdrom:[Debian]/
# in between
 https://mirror.test/debian
Suites: bookworm-updates
\tbookworm
Components: contrib main
";
        let files = [("sources.list.d/debian.sources", sources)];
        assert_eq!(found(&files).unwrap(), "https://mirror.test/debian");
    }

    #[test]
    fn place_among_the_releases_is_a_suite_too() {
        let list = "deb file:/srv/debian testing main\n";
        assert_eq!(found(&[("sources.list", list)]).unwrap(), "file:/srv/debian");
    }

    #[test]
    fn nothing_else_is_a_mirror() {
        for list in ["", "deb", "deb [a", "deb http://mirror.test/debian bookworm contrib\n"] {
            assert_eq!(found(&[("sources.list", list)]), None, "{list}");
        }
        let line = "deb http://mirror.test/debian bookworm main\n";
        assert_eq!(found(&[("sources.list.d/a.list.save", line)]), None);
        assert_eq!(found(&[("sources.list.d/a.sources", line)]), None);
    }
}
