//! The challenges with which a server asks for authentication.
//!
//! RFC 9110, section 11.6.1. Its input is hostile: a malformed header yields the challenges before
//! the place where it stops making sense.

/// How many bytes of a header are looked at.
const MAX_HEADER: usize = 16 << 10;

/// How many challenges are taken from a header.
const MAX_CHALLENGES: usize = 16;

/// How many parameters are taken for a challenge.
const MAX_PARAMETERS: usize = 32;

/// One way of authentication that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, such as `bearer`.
    pub scheme: String,
    /// The names, in lower case, and values of the parameters, in their order.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Returns the first value of the parameter `name`, which is in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Parses the value of a `WWW-Authenticate` header, which may hold several challenges.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut end = header.len().min(MAX_HEADER);
    while !header.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = Rest(&header[..end]);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip(|c| is_space(c) || c == ',');
        let word = rest.take(is_token);
        if word.is_empty() {
            return challenges;
        }
        rest.skip(is_space);
        // The same comma separates parameters and challenges; the equals sign tells which follows.
        if rest.eat('=') {
            rest.skip(is_space);
            let Some(value) = rest.value() else { return challenges };
            let Some(challenge) = challenges.last_mut() else { return challenges };
            if challenge.parameters.len() < MAX_PARAMETERS {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
        } else {
            if challenges.len() == MAX_CHALLENGES {
                return challenges;
            }
            let scheme = word.to_ascii_lowercase();
            challenges.push(Challenge { scheme, parameters: Vec::new() });
            rest.skip_token68();
        }
    }
}

/// The rest of a header.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(unwanted);
    }

    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            None => false,
            Some(rest) => {
                self.0 = rest;
                true
            }
        }
    }

    /// Takes a token or a quoted string.
    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            let token = self.take(is_token);
            return (!token.is_empty()).then(|| token.to_owned());
        }
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        Some(value)
    }

    /// Skips the single unnamed value that some schemes have in place of parameters.
    fn skip_token68(&mut self) {
        let mut ahead = Rest(self.0);
        let value = ahead.take(|c| is_token(c) || c == '/');
        ahead.skip(|c| c == '=');
        ahead.skip(is_space);
        if !value.is_empty() && (ahead.0.is_empty() || ahead.0.starts_with(',')) {
            self.0 = ahead.0;
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(header: &str) -> String {
        let mut text = String::new();
        for challenge in parse(header) {
            text += &challenge.scheme;
            for (name, value) in &challenge.parameters {
                text += &format!(" {name}={value}");
            }
            text += ";";
        }
        text
    }

    #[test]
    fn challenges_and_parameters_are_told_apart() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://a/t",service="a",scope="repository:x:pull,push""#,
                "bearer realm=https://a/t service=a scope=repository:x:pull,push;",
            ),
            (
                r#"Basic realm="r", Bearer Realm=t , service = "s""#,
                "basic realm=r;bearer realm=t service=s;",
            ),
            (r#"Bearer realm="a \"b\" \\c,",x=y"#, r#"bearer realm=a "b" \c, x=y;"#),
            ("Negotiate", "negotiate;"),
            ("Negotiate ab/c==, Basic realm=r", "negotiate;basic realm=r;"),
            ("Negotiate, Basic", "negotiate;basic;"),
            (",, Basic\trealm=r,,", "basic realm=r;"),
        ] {
            assert_eq!(shape(header), expected, "{header}");
        }
    }

    #[test]
    fn malformed_headers_yield_what_came_before() {
        for (header, expected) in [
            ("", ""),
            ("=x", ""),
            ("realm=x", ""),
            (r#"Bearer realm="a",service="open"#, "bearer realm=a;"),
            (r#"Bearer realm="a\"#, "bearer;"),
            ("Bearer realm=", "bearer;"),
            ("Basic realm=r, \u{1b}[31m", "basic realm=r;"),
        ] {
            assert_eq!(shape(header), expected, "{header}");
        }
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(parse(&"a,".repeat(1000)).len(), MAX_CHALLENGES);
        let many = format!("Bearer {}", "a=b,".repeat(1000));
        assert_eq!(parse(&many)[0].parameters.len(), MAX_PARAMETERS);
        let long = format!("Bearer a=\"{}é\"", "é".repeat(MAX_HEADER));
        assert_eq!(parse(&long)[0].parameters.len(), 0);
    }

    proptest! {
        #[test]
        fn any_value_survives_quoting(value in "[ -~]{0,60}") {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
            let header = format!("Other, Bearer x=1, realm=\"{quoted}\" , Basic");
            let parsed = parse(&header);
            prop_assert_eq!(parsed.len(), 3);
            prop_assert_eq!(parsed[1].parameter("realm"), Some(value.as_str()));
        }

        #[test]
        fn nothing_panics(header in "[A-Za-z=\", \\\\é\t/]{0,80}") {
            parse(&header);
        }
    }
}
