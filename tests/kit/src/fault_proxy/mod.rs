//! A proxy before a plain registry that makes faults by script and records every request.
//!
//! It forwards heads and bodies as they are, `Host` included, so that the registry's absolute
//! `Location` addresses lead back through it.

mod fault;
mod forward;
mod record;
#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use self::forward::{AT_ONCE, Client, Connection, Exchange};
use self::record::Records;
use crate::http::{Body, Headers, RequestHead, ResponseHead};
use crate::server::Listener;

pub use self::fault::{Fault, Rule};
pub use self::record::RecordedRequest;

/// The running proxy; it accepts no more connections when it goes out of scope.
#[derive(Debug)]
pub struct FaultProxy {
    listener: Listener,
    script: Arc<Script>,
}

impl FaultProxy {
    /// Starts a proxy before `upstream` (`127.0.0.1:PORT`). Of the rules that match a request the
    /// first one counts, and all of them count the request.
    ///
    /// # Panics
    /// If 127.0.0.1 has no free port.
    pub fn start(upstream: &str, rules: Vec<Rule>) -> Self {
        let script = Arc::new(Script {
            upstream: upstream.to_owned(),
            rules: Mutex::new(rules),
            records: Records::default(),
        });
        let listener = Listener::start({
            let script = Arc::clone(&script);
            move |stream, _| script.serve(stream)
        });
        Self { listener, script }
    }

    /// Returns `127.0.0.1:PORT`, to be used in place of the registry's host.
    pub fn host(&self) -> String {
        self.listener.host()
    }

    /// Adds a rule after the others, for requests from now on.
    pub fn add_rule(&self, rule: Rule) {
        self.script.rules().push(rule);
    }

    /// Returns the requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.script.records.all()
    }
}

/// The state that the connections' threads share.
#[derive(Debug)]
struct Script {
    upstream: String,
    rules: Mutex<Vec<Rule>>,
    records: Records,
}

impl Script {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut client = Client { writer: stream.try_clone()?, reader: BufReader::new(stream) };
        while let Some(head) = RequestHead::read(&mut client.reader)? {
            let record = self.records.add(&head);
            let fault = self.fault_for(&head);
            let exchange = Exchange { head: &head, fault: fault.as_ref(), record };
            let done = self.exchange(&mut client, exchange);
            if !matches!(done, Ok(Connection::Open)) {
                // The acceptor's threads hold no other copy, so the client sees the end now.
                let _ = client.writer.shutdown(Shutdown::Both);
                return done.map(drop);
            }
        }
        Ok(())
    }

    fn fault_for(&self, head: &RequestHead) -> Option<Fault> {
        let mut found = None;
        for rule in self.rules().iter_mut() {
            if rule.applies(head) && found.is_none() {
                found = Some(rule.fault.clone());
            }
        }
        found
    }

    fn exchange(&self, client: &mut Client, exchange: Exchange<'_>) -> io::Result<Connection> {
        let mut head = exchange.head.clone();
        match exchange.fault {
            Some(Fault::CutBeforeRequestBody) => return Ok(Connection::Spent),
            Some(Fault::Answer { status, headers }) => {
                return answer(client, exchange, *status, Headers::of(headers.clone()), b"");
            }
            Some(Fault::Serve { content_type, body }) => {
                let headers = Headers::of([("Content-Type", content_type)]);
                return answer(client, exchange, 200, headers, body);
            }
            Some(Fault::RedirectTo(host)) => {
                let location = format!("http://{host}{}", head.target());
                return answer(client, exchange, 307, Headers::of([("Location", location)]), b"");
            }
            Some(Fault::Delay(time)) => thread::sleep(*time),
            Some(Fault::Hold(gate)) => gate.wait(),
            Some(Fault::Authorize(value)) => {
                head.headers.remove("Authorization");
                head.headers.add("Authorization", value.as_str());
            }
            _ => (),
        }
        Exchange { head: &head, ..exchange }.forward(client, &self.upstream)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers in place of the registry. It reads the request to its end, so that the client has no
/// reason to miss the answer.
fn answer(
    client: &mut Client,
    Exchange { head, record, .. }: Exchange<'_>,
    status: u16,
    mut headers: Headers,
    body: &[u8],
) -> io::Result<Connection> {
    let mut request = Body::new(head.framing()?);
    while let Some(piece) = request.piece(&mut client.reader, AT_ONCE)? {
        record.count(&piece);
    }
    record.answered(status);
    headers.add("Content-Length", body.len().to_string());
    ResponseHead::scripted(status, headers).write(&mut client.writer)?;
    client.writer.write_all(body)?;
    Ok(Connection::Open)
}
