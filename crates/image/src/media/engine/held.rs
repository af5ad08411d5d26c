//! Layers that an engine holds already. A layer counts as held only together with the whole stack
//! below it.

use std::collections::HashSet;

use crate::{ChainId, Config, DiffId, Image, Layer};

use super::EngineError;
use super::client::{Client, Store};

/// Tells for each layer of `image` whether the engine holds it, so that an archive need not have
/// it. Only the classic store loads such an archive.
pub(super) fn held(client: &Client, image: &Image) -> Result<Vec<bool>, EngineError> {
    if image.layers.is_empty() || client.store() != Store::Classic {
        return Ok(vec![false; image.layers.len()]);
    }
    let mut held = HashSet::new();
    for image in client.images()? {
        held.extend(ChainId::of(&image.diff_ids));
    }
    let chain = ChainId::of(&diff_ids(image));
    let is_held = |i| chain.get(i).is_some_and(|id| held.contains(id));
    Ok((0..image.layers.len()).map(is_held).collect())
}

/// Returns the diff IDs that the config names. Where no config can be read, returns the layers'
/// own, up to the first layer that has none.
pub(super) fn diff_ids(image: &Image) -> Vec<DiffId> {
    match Config::parse(&image.config) {
        Ok(config) => config.diff_ids().to_vec(),
        Err(_) => image.layers.iter().map_while(Layer::diff_id).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{Fake, image, layer};

    fn holding(image: &Image) -> Fake {
        let (id, diff_ids) = (image.id(), diff_ids(image));
        Fake::start(move |request, mut caller| caller.classic(request, id, &diff_ids))
    }

    fn present(fake: &Fake, image: &Image) -> Result<Vec<bool>, crate::WriteError> {
        fake.connect().sink(None).present(image)
    }

    #[test]
    fn layers_of_a_docker_engine_are_present() {
        let held = image(vec![layer(vec![1]), layer(vec![2])]);
        let wanted = image(vec![layer(vec![1]), layer(vec![3]), layer(vec![2])]);
        let fake = holding(&held);
        assert_eq!(present(&fake, &wanted).unwrap(), [true, false, false]);
        assert_eq!(present(&fake, &held).unwrap(), [true, true]);
    }

    #[test]
    fn layers_of_an_engine_that_does_not_say_how_it_keeps_them_are_never_present() {
        let held = image(vec![layer(vec![1])]);
        let (id, diff_ids) = (held.id(), diff_ids(&held));
        let fake = Fake::start(move |request, mut caller| match request {
            "GET /info" => caller.answer(403, br#"{"message":"not for you"}"#),
            other => caller.classic(other, id, &diff_ids),
        });
        assert_eq!(present(&fake, &held).unwrap(), [false]);
    }

    #[test]
    fn layers_in_other_stores_are_never_present() {
        let held = image(vec![layer(vec![1])]);
        let (id, diff_ids) = (held.id(), diff_ids(&held));
        let engine = |name| serde_json::json!({"Components": [{"Name": name, "Version": "1"}]});
        let containerd = serde_json::json!({"Driver": "overlayfs",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]});
        let classic = serde_json::json!({"Driver": "overlay2", "DriverStatus": []});
        for (name, info) in [("Engine", containerd), ("Podman Engine", classic)] {
            let (version, diff_ids) = (engine(name), diff_ids.clone());
            let fake = Fake::start(move |request, mut caller| match request {
                "GET /version" => caller.json(&version),
                "GET /info" => caller.json(&info),
                other => caller.classic(other, id, &diff_ids),
            });
            assert_eq!(present(&fake, &held).unwrap(), [false], "{name}");
        }
    }
}
