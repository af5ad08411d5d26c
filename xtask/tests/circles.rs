//! Which files import each other: within the folders that are listed here, no circle of files, and
//! no folder with more files than a reader takes in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sources that are held: the folder of a crate's sources, and the module in it below which
/// files are in no circle.
const HELD: [(&str, &str); 2] =
    [("../crates/openpgp/src", ""), ("../crates/crypt/src", "ocicrypt")];

/// The most files of a folder.
const MAX_FILES: usize = 14;

/// A module's path from the crate's root, which is empty.
type Module = Vec<String>;

/// The files of a crate.
struct Sources(BTreeMap<Module, File>);

/// What a file says of others.
struct File {
    imports: Vec<Import>,
    /// The code without its imports.
    code: String,
}

/// One name that a file imports.
struct Import {
    path: Vec<String>,
    /// The name that it has afterwards.
    name: String,
    /// Whether the file passes it on with `pub use`: then it is the name's place, and no user of it.
    is_passed_on: bool,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut found = BTreeMap::new();
        for file in files(root) {
            let place = file.strip_prefix(root).expect("it lies there").with_extension("");
            let mut module: Module =
                place.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || module == ["lib"]) {
                module.pop();
            }
            let text = fs::read_to_string(file).expect("a source is text");
            found.insert(module, File::parse(&text));
        }
        Self(found)
    }

    /// Returns a path that begins in `module` as one that begins at the root. Paths to other crates
    /// are none.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => {
                let up = module.len().checked_sub(supers)?;
                Some([&module[..up], &path[supers..]].concat())
            }
            _ => {
                let child = [module, &path[..1]].concat();
                self.0.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// Finds the file that defines the last name of a path, through every name that leads on.
    fn file_of(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // A name that leads to itself is no Rust, so a few steps are enough.
        for _ in 0..8 {
            let len = (0..=path.len()).rev().find(|&len| self.0.contains_key(&path[..len]));
            let (file, rest) = path.split_at(len.unwrap_or_default());
            match rest.first().and_then(|name| self.imported(file, name)) {
                Some(next) => path = [&next[..], &rest[1..]].concat(),
                None => return file.to_vec(),
            }
        }
        path
    }

    /// Returns the path of a name that a file imports.
    fn imported(&self, file: &[String], name: &str) -> Option<Module> {
        let import = self.0.get(file)?.imports.iter().find(|import| import.name == name)?;
        self.absolute(file, &import.path)
    }

    /// Returns the files that `module` names, in imports or in its code.
    fn named_by(&self, module: &Module) -> BTreeSet<Module> {
        let File { imports, code } = &self.0[module];
        let used = imports.iter().filter(|import| !import.is_passed_on);
        let mut named: Vec<Module> =
            used.filter_map(|import| self.absolute(module, &import.path)).collect();
        for path in paths_of(code) {
            let known =
                self.imported(module, &path[0]).map(|first| [&first[..], &path[1..]].concat());
            named.extend(self.absolute(module, &path).or(known));
        }
        let files = named.iter().map(|path| self.file_of(path));
        files.filter(|file| file != module).collect()
    }

    /// Returns the files below `top` that reach themselves.
    fn in_circles(&self, top: &[String]) -> Vec<String> {
        let named: BTreeMap<_, _> =
            self.0.keys().map(|module| (module, self.named_by(module))).collect();
        let reaches_itself = |module: &&Module| {
            let mut seen = BTreeSet::new();
            let mut next: Vec<&Module> = named[*module].iter().collect();
            while let Some(file) = next.pop() {
                if seen.insert(file) {
                    next.extend(&named[file]);
                }
            }
            seen.contains(*module)
        };
        let held = self.0.keys().filter(|module| module.starts_with(top));
        held.filter(reaches_itself).map(|module| module.join("::")).collect()
    }
}

