//! x
mod docker_host;
fn main() {}
