//! The words with which a registry refuses a request, made fit to show.

use std::fmt;

use serde::Deserialize;

use crate::printable;

/// How much of an error's body is read.
pub(super) const MAX_BODY: u64 = 64 << 10;

/// How many characters of it are shown.
const MAX_SHOWN: usize = 300;

/// The words with which a registry refused a request, without control characters and of bounded
/// length.
///
/// Shown as `": CODE: message"`, or as nothing if the registry gave no reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    code: String,
    message: String,
}

impl Complaint {
    /// Reads the body of an error.
    ///
    /// OCI distribution specification, "Error Codes"; for tokens RFC 6749, section 5.2.
    pub(super) fn parse(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Body>(body) else {
            return Self::default();
        };
        let (code, message) = match body.errors.into_iter().next() {
            Some(first) => (first.code, first.message),
            None => (body.error, body.error_description.or(body.details).or(body.message)),
        };
        Self {
            code: printable(&code.unwrap_or_default(), MAX_SHOWN),
            message: printable(&message.unwrap_or_default(), MAX_SHOWN),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.code, &self.message] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

/// The members of the specification's body, and of the bodies of token services.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Entry>,
    error: Option<String>,
    error_description: Option<String>,
    details: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    code: Option<String>,
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_shown_without_what_acts_on_terminals() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\r\nway\u202e","detail":{"x":1}},{"code":"B"}]}"#;
        assert_eq!(Complaint::parse(body).to_string(), ": DENIED: no\u{fffd}[31m  way\u{fffd}");
    }

    #[test]
    fn bodies_of_other_shapes_are_understood_or_left_out() {
        for (body, shown) in [
            (r#"{"details":"incorrect username or password"}"#, ": incorrect username or password"),
            (r#"{"error":"invalid_grant","error_description":"old"}"#, ": invalid_grant: old"),
            (r#"{"errors":[]}"#, ""),
            (r#"{"errors":{}}"#, ""),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(Complaint::parse(body.as_bytes()).to_string(), shown, "{body}");
        }
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(5000));
        assert_eq!(Complaint::parse(long.as_bytes()).to_string().chars().count(), MAX_SHOWN + 3);
    }
}
