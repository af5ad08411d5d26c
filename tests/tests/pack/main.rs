//! Packed programs, as their users make and start them: what they do that the bare program does,
//! what they tell nobody, and what they refuse.

#![allow(missing_docs, clippy::unwrap_used)]

mod age;
mod confined;
mod containers;
mod damage;
mod ended;
mod example;
mod foreign;
mod in_folder;
mod kinds;
mod limits;
mod programs;
mod refused;
mod respond;
mod respond_image;
mod same;
mod start;
mod terminal;
