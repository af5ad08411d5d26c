//! The program itself: its outputs, its help, and the files that start it as a service.

mod deploy;
mod generated;
mod output;
