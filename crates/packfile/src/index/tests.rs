//! Indexes that are written here and read again.

use std::vec::Vec;

use super::*;

const IDENTITY: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

const PARTS: [Part; 2] = [Part { len: 4000, header: [3; 32] }, Part { len: 1000, header: [4; 32] }];

const CHECKS: [Check<'static>; 4] = [
    Check { path: b"lib", kind: CheckKind::Link(b"usr/lib") },
    Check { path: b"usr/lib", kind: CheckKind::Folder },
    Check {
        path: b"usr/lib/a",
        kind: CheckKind::File { mode: 0o755, len: 1 << 40, digest: [9; 32] },
    },
    Check { path: b"usr/lib/b", kind: CheckKind::Nothing },
];

const PROPERTIES: Properties<'static> = Properties {
    mode: 0o755,
    uid: 1,
    gid: 2,
    seconds: -3,
    nanoseconds: 4,
    attributes: Attributes::NONE,
};

fn entry<'a>(path: &'a [u8], kind: EntryKind<'a>) -> Entry<'a> {
    Entry { path, properties: PROPERTIES, kind }
}

fn file(layer: u32, offset: u64, len: u64) -> EntryKind<'static> {
    EntryKind::File { layer, offset, len }
}

fn encoded(entries: &[Entry<'_>]) -> Vec<u8> {
    encoded_for([b"A=b", b"C=d"], entries)
}

fn encoded_for(variables: [&[u8]; 2], entries: &[Entry<'_>]) -> Vec<u8> {
    let mut parts = Vec::new();
    Parts::write(PARTS.into_iter(), &mut parts);
    let parts = Parts::parse(&parts).unwrap();
    let layers = [
        IndexLayer::Clear { diff_id: [1; 32] },
        IndexLayer::Private { diff_id: [2; 32], identity: IDENTITY, parts },
    ];
    let (mut list, mut body) = (Vec::new(), Vec::new());
    List::write(variables.into_iter(), &mut list);
    let list = List::parse(&list).unwrap();
    let empty = List::EMPTY;
    let command = Command {
        env: list,
        entrypoint: empty,
        cmd: list,
        working_dir: b"/work",
        healthcheck: empty,
    };
    let (layers, entries) = (layers.into_iter(), entries.iter().copied());
    let checks = CHECKS.into_iter();
    write_index(UnlockOn::Memory, &command, b"{}", layers, entries, checks, &mut body);
    write_holes(0, &mut body);
    [&index_head(body.len() as u64)[..], &body].concat()
}

#[test]
fn an_index_is_read_as_it_is_written() {
    let entries = [
        entry(b"", EntryKind::Folder),
        entry(b"a", EntryKind::Folder),
        entry(b"a/b", file(1, 512, 10)),
        entry(b"a/c", file(1, 522, 0)),
        entry(b"a/p", EntryKind::Fifo),
        entry(b"a/l", EntryKind::Symlink(b"../x")),
        entry(b"a/h", EntryKind::HardLink(b"a/b")),
    ];
    let bytes = encoded(&entries);
    let index = Index::parse(&bytes).unwrap();
    assert_eq!(index.entries().collect::<Vec<_>>(), entries);
    assert!(index.checks().eq(CHECKS));
    assert_eq!(Command::parse(index.encoded_command), Ok(index.command));
    let Some(IndexLayer::Private { diff_id, identity, parts }) = index.layers().nth(1) else {
        panic!("the second layer is private")
    };
    assert_eq!((diff_id, identity, parts.tar_len()), ([2; 32], IDENTITY, 5000));
    assert!(parts.iter().eq(PARTS));
    assert_eq!(index.command.env.iter().collect::<Vec<_>>(), [b"A=b", b"C=d"]);
    assert_eq!((index.command.working_dir, index.config), (&b"/work"[..], &b"{}"[..]));
    for len in 0..bytes.len() {
        assert!(Index::parse(&bytes[..len]).is_err(), "{len}");
    }
}

#[test]
fn a_layer_of_the_first_version_is_one_part() {
    let whole = [&5000_u64.to_le_bytes()[..], &[3; 32]].concat();
    let identity = [&(IDENTITY.len() as u16).to_le_bytes()[..], IDENTITY.as_bytes()].concat();
    let second = encoded(&[]);
    // The private layer's kind is behind the clear one.
    let clear = [&[0][..], &[1; 32]].concat();
    let at = second.windows(clear.len()).position(|found| found == clear).unwrap();
    let before = &second[..at + clear.len()];
    let first = [before, &[1], &[2; 32], &whole, &identity, &[0; 4]].concat();
    let head = index_head(first.len() as u64 - INDEX_HEAD as u64);
    let first = [&b"sealidx1"[..], &head[8..], &first[INDEX_HEAD..]].concat();
    let index = Index::parse(&first).unwrap();
    let Some(IndexLayer::Private { identity, parts, .. }) = index.layers().nth(1) else {
        panic!("the second layer is private")
    };
    assert_eq!(identity, IDENTITY);
    assert!(parts.iter().eq([Part { len: 5000, header: [3; 32] }]));
    assert_eq!(index.checks().count(), 0);
}

#[test]
fn checks_of_what_cannot_be_are_refused() {
    let good = encoded(&[]);
    let at = good.windows(3).rposition(|found| found == b"lib").unwrap() - 3;
    assert!(Index::parse(&good).is_ok());
    for (from, by) in [(at, [4, 9, 0]), (at + 3, *b"../"), (at + 3, *b"/..")] {
        let mut bad = good.clone();
        bad[from..from + 3].copy_from_slice(&by);
        assert!(Index::parse(&bad).is_err(), "{by:?}");
    }
}

#[test]
fn a_layer_without_an_end_is_refused() {
    let mut parts = Vec::new();
    Parts::write([u64::MAX, 1].map(|len| Part { len, header: [0; 32] }).into_iter(), &mut parts);
    assert!(Parts::parse(&parts).is_err());
    // The count names more parts than there are.
    parts[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Parts::parse(&parts).is_err());
}

#[test]
fn needs_are_counted_in_pages_and_programs_are_seen() {
    let needs = |entries: &[Entry<'_>]| Needs::of(&Index::parse(&encoded(entries)).unwrap());
    let plain =
        |path, kind| Entry { properties: Properties { mode: 0o644, ..PROPERTIES }, path, kind };
    let of = needs(&[plain(b"a", file(1, 0, 1)), plain(b"b", file(1, 1, 4097))]);
    assert_eq!(of, Needs { bytes: 5 * 4096, files: 4, has_programs: false });
    assert_eq!((of.mib(), of.advised_mib()), (1, 2));
    assert!(needs(&[plain(b"lib/a.so.1", file(1, 0, 1))]).has_programs);
    let own = Properties { mode: 0o700, ..PROPERTIES };
    let program = Entry { path: b"a", properties: own, kind: file(1, 0, 1) };
    assert!(needs(&[program, plain(b"b", file(1, 1, 1))]).has_programs, "its owner's, and first");
    let long = [b'x'; 128];
    let of = needs(&[
        plain(b"folder", EntryKind::Folder),
        plain(b"empty", file(1, 0, 0)),
        plain(b"pipe", EntryKind::Fifo),
        plain(b"short", EntryKind::Symlink(&long[..127])),
        plain(b"long", EntryKind::Symlink(&long)),
        plain(b"hard", EntryKind::HardLink(b"empty")),
    ]);
    assert_eq!(of, Needs { bytes: 3 * 4096, files: 8, has_programs: false }, "of the links, one");
    // Variables and arguments lie beside the files, in as many pages as they take.
    let long = encoded_for([&[b'x'; 5000], b""], &[]);
    let long = Needs::of(&Index::parse(&long).unwrap());
    assert_eq!(long.bytes - needs(&[]).bytes, 2 * 4096);
    // No file is so long. The sum must not wrap around to a small number.
    assert_eq!(needs(&[plain(b"a", file(1, 0, u64::MAX))]).bytes, u64::MAX);
}

#[test]
fn holes_take_no_room() {
    let plain = encoded(&[entry(b"a", file(1, 0, 3 * PAGE))]);
    let (before, none) = plain.split_at(plain.len() - 8);
    assert_eq!(none, [0; 8]);
    let with = [before, &(2 * PAGE).to_le_bytes()].concat();
    let needs = |bytes: &[u8]| Needs::of(&Index::parse(bytes).unwrap()).bytes;
    assert_eq!(needs(&plain) - needs(&with), 2 * PAGE);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in [&b"/a"[..], b"..", b"a/../b", b"a//b", b"a/", b".", b"a\0", &[b'x'; 256]] {
        let bytes = encoded(&[entry(path, EntryKind::Folder)]);
        assert!(Index::parse(&bytes).is_err(), "{path:?}");
        let bytes = encoded(&[entry(b"a", EntryKind::HardLink(path))]);
        assert!(Index::parse(&bytes).is_err(), "{path:?}");
    }
    let bytes = encoded(&[entry(b"", file(1, 0, 1))]);
    assert!(Index::parse(&bytes).is_err());
    let bytes = encoded(&[entry(b".sealcrate/state", file(1, 0, 1))]);
    assert!(Index::parse(&bytes).is_err());
}

#[test]
fn contents_that_overlap_or_go_back_are_refused() {
    let of = |entries: &[Entry<'_>]| Index::parse(&encoded(entries)).map(drop);
    assert!(of(&[entry(b"a", file(1, 0, 10)), entry(b"b", file(1, 9, 1))]).is_err());
    assert!(of(&[entry(b"a", file(1, 9, 1)), entry(b"b", file(0, 0, 1))]).is_err());
    assert!(of(&[entry(b"a", file(2, 0, 1))]).is_err());
    assert!(of(&[entry(b"a", file(1, u64::MAX, 2))]).is_err());
    assert!(of(&[entry(b"a", file(1, 0, 1)), entry(b"b", EntryKind::Folder)]).is_err());
}
