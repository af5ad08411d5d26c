//! The parts of private layers, and which files have their content in them.

use sealcrate_packfile::index::{Entry, EntryKind, Index, IndexLayer, Part};

/// The place of a part: a range of the bytes of a layer's tar file.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) layer: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether this is the last part of its layer. Empty files at the layer's end belong to the last part.
    pub(crate) is_last: bool,
}

impl Piece {
    /// Tells whether all of a file's content lies before this part.
    pub(crate) fn is_behind(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, offset, len } = entry.kind else { return true };
        layer < self.layer
            || layer == self.layer && offset < self.start && offset + len <= self.start
    }

    /// Tells whether all of this part lies before a file's content.
    pub(crate) fn is_before(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, offset, .. } = entry.kind else { return false };
        self.layer < layer || self.layer == layer && self.end <= offset && !self.is_last
    }

    /// Tells whether a file begins within this part or before it. The file's content must not lie before this
    /// part.
    pub(crate) fn has(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { layer, .. } = entry.kind else { return false };
        layer == self.layer && !self.is_before(entry)
    }

    /// Tells whether a file's content goes beyond this part.
    pub(crate) fn cuts(&self, entry: &Entry<'_>) -> bool {
        let EntryKind::File { offset, len, .. } = entry.kind else { return false };
        offset < self.start || offset + len > self.end
    }
}

/// Returns all parts, each with its layer and its place.
pub(crate) fn pieces<'i>(
    index: &Index<'i>,
) -> impl Iterator<Item = (Piece, Part, &'i str)> + Clone + use<'i> {
    (0..)
        .zip(index.layers())
        .filter_map(|(layer, kind)| match kind {
            IndexLayer::Private { identity, parts, .. } => Some((layer, identity, parts)),
            IndexLayer::Clear { .. } => None,
        })
        .flat_map(|(layer, identity, parts)| {
            let last = parts.iter().len().saturating_sub(1);
            parts.iter().enumerate().scan(0, move |start, (number, part)| {
                let piece =
                    Piece { layer, start: *start, end: *start + part.len, is_last: number == last };
                *start = piece.end;
                Some((piece, part, identity))
            })
        })
}

/// Returns the files whose contents lie in several parts.
pub(crate) fn cut_files<'i>(index: &Index<'i>) -> impl Iterator<Item = Entry<'i>> + use<'i> {
    let mut pieces = pieces(index).map(|(piece, ..)| piece).peekable();
    index.entries().filter(move |entry| {
        if !matches!(entry.kind, EntryKind::File { .. }) {
            return false;
        }
        // The files and the parts both come in the order of contents.
        while pieces.next_if(|piece| piece.is_before(entry)).is_some() {}
        pieces.peek().is_some_and(|piece| piece.cuts(entry))
    })
}
