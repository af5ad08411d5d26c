//! Podman's `registries.conf`: the choice of the file, the folders beside it, and the tables in them.
//!
//! containers-registries.conf(5), in its second version.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealcrate_image::Repository;
use serde::Deserialize;

use super::file::{InsecureError, is_absence, read};

/// How many files of a folder are read.
const MAX_FILES: usize = 256;

/// How many brackets may be open at once. The parser calls itself for each.
const MAX_OPEN: usize = 64;

/// How many dots one key may have. The parser calls itself for each.
const MAX_DOTS: usize = 512;

/// The file that counts, and the folders whose files are read after it.
#[derive(Clone, Debug)]
pub(super) struct RegistriesConf {
    /// The first file that exists counts.
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// The user's own file, beside which the system's folder does not count.
    own: Option<PathBuf>,
    system_folder: PathBuf,
}

impl RegistriesConf {
    /// Finds the file: the `named` one, else the one in `home`, else the one in the `system` folder.
    pub(super) fn of(named: Option<PathBuf>, home: Option<&Path>, system: &Path) -> Self {
        let own = home.map(|home| home.join(".config/containers"));
        let system = system.join("containers");
        let file = |folder: &PathBuf| folder.join("registries.conf");
        let folder = |folder: &PathBuf| folder.join("registries.conf.d");
        let files = match &named {
            Some(named) => vec![named.clone()],
            None => own.iter().chain([&system]).map(file).collect(),
        };
        Self {
            files,
            folders: own.iter().map(folder).collect(),
            own: own.as_ref().map(file).filter(|_| named.is_none()),
            system_folder: folder(&system),
        }
    }

    /// Tells whether the files name `repository` as one in an insecure registry.
    ///
    /// # Errors
    /// A file that is malformed or too long, or a folder that cannot be read.
    pub(super) fn names(&self, repository: &Repository) -> Result<bool, InsecureError> {
        let mut entries = BTreeMap::new();
        let mut take = |file: &Path| -> Result<bool, InsecureError> {
            let Some(bytes) = read(file)? else { return Ok(false) };
            for entry in parse(&bytes).map_err(|line| InsecureError::malformed(file, line))? {
                let prefix = entry.prefix.as_ref().filter(|prefix| !prefix.is_empty());
                if let Some(prefix) = prefix.or(entry.location.as_ref()).cloned() {
                    entries.insert(prefix, entry);
                }
            }
            Ok(true)
        };
        let mut folders = self.folders.clone();
        if !self.own.as_ref().is_some_and(|own| own.exists()) {
            folders.insert(0, self.system_folder.clone());
        }
        for file in &self.files {
            if take(file)? {
                break;
            }
        }
        for folder in &folders {
            for file in list(folder)? {
                take(&file)?;
            }
        }
        // The entry for the longest part of the name counts.
        let name = repository.to_string();
        let fitting = entries.iter().filter(|(prefix, _)| fits(prefix, &name));
        let entry = fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, entry)| entry);
        Ok(entry.is_some_and(|entry| entry.is_insecure_at(repository)))
    }
}

/// The members of a file that count here.
#[derive(Deserialize)]
struct File {
    registry: Option<Vec<Entry>>,
}

/// A `[[registry]]` table.
#[derive(Deserialize)]
struct Entry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: Option<bool>,
}

impl Entry {
    /// Tells whether this is an insecure registry, and the one that `repository` is named after. Podman
    /// may go to another place for it, and then that place is the insecure one.
    fn is_insecure_at(&self, repository: &Repository) -> bool {
        let location = self.location.as_deref().filter(|location| !location.is_empty());
        let host = location.map(|location| location.split('/').next().unwrap_or_default());
        self.insecure == Some(true)
            && host.is_none_or(|host| host.eq_ignore_ascii_case(repository.registry()))
    }
}

/// Tells whether `prefix` is the host of `name`, or that and some components of its path.
fn fits(prefix: &str, name: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reads the tables of a file.
///
/// # Errors
/// The number of the line that is wrong.
fn parse(bytes: &[u8]) -> Result<Vec<Entry>, usize> {
    if let Some(line) = too_deep(bytes) {
        return Err(line);
    }
    let file = basic_toml::from_slice::<File>(bytes)
        .map_err(|error| error.line_col().map_or(1, |(line, _)| line + 1))?;
    Ok(file.registry.unwrap_or_default())
}

/// Returns the line that is nested deeper than it may be: by brackets, or by the dots in keys. It
/// counts both in texts, too, but not in lines of comment.
fn too_deep(bytes: &[u8]) -> Option<usize> {
    let (mut open, mut dots) = (0_usize, 0_usize);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        for byte in line {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                b'.' => dots += 1,
                _ => {}
            }
            if open > MAX_OPEN || dots > MAX_DOTS {
                return Some(index + 1);
            }
        }
        if open == 0 {
            dots = 0;
        }
    }
    None
}

