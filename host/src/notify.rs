//! Tells systemd how the daemon is doing, as `sd_notify(3)` does: one datagram each.
//!
//! Never waits: what the socket does not take at once is dropped. The name of the socket stays in the environment, so
//! the next life after a re-exec tells on; children get an environment of their own, without it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::sys;

/// Where systemd listens; nobody there is no error.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    said: String,
}

impl Notify {
    /// The socket that `NOTIFY_SOCKET` names.
    #[must_use]
    pub fn open() -> Self {
        std::env::var_os("NOTIFY_SOCKET").map_or_else(Self::default, |name| Self::to(name.as_bytes()))
    }

    /// The socket of this name: a path, or an abstract name behind an `@`.
    #[must_use]
    pub fn to(name: &[u8]) -> Self {
        let address = match name.split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name),
            Some((b'/', _)) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
            Some(_) | None => return Self::default(),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let to = socket.ok().zip(address.ok());
        Self {
            to,
            said: String::new(),
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.to {
            // a supervisor that is away or busy learns it with the next one
            drop(socket.send_to_addr(text.as_bytes(), address));
        }
    }

    /// The loop runs.
    pub fn ready(&self) {
        self.send(&format!("READY=1\nMAINPID={}\n", sys::own_pid()));
    }

    /// The files are read again, or the process is about to execute itself anew; `ready` ends it.
    pub fn reloading(&self) {
        let now = sys::monotonic_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}\n"));
    }

    /// The orderly stop has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    /// One line for `systemctl status`, if it is another than the last one.
    pub fn status(&mut self, line: &str) {
        if self.to.is_some() && self.said != line {
            line.clone_into(&mut self.said);
            self.send(&format!("STATUS={line}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn datagrams_as_systemd_reads_them() {
        let path = std::env::temp_dir().join(format!("ovzha-notify-{}", std::process::id()));
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("ovzha-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        let abstract_name = format!("@{name}");
        for (socket, name) in [
            (&by_path, path.as_os_str().as_bytes()),
            (&by_name, abstract_name.as_bytes()),
        ] {
            let mut notify = Notify::to(name);
            notify.ready();
            assert_eq!(received(socket), format!("READY=1\nMAINPID={}\n", std::process::id()));
            notify.status("idle");
            notify.status("idle");
            notify.stopping();
            assert_eq!(received(socket), "STATUS=idle\n");
            assert_eq!(received(socket), "STOPPING=1\n", "the same status is not said twice");
            notify.reloading();
            let said = received(socket);
            let micros = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(micros.trim().parse::<u64>().unwrap() > 1_000_000, "{said}");
        }
        // full: nobody waits
        let mut notify = Notify::to(path.as_os_str().as_bytes());
        for n in 0..10_000 {
            notify.status(&n.to_string());
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn without_systemd_nothing_is_said() {
        for name in ["", "relative", "/nonexistent/socket"] {
            Notify::to(name.as_bytes()).ready();
        }
    }
}
