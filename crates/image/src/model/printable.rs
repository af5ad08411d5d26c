//! Text from outside, made fit to show: on one line, and without characters that act on a terminal,
//! reverse the order of letters, or hide.
//!
//! This is the only place that knows these characters. Values keep their text as it came; code that shows
//! it to people calls this module.

use std::fmt;

/// Tells whether a character shows itself and nothing else.
///
/// Control characters and line separators do not, nor do the characters that Unicode calls formats,
/// default ignorable or noncharacters (Unicode 16, `DerivedCoreProperties.txt`,
/// `Default_Ignorable_Code_Point`; UAX #9, section 2).
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Soft hyphen, joiners, and letters that are blank.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Marks that turn the direction.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Without width, and the separators of lines and paragraphs.
            | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            // Variants of the character before.
            | '\u{fe00}'..='\u{fe0f}'
            // Formats of shorthand, music and hieroglyphs.
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tags, which spell whole texts that nobody sees.
            | '\u{e0000}'..='\u{e0fff}')
}

/// Shows a text on one line: white space that is no blank becomes one, and every other character that does
/// not show itself becomes U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c| !is_printable(c)) {
            f.write_str(&rest[..at])?;
            let hidden = rest[at..].chars().next().expect("one was found there");
            f.write_str(if hidden.is_whitespace() { " " } else { "\u{fffd}" })?;
            rest = &rest[at + hidden.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Makes a text printable, and cuts it after `max` characters.
pub fn printable(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", Printable(&text[..end])),
        None => Printable(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_turns_or_hides_is_replaced() {
        for (text, shown) in [
            ("a\u{1b}[31mb\u{9b}31m", "a\u{fffd}[31mb\u{fffd}31m"),
            ("a\r\nb\tc\u{2028}d\u{2029}e\u{85}f", "a  b c d e f"),
            ("gpj.\u{202e}exe", "gpj.\u{fffd}exe"),
            ("\u{feff}\u{200b}a\u{ad}\u{2060}b", "\u{fffd}\u{fffd}a\u{fffd}\u{fffd}b"),
            ("a\u{e0041}\u{fe0f}", "a\u{fffd}\u{fffd}"),
            ("naïve 東京 العربية é", "naïve 東京 العربية é"),
        ] {
            assert_eq!(printable(text, 300), shown, "{text:?}");
        }
        for turns in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202d}\u{202e}\u{2066}\u{2069}".chars() {
            assert!(!is_printable(turns), "{turns:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(printable("ääää", 4), "ääää");
        assert_eq!(printable("äääää", 4), "ääää…");
        assert_eq!(printable("\u{202e}\u{202e}a", 2), "\u{fffd}\u{fffd}…");
        assert_eq!(printable("", 0), "");
    }
}
