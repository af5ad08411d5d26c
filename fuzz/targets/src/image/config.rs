//! Image configs, and the layers that are chosen from them.

use sealcrate_crypt::select::Selection;
use sealcrate_image::{ChainId, Config, MAX_LAYERS};

/// Parses bytes as a config, and chooses layers in every way.
pub(crate) fn run(data: &[u8]) {
    let Ok(config) = Config::parse(data) else { return };
    let layers = config.diff_ids().len();
    assert!(layers <= MAX_LAYERS);
    assert_eq!(ChainId::of(config.diff_ids()).len(), layers);
    if let Some(platform) = config.platform() {
        assert_eq!(platform.to_string().parse().ok().as_ref(), Some(&platform));
        assert!(platform.serves(&platform));
    }

    let half = config.diff_ids()[..layers / 2].to_vec();
    let above: Vec<usize> = (half.len()..layers).collect();
    assert_eq!(chosen(&Selection::Above(half), &config), above);
    assert_eq!(chosen(&Selection::All, &config), Vec::from_iter(0..layers));
    for index in [0, -1, layers as i64 - 1, i64::from(data[0]) - 128] {
        let found = chosen(&Selection::Indices(vec![index]), &config);
        let place = if index < 0 { layers as i64 + index } else { index };
        let expected = usize::try_from(place).ok().filter(|&place| place < layers);
        assert_eq!(found, Vec::from_iter(expected), "{index}");
    }
    // The entries that the label switches on are layers of the image, or the selection is an error.
    let by_label = chosen(&Selection::Label, &config);
    assert!(by_label.iter().all(|&place| place < layers));
}

/// Returns the places that a selection chooses, or none if the selection is an error.
fn chosen(selection: &Selection, config: &Config) -> Vec<usize> {
    selection.of(config).map(Vec::from_iter).unwrap_or_default()
}
