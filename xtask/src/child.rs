//! Waiting for child processes so that an interrupt ends the child first and us after it.
//!
//! Without this, Ctrl-C would end the task runner before it has stopped what it started.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Remembers that the user or the system asked us to end.
pub(crate) struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    /// Replaces the default action of SIGINT, SIGTERM and SIGHUP for the rest of the process.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .context("cannot set a signal handler")?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal has arrived.
    pub(crate) fn arrived(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Runs a command in our own process group: it may use the terminal, and Ctrl-C reaches it.
pub(crate) fn run(command: &mut Command, interrupts: &Interrupts) -> anyhow::Result<ExitCode> {
    let child = spawn(command)?;
    let pid = Pid::from_child(&child);
    wait(child, interrupts, || kill_process(pid, Signal::TERM))
}

/// Runs a command in a process group of its own, which an interrupt ends as a whole: cargo alone
/// would leave the test programs behind.
pub(crate) fn run_in_own_group(
    command: &mut Command,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let child = spawn(command.process_group(0))?;
    let pid = Pid::from_child(&child);
    wait(child, interrupts, || kill_process_group(pid, Signal::TERM))
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))
}

fn wait(
    mut child: Child,
    interrupts: &Interrupts,
    terminate: impl Fn() -> rustix::io::Result<()>,
) -> anyhow::Result<ExitCode> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the command")? {
            return Ok(exit_code(status));
        }
        if interrupts.take() {
            terminate().context("cannot end the command")?;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The status as a shell reports it: 128 and the signal's number for a killed process.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_interrupted() -> Interrupts {
        Interrupts(Arc::new(AtomicBool::new(false)))
    }

    #[test]
    fn the_status_of_the_command_is_returned() {
        let code = run(
            Command::new("sh").args(["-c", "exit 7"]),
            &not_interrupted(),
        )
        .unwrap();
        assert_eq!(code, ExitCode::from(7));
    }

    #[test]
    fn a_killed_command_has_a_shells_status() {
        let code = run(
            Command::new("sh").args(["-c", "kill -9 $$"]),
            &not_interrupted(),
        )
        .unwrap();
        assert_eq!(code, ExitCode::from(137));
    }

    #[test]
    fn an_interrupt_ends_the_grandchildren_too() {
        let interrupts = Interrupts(Arc::new(AtomicBool::new(true)));
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & wait"]).stdout(writer);
        let code = run_in_own_group(&mut command, &interrupts).unwrap();
        assert_eq!(code, ExitCode::from(143));
        drop(command);
        // Ends only when `sleep`, the last writer, is gone.
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    }
}
