//! QEMU's own control socket.
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// An open control socket.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    /// Names of the events that came so far.
    pub events: Vec<String>,
}

impl Qmp {
    /// Fails when QEMU is not there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
            events: Vec::new(),
        };
        qmp.line()?;
        qmp.ask("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Runs a command; events that come before its answer are kept. Fails when QEMU hangs up.
    pub fn ask(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.reader.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let answer = self.line()?;
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            if let Some(event) = answer.get("event").and_then(Value::as_str) {
                self.events.push(event.to_owned());
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }
}
