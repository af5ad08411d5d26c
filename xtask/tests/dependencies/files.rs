//! Which file of a crate imports from which.
//!
//! A file imports from the file that defines the name it uses, however many modules hand that name on.
//! So `mod child;` and `pub use child::Name;` are no imports. They become one where the code of the same
//! file uses the name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::modules::{Crate, Import};

/// For each file: the files that it imports from, and the names that it takes from each.
pub(crate) type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// Returns the imports between the files of the crate whose root is `root`. Paths start at `from`.
///
/// # Panics
/// A path within the crate leads nowhere: this check has not understood the crate.
pub(crate) fn imports(root: &Path, from: &Path) -> Imports {
    let found = Crate::read(root);
    let mut imports = Imports::new();
    for number in 0..found.modules.len() {
        let file = &found.modules[number].file;
        for (path, defined_in) in used(&found, number) {
            let other = &found.modules[defined_in].file;
            if file != other {
                let short = |path: &Path| path.strip_prefix(from).unwrap_or(path).to_owned();
                let names =
                    imports.entry(short(file)).or_default().entry(short(other)).or_default();
                names.extend(path.last().cloned());
            }
        }
    }
    imports
}

/// Returns the paths that the code of a module uses, each with the module that defines its name.
fn used(found: &Crate, number: usize) -> Vec<(Vec<String>, usize)> {
    let module = &found.modules[number];
    let mut used = Vec::new();
    for Import { path, name, is_shared } in &module.imports {
        let target = resolve(found, number, path);
        let is_ours = matches!(path[0].as_str(), "crate" | "self" | "super");
        assert!(
            target.is_some() || !is_ours || is_of_another_crate(found, path),
            "{}: {} is unknown",
            module.file.display(),
            path.join("::")
        );
        if let (Some(Target::Name(defined_in)), Some(_), false) = (target, name, is_shared) {
            used.push((path.clone(), defined_in));
        }
    }
    for path in &module.paths {
        if let Some(Target::Name(defined_in)) = resolve(found, number, path) {
            used.push((path.clone(), defined_in));
        }
    }
    used
}

/// Tells whether the root of the crate takes the last name of `path` from another crate, and hands it on.
fn is_of_another_crate(found: &Crate, path: &[String]) -> bool {
    let imports = &found.modules[0].imports;
    imports.iter().any(|import| import.is_shared && import.name.as_ref() == path.last())
}

/// The target of a path.
#[derive(Clone, Copy)]
enum Target {
    /// A module.
    Module(usize),
    /// A name that this module defines.
    Name(usize),
}

/// Follows `path`, which stands in the module `number`. Returns nothing if it leads out of the crate.
fn resolve(found: &Crate, number: usize, path: &[String]) -> Option<Target> {
    follow(found, number, path, &mut BTreeSet::new())
}

type Seen = BTreeSet<(usize, String, bool)>;

fn follow(found: &Crate, number: usize, path: &[String], seen: &mut Seen) -> Option<Target> {
    let mut at = number;
    for (place, name) in path.iter().enumerate() {
        let is_last = place + 1 == path.len();
        at = match name.as_str() {
            "crate" => 0,
            "self" => at,
            "super" => found.modules[at].parent?,
            _ => match member(found, at, name, is_last, seen)? {
                Target::Module(module) => module,
                // More names are its members.
                defined @ Target::Name(_) => return Some(defined),
            },
        };
    }
    Some(Target::Module(at))
}

