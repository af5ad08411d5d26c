//! OCI layouts, whose blobs are made to have the digests that name them.

use std::sync::Arc;

use sealcrate_image::archive::OciArchiveSource;
use sealcrate_image::{Digest, Source};

use crate::image::reading;
use crate::parts::parts;

/// Puts parts into a layout, the first as `index.json` and the others as blobs, and reads its
/// image.
///
/// `$N` in a part, where N is a digit, stands for the digest and size of a later part, counted from
/// 0: the text `"sha256:…","size":…`.
pub(crate) fn run(data: &[u8]) {
    let mut parts: Vec<Vec<u8>> = parts(data).into_iter().map(<[u8]>::to_vec).collect();
    for place in (0..parts.len()).rev() {
        parts[place] = resolved(&parts, place);
    }
    let mut tar = Tar::default();
    tar.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    for (i, part) in parts.iter().enumerate() {
        if i == 0 {
            tar.add("index.json", part);
        } else {
            tar.add(&format!("blobs/sha256/{}", Digest::of(part).hex()), part);
        }
    }
    let Ok(source) = OciArchiveSource::open(reading::file_of(&tar.bytes()), None) else { return };
    let source: Arc<dyn Source> = Arc::new(source);
    if let Ok(image) = reading::image(&source) {
        reading::all_layers_are_whole(&image);
    }
}

/// Returns the part at `place` with later ones named in it.
fn resolved(parts: &[Vec<u8>], place: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = parts[place].as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let named = after.first().and_then(|digit| char::from(*digit).to_digit(10));
        match named.map(|named| named as usize).filter(|&named| byte == b'$' && named > place) {
            Some(named) if named < parts.len() => {
                let (digest, size) = (Digest::of(&parts[named]), parts[named].len());
                out.extend(format!("\"{digest}\",\"size\":{size}").into_bytes());
                rest = &after[1..];
            }
            _ => out.push(byte),
        }
    }
    out
}

/// A tar that is being put together, in which a name occurs once.
#[derive(Default)]
struct Tar {
    builder: Option<tar::Builder<Vec<u8>>>,
    names: Vec<String>,
}

impl Tar {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        if self.names.iter().any(|other| other == name) {
            return;
        }
        self.names.push(name.to_owned());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        self.builder
            .get_or_insert_with(|| tar::Builder::new(Vec::new()))
            .append_data(&mut header, name, bytes)
            .expect("memory takes what is written");
    }

    fn bytes(self) -> Vec<u8> {
        let builder = self.builder.expect("something was added");
        builder.into_inner().expect("memory takes what is written")
    }
}
