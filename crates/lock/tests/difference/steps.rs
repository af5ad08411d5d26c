//! Layers in a few words, and the tar files that they stand for.

/// One step of a layer, as tar files have it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    File(&'static str, u8),
    Folder(&'static str, u32),
    HardLink(&'static str, &'static str),
    Opaque(&'static str),
    Symlink(&'static str, &'static str),
    Whiteout(&'static str),
}

/// Appends an entry to a tar file.
pub(crate) fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
    target: &str,
) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_mtime(u64::from(mode));
    header.set_uid(u64::from(mode & 7));
    header.set_gid(5);
    match kind {
        tar::EntryType::Symlink | tar::EntryType::Link => {
            builder.append_link(&mut header, path, target).unwrap();
        }
        _ => builder.append_data(&mut header, path, content).unwrap(),
    }
}

/// Makes the tar file of a layer.
pub(crate) fn tar_of(steps: &[Step]) -> Vec<u8> {
    use tar::EntryType;
    let mut builder = tar::Builder::new(Vec::new());
    for step in steps {
        let builder = &mut builder;
        match step {
            Step::File(path, content) => {
                append(
                    builder,
                    path,
                    EntryType::Regular,
                    0o640,
                    &vec![*content; usize::from(*content) * 7],
                    "",
                );
            }
            Step::Folder(path, mode) => {
                append(builder, &format!("{path}/"), EntryType::Directory, *mode, b"", "");
            }
            Step::HardLink(path, target) => {
                append(builder, path, EntryType::Link, 0o600, b"", target);
            }
            Step::Opaque(path) => {
                append(builder, &format!("{path}/.wh..wh..opq"), EntryType::Regular, 0, b"", "");
            }
            Step::Symlink(path, target) => {
                append(builder, path, EntryType::Symlink, 0o777, b"", target);
            }
            Step::Whiteout(path) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let path = format!("{folder}/.wh.{name}");
                append(builder, path.trim_start_matches('/'), EntryType::Regular, 0, b"", "");
            }
        }
    }
    builder.into_inner().unwrap()
}