/// Lists the files of a folder whose names end in `.conf`, by name; none if it does not exist.
fn list(folder: &Path) -> Result<Vec<PathBuf>, InsecureError> {
    let failed = |source| InsecureError::Read { file: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let entries = entries.take(MAX_FILES).map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;

    fn names(machine: &tempfile::TempDir, named: Option<&str>, repository: &str) -> bool {
        let named = named.map(|name| machine.path().join(name));
        let home = machine.path().join("home");
        let conf = RegistriesConf::of(named, Some(&home), &machine.path().join("etc"));
        conf.names(&repository.parse().unwrap()).unwrap()
    }

    const SYSTEM: &str = "etc/containers/registries.conf";
    const OWN: &str = "home/.config/containers/registries.conf";

    fn entry(location: &str, insecure: bool) -> String {
        format!("[[registry]]\nlocation = \"{location}\"\ninsecure = {insecure}\n")
    }

    #[test]
    fn registry_is_insecure_by_its_location_or_prefix() {
        let text = r#"
            unqualified-search-registries = ["docker.io"] # a comment [
            short-name-mode = 'enforcing'
            [aliases]
            "a" = "r.io/a"
            [[registry]]
            location = "127.0.0.1:5000"
            insecure = true
            [[registry.mirror]]
            location = "mirror.local"
            insecure = true
            [[registry]]
            prefix = "localhost:1/team"
            location = "localhost:1/other"
            insecure = true
            [[registry]]
            prefix = "localhost:2"
            location = "localhost:3"
            insecure = true
            [[registry]]
            prefix = "localhost:4"
            insecure = true
            [[registry]]
            location = "localhost:5"
        "#;
        let machine = machine(&[(SYSTEM, text)]);
        for name in
            ["127.0.0.1:5000/a/b", "localhost:1/team/a", "localhost:1/team", "localhost:4/a"]
        {
            assert!(names(&machine, None, name), "{name}");
        }
        for name in [
            "127.0.0.1:50000/a",
            "127.0.0.1/a",
            "mirror.local/a",
            "localhost:1/teams",
            "localhost:1/other",
            "localhost:2/a",
            "localhost:3/a",
            "localhost:5/a",
        ] {
            assert!(!names(&machine, None, name), "{name}");
        }
    }

    #[test]
    fn longest_prefix_decides() {
        let text = entry("localhost:1", true) + &entry("localhost:1/team", false);
        let machine = machine(&[(SYSTEM, &text)]);
        assert!(names(&machine, None, "localhost:1/a"));
        assert!(!names(&machine, None, "localhost:1/team/a"));
    }

    #[test]
    fn own_file_counts_instead_of_the_systems() {
        let (yes, no) = (entry("localhost:1", true), entry("localhost:1", false));
        let name = "localhost:1/a";
        assert!(!names(&machine(&[(SYSTEM, &yes), (OWN, &no)]), None, name));
        assert!(!names(&machine(&[(SYSTEM, &yes), (OWN, "")]), None, name));
        assert!(names(&machine(&[(SYSTEM, &no), (OWN, &yes)]), None, name));
        let machine = machine(&[(SYSTEM, &no), (OWN, &no), ("named", &yes)]);
        assert!(names(&machine, Some("named"), name));
        assert!(!names(&machine, Some("absent"), name));
    }

    #[test]
    fn files_in_folders_are_read_after_it_by_name() {
        let (yes, no) = (entry("localhost:1", true), entry("localhost:1", false));
        let of = |text: &str| format!("{text}.d/");
        let (system, own) = (of(SYSTEM), of(OWN));
        let name = "localhost:1/a";
        let is_named = |files: &[(String, &String)]| {
            let files: Vec<_> =
                files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            names(&machine(&files), None, name)
        };
        assert!(is_named(&[(SYSTEM.into(), &no), (system.clone() + "1.conf", &yes)]));
        assert!(!is_named(&[(system.clone() + "1.conf", &yes), (system.clone() + "2.conf", &no)]));
        assert!(is_named(&[(system.clone() + "2.conf", &no), (own.clone() + "1.conf", &yes)]));
        assert!(!is_named(&[(system.clone() + "1.other", &yes)]));
        assert!(!is_named(&[(OWN.into(), &String::new()), (system + "1.conf", &yes)]));
        assert!(is_named(&[(OWN.into(), &String::new()), (own + "1.conf", &yes)]));
    }

    #[test]
    fn what_is_no_such_file_is_told_with_its_line() {
        for (text, line) in [
            ("\n[[registry]\n", 2),
            ("[[registry]]\nlocation = 1", 2),
            ("[[registry]]\n\ninsecure = \"true\"", 3),
            ("registry = 1", 1),
        ] {
            let found = parse(text.as_bytes()).err().unwrap();
            assert!(found.abs_diff(line) <= 1, "{text:?}: {found}");
        }
        assert!(parse(b"\xff").is_err());
    }

    #[test]
    fn deep_nesting_ends_before_the_stack_does() {
        let deep = format!("\na = {}", "[".repeat(1 << 19));
        assert_eq!(parse(deep.as_bytes()).err(), Some(2));
        let deep = format!("a = {}", "{b = ".repeat(1 << 17));
        assert_eq!(parse(deep.as_bytes()).err(), Some(1));
        let dots = "a.".repeat(1 << 19);
        for text in
            [format!("{dots}b = 1"), format!("[{dots}b]"), format!("a = [\n{{{dots}b = 1}}]")]
        {
            assert!(parse(text.as_bytes()).is_err_and(|line| line <= 2));
        }
        let fits = format!("{}b = 1\n# [[[ {dots}\n", "a.".repeat(MAX_DOTS));
        assert!(parse(fits.as_bytes()).is_ok());
    }
}
