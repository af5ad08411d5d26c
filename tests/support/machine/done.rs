//! The result of a run of a program, and the assertions of tests about it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::record;

/// The result of a run.
#[derive(Debug)]
pub struct Done {
    /// The exit code; nothing if a signal ended it.
    pub status: Option<i32>,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

impl Done {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be run, or its output is not UTF-8.
    pub fn of(command: &mut Command) -> Self {
        let output = output_of(command);
        record(command, &[&output.stdout, &output.stderr]);
        output.into()
    }

    /// Runs a command to its end whose standard output is meant to be a secret: keys, or the output of
    /// a packed program.
    ///
    /// # Panics
    /// If it cannot be run, or its output is not UTF-8.
    pub fn of_printing_a_secret(command: &mut Command) -> Self {
        let output = output_of(command);
        record(command, &[&output.stderr]);
        output.into()
    }

    /// Asserts that it ended with this exit code.
    #[track_caller]
    pub fn with_status(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.said());
        self
    }

    /// Asserts that standard output is this text and nothing else.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{}", self.said());
        self
    }

    /// Asserts that a run failed as the README says: with one line for the error, and no result.
    #[track_caller]
    pub fn failed(self, status: i32) -> Self {
        let done = self.with_status(status);
        let errors = done.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((errors, &*done.stdout), (1, ""), "{}", done.said());
        done
    }

    /// Asserts that standard error has this text in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {}", self.said());
        self
    }

    /// Asserts that standard error does not have this text in it.
    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "{text:?} is in {}", self.said());
        self
    }

    /// The lines on standard error with this beginning.
    pub fn lines(&self, beginning: &str) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with(beginning)).collect()
    }

    /// Standard output, parsed as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {}", self.said()))
    }

    /// The status and both outputs, for the message of a test that fails.
    pub fn said(&self) -> String {
        format!("{:?}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr)
    }
}

/// Runs a command of a test to its end. The tests start programs that not every machine has.
fn output_of(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!(
            "{program} cannot be run ({error}): `cargo xtask test` installs what the tests start"
        )
    })
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Self {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