/// Looks `name` up in the module `number`. One name may stand for a module and for something else: the
/// last name of a path is the other thing.
fn member(
    found: &Crate,
    number: usize,
    name: &str,
    is_last: bool,
    seen: &mut Seen,
) -> Option<Target> {
    if !seen.insert((number, name.to_owned(), is_last)) {
        return None;
    }
    let module = &found.modules[number];
    let child = module.children.get(name).map(|&child| Target::Module(child));
    let own = module.defined.contains(name).then_some(Target::Name(number));
    let mut imported = || {
        let named = module.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let targets: Vec<Target> =
            named.filter_map(|import| follow(found, number, &import.path, seen)).collect();
        targets
            .iter()
            .copied()
            .find(|target| matches!(target, Target::Name(_)) == is_last)
            .or_else(|| targets.first().copied())
    };
    let known = if is_last {
        own.or_else(&mut imported).or(child)
    } else {
        child.or_else(&mut imported).or(own)
    };
    known.or_else(|| {
        let all = module.imports.iter().filter(|import| import.name.is_none());
        all.filter_map(|import| follow(found, number, &import.path, seen))
            .collect::<Vec<_>>()
            .into_iter()
            .find_map(|target| match target {
                Target::Module(module) => member(found, module, name, is_last, seen),
                // The variants of an enum.
                Target::Name(_) => None,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the imports of a crate of these files, each as `from -> to`.
    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let imports = imports(&folder.path().join("lib.rs"), folder.path());
        let arrow =
            |from: &PathBuf, to: &PathBuf| format!("{} -> {}", from.display(), to.display());
        imports.iter().flat_map(|(from, to)| to.keys().map(move |to| arrow(from, to))).collect()
    }

    #[test]
    fn declarations_and_names_handed_on_are_no_imports() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub(crate) use b::B;"),
            ("a.rs", "pub struct A;"),
            ("b.rs", "use crate::A; pub struct B(A);"),
        ];
        assert_eq!(arrows(&files), ["b.rs -> a.rs"]);
    }

    #[test]
    fn names_that_the_handing_file_uses_itself_are_imports() {
        let files = [
            ("lib.rs", "mod a; pub use a::{A, B}; pub fn make() -> A { A }"),
            ("a.rs", "pub struct A; pub struct B; fn f() { crate::make(); }"),
        ];
        assert_eq!(arrows(&files), ["a.rs -> lib.rs", "lib.rs -> a.rs"]);
    }

    #[test]
    fn child_imports_from_whoever_defines_the_name() {
        let files = [
            ("lib.rs", "mod m;"),
            ("m/mod.rs", "mod a; mod b; mod c; use b::B; struct Own; fn f(_: B) {}"),
            ("m/a.rs", "use super::{B, Own};"),
            ("m/b.rs", "pub struct B;"),
            ("m/c.rs", "fn f() { super::b::B; }"),
        ];
        let expected =
            ["m/a.rs -> m/b.rs", "m/a.rs -> m/mod.rs", "m/c.rs -> m/b.rs", "m/mod.rs -> m/b.rs"];
        assert_eq!(arrows(&files), expected);
    }

    #[test]
    fn paths_in_code_are_imports_and_tests_are_not() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d; pub use d as e;"),
            ("a.rs", "use crate::{b, e::D as Other}; fn f() { b::make(); }"),
            ("b.rs", "pub fn make() {} #[cfg(test)] mod tests { use crate::c::C; }"),
            (
                "c.rs",
                "pub struct C; #[cfg(test)] use crate::a::f; // crate::a::f\n fn g() -> u8 { 1 }",
            ),
            (
                "d.rs",
                "pub struct D; #[cfg(not(test))] use crate::c::C; const TEXT: &str = \"crate::a::f\";",
            ),
        ];
        assert_eq!(arrows(&files), ["a.rs -> b.rs", "a.rs -> d.rs", "d.rs -> c.rs"]);
    }

    #[test]
    fn module_and_function_of_one_name_are_told_apart() {
        let files = [
            ("lib.rs", "mod size; mod a; mod b; pub use size::size;"),
            ("size.rs", "pub fn size() {} pub struct Size;"),
            ("a.rs", "use crate::size; fn f() { size(); }"),
            ("b.rs", "fn f(_: crate::size::Size) {}"),
        ];
        assert_eq!(arrows(&files), ["a.rs -> size.rs", "b.rs -> size.rs"]);
    }

    #[test]
    fn all_names_at_once_are_imported_where_they_are_used() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::*; fn f() -> B { x.other() }"),
            ("b.rs", "pub use crate::c::*; pub struct B; pub fn other() {}"),
            ("c.rs", "use crate::a; use crate::b::*; pub struct C;"),
        ];
        assert_eq!(arrows(&files), ["a.rs -> b.rs"]);
    }

    #[test]
    fn modules_within_a_file_belong_to_it() {
        let files = [
            ("lib.rs", "mod a; mod inner { pub struct I; use super::a::A; }"),
            ("a.rs", "use crate::inner::I; pub struct A;"),
        ];
        assert_eq!(arrows(&files), ["a.rs -> lib.rs", "lib.rs -> a.rs"]);
    }

    #[test]
    fn names_of_other_crates_may_be_handed_on_by_the_root() {
        let files = [
            ("lib.rs", "mod a; pub use elsewhere::Name;"),
            ("a.rs", "use crate::Name; fn f(_: Name) {}"),
        ];
        assert!(arrows(&files).is_empty());
    }

    #[test]
    fn what_looks_like_an_import_is_none_and_foreign_functions_are_defined() {
        let files = [
            ("lib.rs", "mod a; mod b; macro_rules! c { () => {} }"),
            (
                "a.rs",
                "unsafe extern \"C\" { pub fn f(); } fn g<'a>() -> impl Iterator + use<'a> { 1 }",
            ),
            ("b.rs", "use crate::a::f; fn h(p: *const A) { 'l: loop { break 'l; } }"),
        ];
        assert_eq!(arrows(&files), ["b.rs -> a.rs"]);
    }

    #[test]
    #[should_panic(expected = "crate::gone is unknown")]
    fn path_that_leads_nowhere_is_not_passed_over() {
        arrows(&[("lib.rs", "use crate::gone;")]);
    }
}
