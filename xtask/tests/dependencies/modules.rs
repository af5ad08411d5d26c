//! The modules of a crate. Each has a file, and names that it defines, imports, and uses.
//!
//! Tests are left out, with all that they alone name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens};

/// Words that begin the definition of the name after them.
const DEFINING: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

/// Words that an item begins with.
const ITEMS: [&str; 14] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// One module. Its place in [`Crate::modules`] is its number.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The file that it lies in.
    pub(crate) file: PathBuf,
    /// The module that declares it.
    pub(crate) parent: Option<usize>,
    /// The modules that it declares.
    pub(crate) children: BTreeMap<String, usize>,
    /// The names that it defines.
    pub(crate) defined: BTreeSet<String>,
    /// Its `use` declarations, one for each name.
    pub(crate) imports: Vec<Import>,
    /// The paths that stand in its code, single names among them.
    pub(crate) paths: BTreeSet<Vec<String>>,
}

/// One name, or all names, of a `use` declaration.
#[derive(Debug)]
pub(crate) struct Import {
    /// The path, without the `*` of all names.
    pub(crate) path: Vec<String>,
    /// The name that it gets; none for all names.
    pub(crate) name: Option<String>,
    /// Whether others get the name from here.
    pub(crate) is_shared: bool,
}

/// The modules of a library or program.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// All modules; the first one is the root.
    pub(crate) modules: Vec<Module>,
}

impl Crate {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut found = Self::default();
        let folder = root.parent().expect("a file lies in a folder");
        found.read_file(root, folder, None);
        found
    }

    /// `folder` is where the files of the module's children lie.
    fn read_file(&mut self, file: &Path, folder: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(file).expect("the file of a module can be read");
        let tokens = tokens(&text);
        let number = self.add(file, parent);
        self.read_body(&tokens, number, folder);
        number
    }

    fn add(&mut self, file: &Path, parent: Option<usize>) -> usize {
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        self.modules.len() - 1
    }

    fn read_body(&mut self, tokens: &[Token], number: usize, folder: &Path) {
        let (mut at, mut inside) = (0, Vec::new());
        while let Some(token) = tokens.get(at) {
            let at_top = !inside.contains(&true);
            // `*const T` is a pointer.
            let follows_star = at > 0 && tokens[at - 1] == Token::Sign('*');
            at = match token {
                Token::Sign('#') if is_attribute(&tokens[at..]) => {
                    let end = at + attribute_len(&tokens[at..]);
                    match is_for_tests(&tokens[at..end]) {
                        true => end + item_len(&tokens[end..]),
                        false => end,
                    }
                }
                Token::Sign('{') => {
                    inside.push(!is_foreign(&tokens[..at]));
                    at + 1
                }
                Token::Sign('}') => {
                    inside.pop();
                    at + 1
                }
                // `impl Trait + use<'a>` imports nothing.
                Token::Name(word) if word == "use" && !is_generic(&tokens[at..]) => {
                    let end = at + item_len(&tokens[at..]);
                    let is_shared = is_shared(&tokens[..at]);
                    let mut tree = Tree { tokens: &tokens[at + 1..end], imports: Vec::new() };
                    tree.read(&[], is_shared);
                    self.modules[number].imports.append(&mut tree.imports);
                    end
                }
                Token::Name(word) if word == "mod" => {
                    at + self.read_child(&tokens[at..], number, folder)
                }
                Token::Name(word)
                    if at_top && !follows_star && DEFINING.contains(&word.as_str()) =>
                {
                    if let Some(Token::Name(name)) = tokens.get(at + 1) {
                        self.modules[number].defined.insert(name.clone());
                    }
                    at + 1
                }
                Token::Name(word) if at_top && word == "macro_rules" => {
                    if let Some(Token::Name(name)) = tokens.get(at + 2) {
                        self.modules[number].defined.insert(name.clone());
                    }
                    at + 3
                }
                Token::Name(_) => {
                    let path = path(&tokens[at..]);
                    let len = 2 * path.len() - 1;
                    let before = at.checked_sub(1).map(|before| &tokens[before]);
                    if !matches!(before, Some(Token::PathSeparator | Token::Sign('.'))) {
                        self.modules[number].paths.insert(path);
                    }
                    at + len
                }
                Token::PathSeparator | Token::Sign(_) => at + 1,
            };
        }
    }

    /// Reads the module that `tokens` begin to declare. Returns how many of them that took.
    fn read_child(&mut self, tokens: &[Token], parent: usize, folder: &Path) -> usize {
        let Some(Token::Name(name)) = tokens.get(1) else { return 1 };
        let below = folder.join(name);
        let len = item_len(tokens);
        let child = if tokens.get(2) == Some(&Token::Sign(';')) {
            let flat = folder.join(format!("{name}.rs"));
            let file = if flat.is_file() { flat } else { below.join("mod.rs") };
            self.read_file(&file, &below, Some(parent))
        } else {
            let file = self.modules[parent].file.clone();
            let child = self.add(&file, Some(parent));
            self.read_body(&tokens[3..len.max(4) - 1], child, &below);
            child
        };
        self.modules[parent].children.insert(name.clone(), child);
        len
    }
}

