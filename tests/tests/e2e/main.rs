//! The binary as its users run it, with a real engine and real registries: its work, and its
//! refusals.

#![allow(missing_docs, clippy::unwrap_used)]

mod age_recipients;
mod attestations;
mod builders;
mod containerd;
mod decoder;
mod deploy;
mod engine;
mod fixtures;
mod generated;
mod indexes;
mod inspect;
mod key_providers;
mod keyprovider;
mod keyprovider_service;
mod openpgp;
mod output;
mod passphrases;
mod places;
mod protection;
mod pull;
mod recipients;
mod reencrypt;
mod registries;
mod rewrap;
mod selection;
mod terminal;
mod to_recipients;
