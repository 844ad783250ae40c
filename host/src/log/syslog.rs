//! The way to syslog: datagrams to /dev/log, or a stream where a syslogd listens on one.
//!
//! Never waits. Lines are what syslogd expects of local programs (RFC 3164, section 4.3.2): `<PRIORITY>TAG: TEXT`.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::format::Line;

/// What connect(2) says of a datagram socket where a stream is served.
const OTHER_TYPE: i32 = libc::EPROTOTYPE;

/// A connection to syslogd.
#[derive(Debug)]
pub(super) enum Syslog {
    /// As nearly everywhere.
    Datagram(UnixDatagram),
    /// Lines end with a zero byte, for a stream knows no other end.
    Stream(UnixStream),
}

impl Syslog {
    /// Connects to the socket at `path`, whatever its type.
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        match socket.connect(path) {
            Ok(()) => Ok(Self::Datagram(socket)),
            Err(e) if e.raw_os_error() == Some(OTHER_TYPE) => {
                // non-blocking from the start: a syslogd that accepts nobody would keep std's connect waiting
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                socket.connect(&SockAddr::unix(path)?)?;
                Ok(Self::Stream(UnixStream::from(OwnedFd::from(socket))))
            }
            Err(e) => Err(e),
        }
    }

    /// Sends one line whole, or fails.
    pub(super) fn send(&mut self, line: &mut Line) -> io::Result<()> {
        match self {
            Self::Datagram(socket) => socket.send(line.bytes()).map(|_| ()),
            Self::Stream(stream) => {
                let mut whole = [0; super::LINE_MAX + 1];
                let length = line.bytes().len();
                if let Some(place) = whole.get_mut(..length) {
                    place.copy_from_slice(line.bytes());
                }
                let bytes = whole.get(..=length).unwrap_or(&[]);
                match stream.write(bytes)? {
                    // the rest of a torn line would be taken for another one: so a new connection
                    short if short < bytes.len() => Err(io::ErrorKind::WriteZero.into()),
                    _ => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Facility, Level, Log, Targets};
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_syslog_that_listens_on_a_stream_and_comes_back() {
        let path = std::env::temp_dir().join(format!("ovzha-devlog-stream-{}", std::process::id()));
        let targets = Targets {
            facility: Facility::parse("local0"),
            ..Targets::default()
        };
        let mut log = Log::open(targets, "n").unwrap();
        log.socket = Box::leak(path.clone().into_boxed_path());
        let pid = std::process::id();
        for life in 1..=2 {
            let syslog = UnixListener::bind(&path).unwrap();
            log.line(Level::Info, format_args!("life {life}"));
            log.line(Level::Error, format_args!("two\nlines"));
            let (mut stream, _) = syslog.accept().unwrap();
            let mut bytes = [0; 256];
            let mut got = 0;
            let expected = format!("<134>ovzha[{pid}]: info: life {life}\0<131>ovzha[{pid}]: error: two\\nlines\0");
            while got < expected.len() {
                let more = stream.read(&mut bytes[got..]).unwrap();
                assert!(more > 0, "{:?}", String::from_utf8_lossy(&bytes[..got]));
                got += more;
            }
            assert_eq!(String::from_utf8_lossy(&bytes[..got]), expected);
            drop((stream, syslog));
            std::fs::remove_file(&path).unwrap();
            assert_eq!(log.lost(), (0, 0));
        }
        // nobody reads: lines are dropped, nobody waits
        let _syslog = UnixListener::bind(&path).unwrap();
        for _ in 0..20_000 {
            log.line(Level::Info, format_args!("more"));
        }
        assert!(log.lost().0 > 0);
        std::fs::remove_file(&path).unwrap();
    }
}
