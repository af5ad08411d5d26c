//! Closures of commands in images that are made here.

use sealcrate_image::{DiffId, Digest, Layer, MediaType};
use sealcrate_packfile::index::List;
use tar::EntryType;

use super::*;
use crate::Changes;

/// A file, or with a `>` behind its path a link.
fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        if let Some(path) = path.strip_suffix('>') {
            header.set_size(0);
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, path, str::from_utf8(content).unwrap()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, *content).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// An ELF file for x86-64 with a loader, and with these tags and texts in its dynamic section.
fn elf(loader: &str, dynamic: &[(u64, &str)]) -> Vec<u8> {
    let mut strings = vec![0];
    strings.extend([loader.as_bytes(), b"\0"].concat());
    let mut pairs = Vec::new();
    for (tag, text) in dynamic {
        pairs.push((*tag, strings.len() as u64));
        strings.extend([text.as_bytes(), b"\0"].concat());
    }
    let table_at = 64 + 3 * 56;
    let strings_at = table_at + 16 * (pairs.len() as u64 + 2);
    pairs.extend([(5, strings_at), (0, 0)]);
    let len = strings_at + strings.len() as u64;
    let loader_kind = if loader.is_empty() { 0 } else { 3 };
    let segments = [(loader_kind, strings_at + 1), (2, table_at), (1, 0)];
    let mut file = b"\x7fELF\x02\x01".to_vec();
    file.resize(64, 0);
    file[18] = 62;
    file[32] = 64;
    (file[54], file[56]) = (56, 3);
    for (kind, at) in segments {
        file.extend([kind, at, at, at, len - at, len - at, 1].map(u64::to_le_bytes).as_flattened());
    }
    pairs.iter().for_each(|(tag, value)| {
        file.extend([*tag, *value].map(u64::to_le_bytes).as_flattened());
    });
    file.extend(strings);
    file
}

/// The closure of a command in an image of a clear layer and a private one.
fn closure(
    clear: &[(&str, &[u8])],
    private: &[(&str, &[u8])],
    rules: &PathRules,
    words: &[&str],
) -> Closure {
    let tars = [layer(clear), layer(private)];
    let changes: Vec<_> = tars
        .iter()
        .enumerate()
        .map(|(place, tar)| Changes::read(place, &tar[..]).unwrap())
        .collect();
    let difference = Difference::of(&changes, &[1].into(), rules).unwrap();
    let layers = tars.map(|tar| {
        let diff_id = DiffId(Digest::of(&tar));
        Layer::decrypted(MediaType::DOCKER_LAYER, tar.len() as u64, diff_id, Arc::new(tar))
    });
    let image = Image::new(Vec::new(), layers.to_vec());
    let mut list = Vec::new();
    List::write(words.iter().map(|word| word.as_bytes()), &mut list);
    let (entrypoint, empty) = (List::parse(&list).unwrap(), List::EMPTY);
    let command =
        Command { env: empty, entrypoint, cmd: empty, working_dir: b"/app", healthcheck: empty };
    Closure::of(&image, &difference, rules, &command).unwrap()
}

fn shown(closure: &Closure) -> Vec<String> {
    let shown = closure.expected.iter().map(|(path, noted)| match noted {
        Expected::File(0o755, ..) => format!("{path}"),
        Expected::File(..) => format!("{path} otherwise"),
        Expected::Folder => format!("{path}/"),
        Expected::Link(target) => format!("{path} > {}", str::from_utf8(target).unwrap()),
        Expected::Nothing => format!("no {path}"),
    });
    shown.collect()
}

const SHELL: [(&str, &[u8]); 3] =
    [("bin>", b"usr/bin"), ("usr/bin/busybox", b"\x7fELF"), ("usr/bin/sh>", b"busybox")];

