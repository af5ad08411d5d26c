//! The consent of the person who runs a task: nothing is installed without it.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, bail, ensure};

/// How the person who runs a task agrees to the installation of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// By an answer at the terminal.
    Asked,
    /// By the option `--yes`.
    Given,
}

/// The option that gives consent, for runs without a terminal.
const OPTION: &str = "--yes";

impl Consent {
    /// Takes the option from the beginning of a task's arguments. Returns the other arguments, too.
    pub fn parse(arguments: &[String]) -> (Self, &[String]) {
        match arguments {
            [first, rest @ ..] if first == OPTION => (Self::Given, rest),
            all => (Self::Asked, all),
        }
    }

    /// Lists packages, and asks whether they may be installed.
    ///
    /// # Errors
    /// The answer is no, or nobody can answer. The error names the packages and the option.
    pub(crate) fn to_install(self, packages: &[&str]) -> anyhow::Result<()> {
        match self {
            Self::Given => Ok(()),
            Self::Asked if io::stdin().is_terminal() => ask(packages, &mut io::stdin().lock()),
            Self::Asked => bail!(
                "these packages are missing: {}; {OPTION} installs them, and there is no terminal to ask at",
                packages.join(" ")
            ),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a question to the user")]
fn ask(packages: &[&str], answers: &mut impl BufRead) -> anyhow::Result<()> {
    let packages = packages.join(" ");
    eprint!("xtask: these packages are missing: {packages}\nInstall them with apt-get? [y/N] ");
    let mut answer = String::new();
    answers.read_line(&mut answer).context("cannot read the answer")?;
    let is_yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    ensure!(is_yes, "these packages stay missing: {packages}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_consent() {
        for answer in ["y\n", "Y\n", "yes\n", " YES \n"] {
            ask(&["nginx"], &mut answer.as_bytes()).unwrap();
        }
        for answer in ["", "\n", "n\n", "no\n", "yesterday\n", "nginx\n"] {
            let error = ask(&["nginx", "age"], &mut answer.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "these packages stay missing: nginx age");
        }
    }

    #[test]
    fn the_option_comes_first_and_is_no_argument() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let with = words("--yes --test lock");
        assert_eq!(Consent::parse(&with), (Consent::Given, &with[1..]));
        let without = words("--test lock -- --yes");
        assert_eq!(Consent::parse(&without), (Consent::Asked, &without[..]));
        Consent::Given.to_install(&["nginx"]).unwrap();
    }
}
