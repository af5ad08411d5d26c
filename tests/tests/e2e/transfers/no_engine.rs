//! How sealcrate finds the engine, and the images that it reads from it.

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::Machine;

#[test]
fn engine_that_is_not_there_is_an_error_that_names_the_ways_out() {
    let machine = Machine::new();
    let nowhere = format!("unix://{}", machine.path("nowhere.sock").display());
    let inspect = ["inspect", "docker-daemon:x"];
    let done = Done::of(machine.sealcrate(&inspect).env("DOCKER_HOST", &nowhere)).failed(1);
    assert!(done.stderr.contains("nowhere.sock"), "{}", done.said());
    let hint = done.lines("hint: ")[0];
    assert!(hint.contains("DOCKER_HOST") && hint.contains("--from"), "{}", done.said());
}
