//! The content of the measured images, and the tasks for each.

use super::case::Case;
use crate::steps::Extent;

/// The content of an image.
pub(super) struct Recipe {
    /// The name in tables.
    pub(super) name: &'static str,
    /// Its folder's.
    pub(super) short: &'static str,
    /// The layers, lowest first.
    pub(super) layers: &'static [LayerRecipe],
    pub(super) cases: &'static [Case],
}

/// The content of a layer.
pub(super) struct LayerRecipe {
    /// How many megabytes of files it has, or a little less or more.
    pub(super) megabytes: u64,
    pub(super) privacy: Privacy,
}

/// Tells whether tools encrypt a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    Clear,
    Private,
}

const fn layer(megabytes: u64, privacy: Privacy) -> LayerRecipe {
    LayerRecipe { megabytes, privacy }
}

/// Those of which a build changes only the top layer.
const ALL: &[Case] = &[
    Case::Push,
    Case::PushChanged,
    Case::PushUnchanged,
    Case::PushGzipped,
    Case::PushUncompressed,
    Case::Pull,
    Case::PullToLayout,
];

const SMALL: Recipe = Recipe {
    name: "2 MB, 1 private layer",
    short: "2",
    layers: &[layer(2, Privacy::Private)],
    cases: &[Case::Push, Case::Pull],
};

const FULL: &[Recipe] = &[
    Recipe {
        name: "330 MB, 1 clear and 3 private layers",
        short: "330",
        layers: &[
            layer(90, Privacy::Clear),
            layer(140, Privacy::Private),
            layer(90, Privacy::Private),
            layer(8, Privacy::Private),
        ],
        cases: ALL,
    },
    Recipe {
        name: "1.1 GB, 1 private layer",
        short: "1100",
        layers: &[layer(1100, Privacy::Private)],
        cases: &[
            Case::Push,
            Case::PushGzipped,
            Case::PushUncompressed,
            Case::Pull,
            Case::PullToLayout,
        ],
    },
    SMALL,
];

const QUICK: &[Recipe] = &[
    Recipe {
        name: "60 MB, 1 clear and 3 private layers",
        short: "60",
        layers: &[
            layer(15, Privacy::Clear),
            layer(25, Privacy::Private),
            layer(15, Privacy::Private),
            layer(5, Privacy::Private),
        ],
        cases: ALL,
    },
    SMALL,
];

/// Returns the images that are measured.
pub(super) fn all(extent: Extent) -> &'static [Recipe] {
    match extent {
        Extent::Full => FULL,
        Extent::Quick => QUICK,
    }
}

impl Recipe {
    /// Returns the places of the layers that tools encrypt. 0 is the lowest.
    pub(super) fn private(&self) -> impl Iterator<Item = usize> {
        let layers = self.layers.iter().enumerate();
        layers.filter(|(_, layer)| layer.privacy == Privacy::Private).map(|(place, _)| place)
    }

    /// Tells whether it is also made with another top layer.
    pub(super) fn changes(&self) -> bool {
        self.cases.contains(&Case::PushChanged)
    }
}
