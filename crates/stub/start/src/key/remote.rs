//! The prompt for a program whose key is elsewhere: it shows a challenge, and reads a response.

use core::fmt::Write as _;

use sealcrate_agefile::{FileKey, Header, X25519Key};
use sealcrate_packfile::challenge::{self, Fingerprint};
use sealcrate_packfile::response::{self, Response};
use zeroize::Zeroizing;

use crate::failure::{Failure, Place};
use crate::key::terminal::Terminal;
use crate::memory::Pages;
use crate::system;

/// Asks for the file key of `header`, and checks the response.
pub fn ask(terminal: &mut Terminal, header: &Header<'_>) -> Result<FileKey, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    system::random(&mut *bytes).map_err(Failure::Random)?;
    let secret = X25519Key::new(*bytes);
    let mut buffer = Pages::new(challenge::line_len(header.bytes().len()))
        .map_err(|_| Failure::Memory("the challenge"))?;
    let line = challenge::write(&secret.public(), header, &mut buffer);

    let fingerprint = Fingerprint::of(line);
    let shown = writeln!(
        terminal,
        "No key here. Whoever has it answers this line with `sealcrate respond`:\n{line}\n\
         Both sides should see the fingerprint {fingerprint}."
    );
    shown.map_err(|_| terminal.failure())?;
    let answer = terminal.ask_lines("Response: ", response::is_unfinished)?;

    let wrong = |_| Failure::WrongKey(Place::Terminal);
    let response = Response::parse(answer.text()).map_err(Failure::Response)?;
    let file_key = response.open(line, &secret).map_err(Failure::Response)?;
    header.check(&file_key).map_err(wrong)?;
    Ok(file_key)
}
