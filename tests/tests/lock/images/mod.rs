//! Locked images themselves: their content, and the way back.

mod back;
mod exchanged;
mod places;
mod reuse;
mod secrecy;
