//! The difference that locking makes: the whole image comes out of it again, and each reason against it is
//! named.

#![allow(clippy::unwrap_used)]

mod file_system;
mod stays;
mod steps;
mod whole;
