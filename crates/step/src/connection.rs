//! Lines in, lines out. Buffers are kept between messages: outpace times what happens here.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use crate::serve::ServeError;
use crate::{MAX_MESSAGE_BYTES, Reply};

/// A stream of messages.
pub(crate) struct Connection<S> {
    stream: BufReader<S>,
    /// The last request.
    line: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
        }
    }

    /// Sends a reply in one piece.
    pub(crate) fn send(&mut self, reply: &Reply) -> Result<(), ServeError> {
        let mut line = serde_json::to_vec(reply).map_err(|e| ServeError::Send(e.into()))?;
        line.push(b'\n');
        self.write(&line).map_err(ServeError::Send)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        // The buffer is that of the reader: what is written does not pass through it.
        let stream = self.stream.get_mut();
        stream.write_all(line)?;
        stream.flush()
    }

    /// The next request without its line break. None when outpace has closed the connection.
    pub(crate) fn receive(&mut self) -> Result<Option<&[u8]>, ServeError> {
        self.line.clear();
        let mut limited = (&mut self.stream).take(MAX_MESSAGE_BYTES as u64);
        let bytes = limited
            .read_until(b'\n', &mut self.line)
            .map_err(ServeError::Receive)?;
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Some(line)),
            None if bytes == 0 => Ok(None),
            None if bytes == MAX_MESSAGE_BYTES => Err(ServeError::TooLong),
            None => Err(ServeError::CutOff { bytes }),
        }
    }
}
