//! Changes of a stranger to images and indexes.

mod attestations;
mod choices;
mod homes;
mod indexes;
mod joined;
mod members;
mod nested;
mod output;
mod readers;
mod record;
