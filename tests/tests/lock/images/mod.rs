//! Locked images themselves: what is in them, and the way back.

mod back;
mod exchanged;
mod places;
mod reuse;
mod secrecy;
