//! Memory: the same for every size of an image, and for any number of layers at once.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{Machine, Running, TestImage, random_bytes, succeeded};

const LARGE: usize = 160 << 20;
/// Enough layers for every job to have one, each large enough to fill the buffers of any stage.
const SMALL: usize = 8 << 20;
const SMALL_LAYERS: usize = 15;
const MOST_KIB: u64 = 96 << 10;

/// Runs a command, and returns the most memory that it held at once, in KiB.
fn peak_of(command: &mut Command) -> u64 {
    let mut running = Running::start(command);
    let status = format!("/proc/{}/status", running.id());
    let mut peak = 0;
    while !running.has_ended() {
        // The kernel keeps the peak, so that the test misses none between two reads.
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = kib.unwrap_or(peak);
        thread::sleep(Duration::from_millis(20));
    }
    succeeded(&running.end());
    peak
}

/// Bytes whose one half can be compressed.
fn mixed(length: usize) -> Vec<u8> {
    const PART: usize = 1 << 20;
    let noise = random_bytes(PART);
    let mut bytes = Vec::with_capacity(length);
    for i in 0..length / (2 * PART) {
        // The compressor sees no repetition: its window is far smaller.
        bytes.extend_from_slice(&noise);
        let line = format!("a line of text, one of many in this file, number {i}\n");
        bytes.extend(line.bytes().cycle().take(PART));
    }
    bytes
}

/// Holds a push and pulls to the bound, with `jobs` at once.
fn hold_to_the_bound(jobs: &str) {
    let large = mixed(LARGE);
    let small: Vec<Vec<u8>> = (0..SMALL_LAYERS).map(|_| mixed(SMALL)).collect();
    let mut files = vec![("large", &large[..])];
    files.extend(small.iter().map(|bytes| ("small", &bytes[..])));
    let image = TestImage::of(&files);
    let (registry, machine) = (Registry::plain(), Machine::with_own_passphrase());
    let name = format!("{}/app:1", registry.host());
    let push = peak_of(machine.push(&image, &name).args(["--jobs", jobs]));
    let pull = |target: &str| peak_of(machine.pull(&name).args(["--jobs", jobs, "--to", target]));
    let (layout, archive) = (pull("oci:out:it"), pull("docker-archive:out.tar"));
    for (what, peak) in
        [("push", push), ("pull into a layout", layout), ("pull into an archive", archive)]
    {
        assert!(peak > 1 << 10, "{what}: the peak was not seen");
        assert!(peak < MOST_KIB, "{what} with {jobs} jobs held {peak} KiB");
    }
    machine.sandbox.assert_nothing_is_left();
}

#[test]
fn a_large_image_needs_no_more_memory_than_a_small_one() {
    hold_to_the_bound("2");
}

#[test]
fn many_jobs_share_the_memory_of_few() {
    hold_to_the_bound("16");
}