/// Tells whether the brace after `before` opens a block of functions that are defined elsewhere, but named
/// in this module.
fn is_foreign(before: &[Token]) -> bool {
    matches!(before, [.., word, Token::Sign('"')] if word.is("extern"))
}

fn is_generic(tokens: &[Token]) -> bool {
    tokens.get(1) == Some(&Token::Sign('<'))
}

/// Tells whether the tokens before a `use` share its names with other modules.
fn is_shared(before: &[Token]) -> bool {
    match before {
        [.., last] if last.is("pub") => true,
        [.., Token::Sign(')')] => {
            let open = before.iter().rposition(|token| *token == Token::Sign('('));
            open.and_then(|open| before.get(open.checked_sub(1)?))
                .is_some_and(|pub_| pub_.is("pub"))
        }
        _ => false,
    }
}

fn is_attribute(tokens: &[Token]) -> bool {
    matches!(tokens, [_, Token::Sign('['), ..] | [_, Token::Sign('!'), Token::Sign('['), ..])
}

fn attribute_len(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('[') => depth += 1,
            Token::Sign(']') if depth == 1 => return at + 1,
            Token::Sign(']') => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |name| attribute.iter().any(|token| token.is(name));
    match attribute.get(2) {
        Some(first) if first.is("cfg") => has("test") && !has("not"),
        Some(first) => first.is("test"),
        None => false,
    }
}

/// Returns the length of the item, field or statement that `tokens` begin with.
fn item_len(tokens: &[Token]) -> usize {
    let mut at = 0;
    while tokens.get(at) == Some(&Token::Sign('#')) {
        at += attribute_len(&tokens[at..]);
    }
    let first = &tokens[at.min(tokens.len())..];
    let begins_with = |words: &[&str]| matches!(after_visibility(first), [Token::Name(name), ..] if words.contains(&name.as_str()));
    let (is_item, ends_with_semicolon) =
        (begins_with(&ITEMS), begins_with(&["static", "type", "use"]));
    let mut depth = 0_usize;
    for (offset, token) in first.iter().enumerate() {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}') if depth == 0 => return at + offset,
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 && !ends_with_semicolon {
                    return at + offset + 1;
                }
            }
            Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
            Token::Sign(';') if depth == 0 => return at + offset + 1,
            Token::Sign(',') if depth == 0 && !is_item => return at + offset + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Returns `tokens` without the visibility that they begin with.
fn after_visibility(tokens: &[Token]) -> &[Token] {
    match tokens {
        [first, Token::Sign('('), ..] if first.is("pub") => {
            let end = tokens.iter().position(|token| *token == Token::Sign(')'));
            &tokens[end.map_or(tokens.len(), |end| end + 1)..]
        }
        [first, rest @ ..] if first.is("pub") => rest,
        _ => tokens,
    }
}

/// Returns the names of the path that `tokens` begin with.
fn path(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = tokens;
    while let [Token::Name(name), after @ ..] = rest {
        names.push(name.clone());
        match after {
            [Token::PathSeparator, next @ ..] => rest = next,
            _ => break,
        }
    }
    names
}

/// The tree of a `use` declaration.
struct Tree<'t> {
    tokens: &'t [Token],
    imports: Vec<Import>,
}

impl Tree<'_> {
    fn read(&mut self, before: &[String], is_shared: bool) {
        let mut path = before.to_vec();
        let mut name = None;
        while let Some((token, rest)) = self.tokens.split_first() {
            match token {
                Token::Sign('}' | ',' | ';') => break,
                Token::Sign('{') => {
                    self.tokens = rest;
                    while !self.tokens.is_empty() && self.tokens[0] != Token::Sign('}') {
                        let before = self.tokens.len();
                        self.read(&path, is_shared);
                        if self.tokens.first() == Some(&Token::Sign(',')) {
                            self.tokens = &self.tokens[1..];
                        }
                        assert!(self.tokens.len() < before, "a list of names ends with a brace");
                    }
                    self.tokens = self.tokens.get(1..).unwrap_or_default();
                    return;
                }
                Token::Sign('*') => {
                    self.tokens = rest;
                    self.imports.push(Import { path, name: None, is_shared });
                    return;
                }
                Token::Name(word) if word == "as" => {
                    if let Some(Token::Name(alias)) = rest.first() {
                        name = Some(alias.clone());
                    }
                    self.tokens = rest.get(1..).unwrap_or_default();
                    continue;
                }
                Token::Name(word) if word == "self" && !path.is_empty() => {}
                Token::Name(word) => path.push(word.clone()),
                Token::PathSeparator | Token::Sign(_) => {}
            }
            self.tokens = rest;
        }
        if path.len() > before.len() || !before.is_empty() {
            let name = name.or_else(|| path.last().cloned());
            self.imports.push(Import { path, name, is_shared });
        }
    }
}
