//! Server-sent events (WHATWG HTML §9.2), the part of them that the daemon sends: `id`, `event`, `data`.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::ClientError;
use super::connection::{Connection, broken};

/// The longest event that is taken, in bytes.
pub const EVENT_LIMIT: usize = 4 << 20;

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Where to resume: give it as `last_id`.
    pub id: Option<String>,
    /// The kind; `message` if none was sent.
    pub event: String,
    /// The data, one JSON document.
    pub data: String,
}

impl StreamEvent {
    /// The data as a type of this crate.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.data)
            .map_err(|error| ClientError::Protocol(format!("unexpected event: {error}")))
    }
}

/// An open stream of events. Dropping it closes its connection.
pub struct Stream {
    /// Held so that the connection lives as long as the stream.
    _connection: Connection,
    body: Incoming,
    parser: Parser,
}

impl Stream {
    pub(super) fn new(connection: Connection, body: Incoming) -> Self {
        Self { _connection: connection, body, parser: Parser::default() }
    }

    /// The next event; `None` when the daemon has ended the stream.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        loop {
            if let Some(event) = self.parser.next()? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() {
                        self.parser.push(&bytes);
                    }
                }
            }
        }
    }
}

/// Cuts bytes into events.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    /// Up to here the buffer holds no line feed.
    scanned: usize,
    pending: StreamEvent,
    has_data: bool,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        while let Some(offset) = self.buffer[self.scanned..].iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=self.scanned + offset).collect();
            self.scanned = 0;
            let line = String::from_utf8_lossy(&line);
            if let Some(event) = self.line(line.trim_end_matches(['\r', '\n'])) {
                return Ok(Some(event));
            }
        }
        self.scanned = self.buffer.len();
        if self.buffer.len() + self.pending.data.len() > EVENT_LIMIT {
            return Err(ClientError::Protocol(format!("an event is larger than {EVENT_LIMIT} bytes")));
        }
        Ok(None)
    }

    fn line(&mut self, line: &str) -> Option<StreamEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.pending);
            return std::mem::take(&mut self.has_data).then(|| StreamEvent {
                event: if event.event.is_empty() { "message".to_owned() } else { event.event },
                ..event
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.pending.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.pending.event),
            "data" => {
                if self.has_data {
                    self.pending.data.push('\n');
                }
                self.pending.data.push_str(value);
                self.has_data = true;
            }
            // A comment keeps the connection alive; unknown fields are for later releases.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIRE: &str = ": hi\n\nid: a-1\nevent: run\ndata: {\"x\":\ndata: 1}\n\ndata: 2\r\n\r\n";

    fn events(chunks: &[&[u8]]) -> Vec<StreamEvent> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(chunk);
            while let Ok(Some(event)) = parser.next() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn events_are_cut_at_blank_lines() {
        let events = events(&[WIRE.as_bytes()]);
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].id.as_deref(), events[0].event.as_str()), (Some("a-1"), "run"));
        assert_eq!(events[0].data, "{\"x\":\n1}");
        assert_eq!((events[1].event.as_str(), events[1].data.as_str()), ("message", "2"));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_network_cuts(at in 0..WIRE.len()) {
            let (left, right) = WIRE.as_bytes().split_at(at);
            prop_assert_eq!(events(&[left, right]), events(&[WIRE.as_bytes()]));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        parser.push(&vec![b'x'; EVENT_LIMIT + 1]);
        assert!(parser.next().is_err());
    }
}
