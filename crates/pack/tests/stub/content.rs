//! The content that the age file of a payload may have.

use std::fs;
use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::packed::{PASSPHRASE, Packed, passphrase};

fn program() -> Vec<u8> {
    fs::read("/bin/echo").unwrap()
}

fn lz4(content: &[u8], form: FrameInfo) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(form, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn run(content: &[u8]) -> crate::packed::Done {
    Packed::of(content, &passphrase()).run(PASSPHRASE, &["it", "runs"])
}

#[test]
fn programs_are_read_from_every_form_of_lz4_frame() {
    let independent = || FrameInfo::new().block_mode(BlockMode::Independent);
    for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        let form = independent().block_size(size);
        assert_eq!(run(&lz4(&program(), form)).output(), "it runs\n", "{size:?}");
    }
    let form = independent()
        .block_checksums(true)
        .content_checksum(true)
        .content_size(Some(program().len() as u64));
    assert_eq!(run(&lz4(&program(), form)).output(), "it runs\n");
}

#[test]
fn blocks_that_need_each_other_are_refused() {
    let form = FrameInfo::new().block_mode(BlockMode::Linked).block_size(BlockSize::Max64KB);
    let told = "the payload is damaged: its compression is of a kind that is not known";
    assert_eq!(run(&lz4(&program(), form)).failed(5), told);
}

#[test]
fn programs_are_read_from_zstd_frames_of_every_level() {
    for level in [1, 3, 19] {
        let frame = zstd::encode_all(&program()[..], level).unwrap();
        assert_eq!(run(&frame).output(), "it runs\n", "{level}");
    }
}

#[test]
fn what_is_no_program_is_refused() {
    for content in [&b""[..], b"#!/bin/sh\necho it runs\n"] {
        let told = "the payload is damaged: it holds nothing that is known";
        assert_eq!(run(content).failed(5), told, "{content:?}");
    }
    let told = "the payload is damaged: it holds no program";
    let independent = || FrameInfo::new().block_mode(BlockMode::Independent);
    for content in [
        lz4(b"#!/bin/sh\n", independent()),
        lz4(b"", independent()),
        zstd::encode_all(&b"#!/bin/sh\n"[..], 3).unwrap(),
        zstd::encode_all(&b""[..], 3).unwrap(),
    ] {
        assert_eq!(run(&content).failed(5), told, "{content:?}");
    }
    // It begins like a program, but the kernel does not start it.
    let done = run(b"\x7fELF and nothing else");
    assert_eq!(done.failed(1), "cannot execute the program: it is no program for this machine");
}

#[test]
fn frames_that_are_cut_or_followed_by_something_are_refused() {
    let frames = [
        lz4(&program(), FrameInfo::new().block_mode(BlockMode::Independent)),
        zstd::encode_all(&program()[..], 3).unwrap(),
    ];
    for frame in frames {
        for len in [4, 6, 10, frame.len() / 2, frame.len() - 1] {
            let done = run(&frame[..len]);
            assert!(done.failed(5).starts_with("the payload is damaged: it "), "{len}: {done:?}");
        }
        let told = "the payload is damaged: something follows its end";
        assert_eq!(run(&[&frame[..], &frame[..]].concat()).failed(5), told);
        assert_eq!(run(&[&frame[..], &[0]].concat()).failed(5), told);
    }
}

#[test]
fn damaged_frames_are_told() {
    let told = "the payload is damaged: it cannot be decompressed";
    let mut frame = lz4(&program(), FrameInfo::new().block_mode(BlockMode::Independent));
    frame[11..][..64].fill(0xff);
    assert_eq!(run(&frame).failed(5), told);
    let mut frame = zstd::encode_all(&program()[..], 3).unwrap();
    frame[9..][..64].fill(0xff);
    assert_eq!(run(&frame).failed(5), told);
}
