//! What a stranger tries, who can write to the registry or sits before it, and has no key: one module an idea,
//! and one test an attempt, named for what the stranger wants.

mod log;
mod output;
mod stranger;
