//! A program that tells how it was started, and does a few things that are asked of it.

use std::env;
use std::fs;
use std::io;
use std::process;

/// Text that is looked for where the program must not be found.
const MARK: &str = "only this very program says: lantern under the stairs";

fn copy_lines(path: &str, beginning: &str) {
    let text = fs::read_to_string(path).unwrap_or_default();
    for line in text.lines().filter(|line| line.starts_with(beginning)) {
        println!("{line}");
    }
}

fn report() {
    for (i, argument) in env::args().enumerate() {
        println!("argument {i}: {argument}");
    }
    for (name, value) in env::vars() {
        println!("variable: {name}={value}");
    }
    // Asked one by one: a listing would have to open a descriptor itself.
    for fd in 0..64 {
        if let Ok(target) = fs::read_link(format!("/proc/self/fd/{fd}")) {
            println!("descriptor {fd}: {}", target.display());
        }
    }
    println!("folder: {}", env::current_dir().unwrap().display());
    copy_lines("/proc/self/status", "SigBlk");
    copy_lines("/proc/self/status", "SigIgn");
    copy_lines("/proc/self/limits", "Max");
}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("report") => report(),
        Some("exit") => process::exit(env::args().nth(2).unwrap().parse().unwrap()),
        Some("abort") => process::abort(),
        Some("copy") => drop(io::copy(&mut io::stdin(), &mut io::stdout()).unwrap()),
        _ => println!("{MARK}"),
    }
}