/// Returns the path that is written `path`.
fn module(path: &str) -> Module {
    path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Returns the source files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

impl File {
    /// Reads a file without its tests and comments.
    fn parse(text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let mut file = Self { imports: Vec::new(), code: String::new() };
        let mut lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
        while let Some(line) = lines.next() {
            let Some((before, tree)) = import_in(line) else {
                file.code.push_str(line);
                file.code.push('\n');
                continue;
            };
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().expect("an import has an end"));
            }
            let mut names = Vec::new();
            spread(&[], tree.split(';').next().unwrap_or_default(), &mut names);
            let is_passed_on = before.starts_with("pub");
            let imports = names.into_iter().map(|(path, name)| Import { path, name, is_passed_on });
            file.imports.extend(imports);
        }
        file
    }
}

/// Returns the beginning of an import in a line, before and behind `use`.
fn import_in(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (before, tree) = match line.strip_prefix("use ") {
        Some(tree) => ("", tree),
        None => line.strip_prefix("pub").and_then(|_| line.split_once(" use "))?,
    };
    Some((before, tree))
}

/// Spreads a tree of imports into its paths.
fn spread(before: &[String], tree: &str, found: &mut Vec<(Vec<String>, String)>) {
    let (head, inner) = match tree.split_once('{') {
        Some((head, rest)) => (head, rest.rsplit_once('}').map(|(inner, _)| inner)),
        None => (tree, None),
    };
    let (head, alias) = head.split_once(" as ").unwrap_or((head, ""));
    let parts = head.split("::").map(str::trim).filter(|part| !part.is_empty());
    let mut path: Vec<String> = before.iter().cloned().chain(parts.map(str::to_owned)).collect();
    let Some(inner) = inner else {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            let name = if alias.is_empty() { last.clone() } else { alias.trim().to_owned() };
            found.push((path, name));
        }
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&path, &inner[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Returns the paths in a text that have several parts.
fn paths_of(text: &str) -> Vec<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_word(c)).filter(|word| word.contains("::"));
    words
        .map(|word| word.trim_matches(':').split("::").map(str::to_owned).collect::<Vec<_>>())
        .filter(|path| path.len() > 1 && path.iter().all(|part| !part.is_empty()))
        .collect()
}

#[test]
fn files_import_each_other_in_one_direction() {
    for (root, top) in HELD {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let sources = Sources::read(&root);
        assert!(sources.0.len() > 10, "{}", root.display());
        assert_eq!(sources.in_circles(&module(top)), [""; 0], "{}", root.display());
    }
}

#[test]
fn folders_have_no_more_files_than_a_reader_takes_in() {
    for (root, top) in HELD {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(top);
        let mut count: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for file in files(&root) {
            *count.entry(file.parent().expect("it is in a folder").to_owned()).or_default() += 1;
        }
        count.retain(|_, files| *files > MAX_FILES);
        assert_eq!(count, BTreeMap::new());
    }
}

#[test]
fn circles_are_found_through_names_that_lead_on() {
    let sources = |b: &str| {
        let texts = [
            ("", "mod a;\nmod b;\npub use a::A;\n"),
            ("a", "use std::io;\nuse super::b::{self, C as D};\nstruct A;\n"),
            ("b", b),
            ("c", "use crate::a;\n// use crate::c;\n"),
        ];
        let files = texts.map(|(name, text)| (module(name), File::parse(text)));
        Sources(files.into()).in_circles(&[])
    };
    assert_eq!(sources("struct C;\n"), [""; 0]);
    for back in ["use crate::A;\n", "use super::{\n    io, a,\n};\n", "fn f() -> crate::a::A {}\n"]
    {
        assert_eq!(sources(back), ["a", "b"], "{back}");
    }
    assert_eq!(sources("fn f() {}\npub(crate) use super::c as e;\n"), [""; 0]);
    assert_eq!(sources("use super::c as e;\nfn f() { e::d(); }\n"), ["a", "b", "c"]);
    let in_tests = "struct C;\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}\n";
    assert_eq!(sources(in_tests), [""; 0]);
}
