//! Holes: pages of zeros in the files of a layer, which take no memory when they are unlocked.

use std::collections::HashMap;
use std::io::{self, Read};

use sealcrate_packfile::index::PAGE;

/// The bytes of holes in each file, by the layer and the place of the content in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holes(HashMap<(usize, u64), u64>);

impl Holes {
    /// Looks for holes in a file of a layer, whose content is read to its end.
    ///
    /// # Errors
    /// The content cannot be read.
    pub(crate) fn look(
        &mut self,
        layer: usize,
        offset: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let mut page = Vec::with_capacity(PAGE as usize);
        // The last page is written in any case, so that a page counts when another one follows.
        let (mut holes, mut is_hole) = (0, false);
        loop {
            page.clear();
            if content.take(PAGE).read_to_end(&mut page)? == 0 {
                break;
            }
            holes += if is_hole { PAGE } else { 0 };
            is_hole = page.iter().all(|byte| *byte == 0);
        }
        if holes > 0 {
            self.0.insert((layer, offset), holes);
        }
        Ok(())
    }

    /// Adds the holes of another layer.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns how many bytes of the file at a place of a layer are holes.
    pub(crate) fn in_file(&self, layer: usize, offset: u64) -> u64 {
        self.0.get(&(layer, offset)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes_in(content: &[u8]) -> u64 {
        let mut holes = Holes::default();
        holes.look(2, 512, &mut &*content).unwrap();
        assert_eq!(holes.in_file(1, 512) + holes.in_file(2, 513), 0, "of other files");
        holes.in_file(2, 512)
    }

    #[test]
    fn whole_pages_of_zeros_are_holes_but_for_the_last() {
        let zeros = [0; 4 * PAGE as usize];
        let page = PAGE as usize;
        assert_eq!(holes_in(b""), 0);
        assert_eq!(holes_in(&zeros[..page]), 0);
        assert_eq!(holes_in(&zeros[..page + 1]), PAGE);
        assert_eq!(holes_in(&zeros), 3 * PAGE);
        assert_eq!(holes_in(&[b"x", &zeros[1..]].concat()), 2 * PAGE);
        assert_eq!(holes_in(&[&zeros[..2 * page], b"x"].concat()), 2 * PAGE);
        assert_eq!(holes_in(&[&zeros[..page + 1], b"x", &zeros[..page]].concat()), PAGE);
    }
}
