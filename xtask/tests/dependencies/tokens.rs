//! The words and signs of a Rust file, without its comments and the content of its texts.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or a keyword.
    Name(String),
    /// The two colons between the parts of a path.
    PathSeparator,
    /// Any other sign, and each literal as one sign `"`.
    Sign(char),
}

impl Token {
    /// Tells whether it is the name `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }
}

/// Cuts `text` into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text, tokens: Vec::new() };
    while reader.step() {}
    reader.tokens
}

struct Reader<'t> {
    rest: &'t str,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    /// Takes one token, or one stretch that is none. Tells whether there was one.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.comment();
        } else if self.rest.starts_with("::") {
            self.skip(2);
            self.tokens.push(Token::PathSeparator);
        } else if first == '"' {
            self.text();
        } else if first == '\'' {
            self.character_or_lifetime();
        } else if first.is_ascii_digit() {
            self.skip(self.word());
            self.literal();
        } else if first.is_alphabetic() || first == '_' {
            self.name();
        } else {
            self.skip(first.len_utf8());
            if !first.is_whitespace() {
                self.tokens.push(Token::Sign(first));
            }
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn literal(&mut self) {
        self.tokens.push(Token::Sign('"'));
    }

    /// Returns the length of the word at the beginning.
    fn word(&self) -> usize {
        self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len())
    }

    /// Comments lie within each other.
    fn comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else {
                self.skip(self.rest.chars().next().map_or(0, char::len_utf8));
            }
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    fn text(&mut self) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.skip(end.map_or(self.rest.len(), |(at, _)| at + 1));
        self.literal();
    }

    /// `hashes` signs stand before the quote.
    fn raw_text(&mut self, hashes: usize) {
        let end = format!("\"{}", "#".repeat(hashes));
        self.skip(hashes + 1);
        self.skip(self.rest.find(&end).map_or(self.rest.len(), |at| at + end.len()));
        self.literal();
    }

    fn character_or_lifetime(&mut self) {
        let mut chars = self.rest.char_indices().skip(1);
        let (first, second) = (chars.next(), chars.next());
        match (first, second) {
            (Some((_, '\\')), Some((at, escaped))) => {
                let after = at + escaped.len_utf8();
                let end =
                    self.rest[after..].find('\'').map_or(self.rest.len(), |at| after + at + 1);
                self.skip(end);
                self.literal();
            }
            (_, Some((at, '\''))) => {
                self.skip(at + 1);
                self.literal();
            }
            _ => {
                self.skip(1);
                self.skip(self.word());
            }
        }
    }

    fn name(&mut self) {
        let word = self.word();
        let name = self.rest[..word].to_owned();
        self.skip(word);
        let hashes = self.rest.len() - self.rest.trim_start_matches('#').len();
        let quoted = self.rest[hashes..].starts_with('"');
        match name.as_str() {
            "r" | "br" | "cr" if quoted => self.raw_text(hashes),
            "b" | "c" if quoted && hashes == 0 => self.text(),
            "b" if self.rest.starts_with('\'') => self.character_or_lifetime(),
            "r" if hashes == 1 => self.skip(1),
            _ => self.tokens.push(Token::Name(name)),
        }
    }
}

#[test]
fn comments_and_texts_hide_what_they_hold() {
    let text = r##"a // b::c
        /* d /* e */ f */ "g \" h" r#"i " j"# b"k" 'l' '\'' '\u{6d}' b'n' 'o: p r#q 7u8"##;
    let names: Vec<String> = tokens(text)
        .into_iter()
        .filter_map(|token| match token {
            Token::Name(name) => Some(name),
            Token::PathSeparator | Token::Sign(_) => None,
        })
        .collect();
    assert_eq!(names, ["a", "p", "q"]);
}

#[test]
fn paths_are_told_from_single_colons() {
    let name = |name: &str| Token::Name(name.to_owned());
    let found = tokens("a::b: c");
    assert_eq!(found, [name("a"), Token::PathSeparator, name("b"), Token::Sign(':'), name("c")]);
}
