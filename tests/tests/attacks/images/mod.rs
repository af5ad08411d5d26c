//! What a stranger changes in an image, and in an index.

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