#[test]
fn script_needs_the_shell_by_all_links_and_the_link_to_itself() {
    let private: [(&str, &[u8]); 1] = [("app/run", b"#!/bin/sh\n")];
    for words in [&["/app/run"][..], &["./run"], &["sh", "-c", "exec ./run && nothing -x"]] {
        let closure = closure(&SHELL, &private, &PathRules::default(), words);
        let mut shown = shown(&closure);
        // The shell is found in the fourth folder.
        shown.retain(|line| !line.starts_with("no ") && line != "/usr/");
        let expected = [
            "/app > /dev/sealcrate/app",
            "/bin > usr/bin",
            "/usr/bin/",
            "/usr/bin/busybox",
            "/usr/bin/sh > busybox",
        ];
        assert_eq!(shown, expected, "{words:?}");
        assert!(closure.beyond.is_empty());
    }
    let path = TreePath::parse(b"usr/bin/busybox").unwrap();
    let closure = closure(&SHELL, &private, &PathRules::default(), &["/app/run"]);
    let digest = *Digest::of(b"\x7fELF").as_bytes();
    assert_eq!(closure.expected.get(&path), Some(&Expected::File(0o755, 4, digest)));
}

#[test]
fn programs_in_front_of_the_right_one_are_noted_as_missing() {
    let closure = closure(&SHELL, &[("app/data", b"")], &PathRules::default(), &["sh"]);
    let missing = shown(&closure).into_iter().filter(|line| line.starts_with("no "));
    let expected = ["no /usr/local/bin/sh", "no /usr/local/sbin/sh", "no /usr/sbin/sh"];
    assert_eq!(missing.collect::<Vec<_>>(), expected);
}

#[test]
fn libraries_are_found_in_all_folders_and_noted_where_they_are_not() {
    let program =
        elf("/lib64/ld.so", &[(1, "liba.so"), (1, "libabsent.so"), (29, "$ORIGIN/../own")]);
    let library = elf("", &[(1, "libb.so")]);
    let clear: [(&str, &[u8]); 6] = [
        ("lib64/ld.so", b"\x7fELF"),
        ("opt/bin/program", &program),
        ("opt/own/liba.so", &library),
        ("usr/lib/x86_64-linux-gnu/liba.so", &library),
        ("usr/lib/configured/libb.so", b"\x7fELF"),
        ("etc/ld.so.conf", b"include /etc/other*.conf\n"),
    ];
    let clear = [&clear[..], &[("etc/other-1.conf", b"# none\n/usr/lib/configured\n")]].concat();
    let found =
        |rules: &PathRules| closure(&clear, &[("app/data", b"")], rules, &["/opt/bin/program"]);
    let closure = found(&PathRules::default());
    let shown = shown(&closure);
    for line in [
        "/lib64/ld.so",
        "/opt/bin/program",
        "/opt/own/liba.so",
        "/usr/lib/x86_64-linux-gnu/liba.so",
        "/usr/lib/configured/libb.so",
        "no /lib/liba.so",
        "no /usr/lib/x86_64-linux-gnu/libb.so",
        "no /opt/own/libb.so",
        "no /opt/own/glibc-hwcaps/x86-64-v2",
        "no /etc/ld.so.cache",
        "no /etc/ld.so.preload",
    ] {
        assert!(shown.iter().any(|shown| shown == line), "{line} is not in {shown:?}");
    }
    assert!(!shown.iter().any(|line| line.contains("libabsent")), "{shown:?}");
    assert!(!shown.iter().any(|line| line.contains("ld.so.conf")), "{shown:?}");

    let path = |text: &str| TreePath::parse(text.as_bytes()).unwrap();
    let unchecked = vec![path("opt/own"), path("etc/ld.so.cache")];
    let mountpoints = vec![path("usr/lib/configured")];
    let rules = PathRules { unchecked, mountpoints, ..PathRules::default() };
    let noted = found(&rules).expected;
    for folder in ["opt/own", "etc/ld.so.cache", "usr/lib/configured"] {
        assert!(!noted.keys().any(|noted| noted.is_within(&path(folder))), "{folder}");
    }
    assert!(noted.contains_key(&path("opt/bin/program")));
    let all = PathRules { unchecked: vec![TreePath::default()], ..PathRules::default() };
    assert!(found(&all).expected.is_empty());
}

#[test]
fn file_that_is_too_long_is_told_and_not_read() {
    let image = Image::new(Vec::new(), Vec::new());
    let kind = InodeKind::File { offset: 0, len: inspector::MAX_FILE + 1 };
    let inode = Inode { id: (0, 0), metadata: crate::Metadata::default(), kind };
    assert!(Inspector::of(&image).inspect(&inode).unwrap().is_none());
}
