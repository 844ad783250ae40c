//! Two network namespaces joined by a veth pair, for one test; removed when dropped.
//!
//! A test runs its body in a process of its own inside the first namespace (`ip netns exec` also mounts that
//! namespace's `/sys`), so nothing here needs `unsafe` and the machine's own network is never touched.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// This node's address, on `hb0`.
pub const OWN: &str = "10.94.0.1";
/// The peer's address, on `hb0` in the peer's namespace.
pub const PEER: &str = "10.94.0.2";

const BODY: &str = "OVZHA_TEST_PEER_NAMESPACE";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Both namespaces.
pub struct Namespaces {
    own: String,
    peer: String,
}

impl Namespaces {
    fn new() -> Self {
        let stem = format!("ovzha-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let both = Self {
            own: format!("{stem}-a"),
            peer: format!("{stem}-b"),
        };
        ip(&format!("netns add {}", both.own));
        ip(&format!("netns add {}", both.peer));
        ip(&format!("-n {} link set lo up", both.own));
        both
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.own, &self.peer] {
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

/// Runs `ip` with these words, in the namespace of the caller.
pub fn ip(words: &str) {
    let done = Command::new("ip").args(words.split_whitespace()).output();
    let ok = done.as_ref().is_ok_and(|out| out.status.success());
    assert!(ok, "this test needs root and iproute2: ip {words}: {done:?}");
}

/// Makes the veth pair; both ends are called `hb0` and are up with their addresses.
pub fn cable(peer_namespace: &str) {
    ip(&format!("link add hb0 type veth peer name hb0 netns {peer_namespace}"));
    ip(&format!("addr add {OWN}/24 dev hb0"));
    ip(&format!("-n {peer_namespace} addr add {PEER}/24 dev hb0"));
    ip("link set hb0 up");
    ip(&format!("-n {peer_namespace} link set hb0 up"));
}

/// In the test process: makes the namespaces and runs the same test again inside the first one. There it
/// returns the name of the peer's namespace; outside it returns `None` once the inner run has passed.
pub fn inside(test: &str) -> Option<String> {
    if let Ok(peer) = std::env::var(BODY) {
        return Some(peer);
    }
    let both = Namespaces::new();
    let status = again(&both.own, test).env(BODY, &both.peer).status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{test} in its namespace: {status:?}"
    );
    None
}

/// This test binary, about to run only `test` in `namespace`.
pub fn again(namespace: &str, test: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    command.arg(std::env::current_exe().unwrap_or_default());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.stdin(Stdio::null());
    command
}
