//! x
mod credentials;
mod registry_access;

fn main() {}
