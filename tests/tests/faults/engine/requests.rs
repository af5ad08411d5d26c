//! The requests of a pull into an engine that has the layers.

use sealcrate_test_kit::FaultProxy;
use sealcrate_tests::fixtures::{Pushed, image_of, requests, run, succeeded};

#[test]
fn layers_that_the_engine_holds_are_not_fetched() {
    let pushed = Pushed::new(image_of(1000));
    let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
    let name = format!("{}/app:1", proxy.host());
    let (first, second) = (pushed.machine.engine_target(), pushed.machine.engine_target());
    for target in [&first, &second] {
        succeeded(&run(&mut pushed.machine.pull_into(&name, target)));
        pushed.machine.assert_has(&pushed.image, target);
    }
    for layer in [pushed.layer(0), pushed.layer(1)] {
        assert_eq!(requests(&proxy, "GET", &layer).len(), 1);
    }
}
