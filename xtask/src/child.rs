//! Waiting for child processes so that an interrupt ends the child first and us after it.
//!
//! Without this, Ctrl-C would end the task runner before its children.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Remembers that the user or the system asked us to end.
#[derive(Default)]
pub struct Interrupts {
    /// SIGINT, which a terminal sends to every process in the foreground.
    by_keyboard: Arc<AtomicBool>,
    /// SIGTERM and SIGHUP.
    by_request: Arc<AtomicBool>,
}

impl Interrupts {
    /// Replaces the default action of SIGINT, SIGTERM and SIGHUP for the rest of the process.
    pub fn catch() -> anyhow::Result<Self> {
        let interrupts = Self::default();
        for (signal, flag) in [
            (SIGINT, &interrupts.by_keyboard),
            (SIGTERM, &interrupts.by_request),
            (SIGHUP, &interrupts.by_request),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .context("cannot set a signal handler")?;
        }
        Ok(interrupts)
    }

    /// Whether any signal has arrived.
    pub fn arrived(&self) -> bool {
        self.by_keyboard.load(Ordering::Relaxed) || self.by_request.load(Ordering::Relaxed)
    }
}

/// Runs a command in our own process group: it may use the terminal, and Ctrl-C is its to handle.
pub fn run(command: &mut Command, interrupts: &Interrupts) -> anyhow::Result<ExitCode> {
    let child = spawn(command)?;
    let pid = Pid::from_child(&child);
    wait(child, &[&interrupts.by_request], || kill_process(pid, Signal::TERM))
}

/// Runs a command in a process group of its own, which an interrupt ends as a whole: cargo alone
/// would leave the test programs behind.
pub fn run_in_own_group(
    command: &mut Command,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let child = spawn(command.process_group(0))?;
    let pid = Pid::from_child(&child);
    let flags = [&*interrupts.by_keyboard, &*interrupts.by_request];
    wait(child, &flags, || kill_process_group(pid, Signal::TERM))
}

/// Runs a command in a process group of its own, which an interrupt or the end of the time ends as a whole.
///
/// # Errors
/// The command cannot be run; it has not ended within `limit`.
pub fn run_in_own_group_within(
    command: &mut Command,
    interrupts: &Interrupts,
    limit: Duration,
) -> anyhow::Result<ExitCode> {
    let mut child = spawn(command.process_group(0))?;
    let pid = Pid::from_child(&child);
    let deadline = Instant::now() + limit;
    while !interrupts.arrived() {
        if let Some(status) = child.try_wait().context("cannot wait for the command")? {
            return Ok(exit_code(status));
        }
        if Instant::now() >= deadline {
            kill_process_group(pid, Signal::KILL).context("cannot end the command")?;
            child.wait().context("cannot wait for the command")?;
            bail!("the command has not ended within {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    kill_process_group(pid, Signal::TERM).context("cannot end the command")?;
    Ok(exit_code(child.wait().context("cannot wait for the command")?))
}

/// Runs a command of which only a failure is of interest.
pub fn quietly(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", program.display(), said.trim());
    Ok(())
}

/// Returns the first line that a command prints; nothing if it cannot be run or fails.
pub fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned).filter(|_| output.status.success())
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
}

fn wait(
    mut child: Child,
    flags: &[&AtomicBool],
    terminate: impl Fn() -> rustix::io::Result<()>,
) -> anyhow::Result<ExitCode> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the command")? {
            return Ok(exit_code(status));
        }
        if flags.iter().any(|flag| flag.swap(false, Ordering::Relaxed)) {
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

    #[test]
    fn the_status_of_the_command_is_returned() {
        let code = run(Command::new("sh").args(["-c", "exit 7"]), &Interrupts::default()).unwrap();
        assert_eq!(code, ExitCode::from(7));
    }

    #[test]
    fn a_killed_command_has_a_shells_status() {
        let code =
            run(Command::new("sh").args(["-c", "kill -9 $$"]), &Interrupts::default()).unwrap();
        assert_eq!(code, ExitCode::from(137));
    }

    #[test]
    fn the_end_of_the_time_ends_the_grandchildren_too() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & wait"]).stdout(writer);
        let run = run_in_own_group_within(&mut command, &Interrupts::default(), Duration::ZERO);
        assert_eq!(run.unwrap_err().to_string(), "the command has not ended within 0 s");
        drop(command);
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        let in_time = Duration::from_secs(600);
        let mut quick = Command::new("sh");
        quick.args(["-c", "exit 7"]);
        let code = run_in_own_group_within(&mut quick, &Interrupts::default(), in_time).unwrap();
        assert_eq!(code, ExitCode::from(7));
    }

    #[test]
    fn an_interrupt_ends_the_grandchildren_too() {
        let interrupts = Interrupts::default();
        interrupts.by_keyboard.store(true, Ordering::Relaxed);
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
