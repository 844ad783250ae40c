//! The files of a cluster, as they lie in both guests.
use super::power::AGENT;
use super::third;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the port of the power switch stands, which each pair has its own of.
const PORT: &str = "PORT";

/// The files of a cluster.
#[derive(Clone)]
pub struct Files {
    pub ha_cf: String,
    pub haresources: String,
    /// DRBD's `r0.res`.
    pub resource: String,
    /// `ovzha.cf`; there is none while it is empty.
    pub ovzha_cf: String,
    /// More files of the guests: the path, the text, the mode.
    pub more: Vec<(String, String, u32)>,
}

impl Files {
    /// Two networks, the serial line, times for a machine that is emulated. DRBD fences nobody.
    pub fn usual() -> Self {
        Self {
            ha_cf: "keepalive 500ms\nwarntime 3\ndeadtime 6\ninitdead 20\nudpport 694\n\
                    ucast eth0 10.77.1.1\nucast eth0 10.77.1.2\nucast eth1 10.77.2.1\nucast eth1 10.77.2.2\n\
                    baud 115200\nserial /dev/ttyS1\nauto_failback off\nnode ovz-node1\nnode ovz-node2\n\
                    logfile /var/log/ha-log\n"
                .to_owned(),
            haresources: "ovz-node1 drbddisk::r0 Filesystem::/dev/drbd0::/vz::ext4 vz\n".to_owned(),
            resource: "resource r0 {\n    protocol C;\n    device /dev/drbd0;\n    disk /dev/vda;\n    meta-disk internal;\n\
                       \x20   disk { c-plan-ahead 0; resync-rate 100M; }\n\
                       \x20   on ovz-node1 { address 10.77.2.1:7789; }\n    on ovz-node2 { address 10.77.2.2:7789; }\n}\n"
                .to_owned(),
            ovzha_cf: String::new(),
            more: Vec::new(),
        }
    }

    /// One more statement in DRBD's resource.
    pub fn with_drbd(mut self, statement: &str) -> Self {
        let at = self.resource.find("    on ovz-node1").unwrap();
        self.resource.insert_str(at, &format!("    {statement}\n"));
        self
    }

    /// DRBD asks `ovzha` before it goes on without its peer (`resource-and-stonith`).
    pub fn fenced(mut self) -> Self {
        // drbdadm takes one section of a kind
        self.resource = self.resource.replace(
            "disk { c-plan-ahead",
            "disk { fencing resource-and-stonith; c-plan-ahead",
        );
        self.with_drbd("handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }")
    }

    /// With the hardware watchdog: boot with the word `wdt`, or there is none.
    pub fn watched(mut self) -> Self {
        self.ovzha_cf.push_str("watchdog /dev/watchdog\n");
        self
    }

    /// With a witness, for which the machines have a card more; a vote counts for long enough to stop and to be reset in.
    pub fn witnessed(mut self) -> Self {
        self.ha_cf = self
            .ha_cf
            .replace("deadtime 6\n", "deadtime 10\n")
            .replace("warntime 3\n", "warntime 5\n");
        let port = third::port();
        writeln!(self.ovzha_cf, "witness udp 10.0.2.2:{port}").unwrap();
        let hook = (
            "/etc/ha.d/resource.d/startstop".to_owned(),
            third::CARD_UP.to_owned(),
            0o755,
        );
        self.more.push(hook);
        self
    }

    /// Each node has a fence agent for the other one's power, and the machines a card more, for its switch.
    pub fn shooting(mut self) -> Self {
        for (node, plug) in [(1, 2), (2, 1)] {
            writeln!(
                self.ovzha_cf,
                "stonith_host ovz-node{node} external /usr/sbin/fence_lab ipport={PORT} plug={plug}"
            )
            .unwrap();
        }
        let hook = "/etc/ha.d/resource.d/startstop".to_owned();
        self.more.push((hook, third::CARD_UP.to_owned(), 0o755));
        self.more
            .push(("/usr/sbin/fence_lab".to_owned(), AGENT.to_owned(), 0o755));
        self
    }

    /// Whether they have.
    pub fn shoot(&self) -> bool {
        self.ovzha_cf.contains("fence_lab")
    }

    /// With the witness board on the serial port, where the nodes hear each other through it. No watchdog: the board's relays are in
    /// its place.
    pub fn boarded(mut self) -> Self {
        self.ha_cf = self
            .ha_cf
            .replace("deadtime 6\n", "deadtime 10\n")
            .replace("warntime 3\n", "warntime 5\n")
            .replace("baud 115200\n", "baud 19200\n");
        self.ovzha_cf.push_str("witness serial /dev/ttyS1\n");
        self
    }

    /// The nodes don't hear each other over the serial port: they have the board there, and nobody else.
    pub fn without_serial_link(mut self) -> Self {
        self.ha_cf = self.ha_cf.replace("serial /dev/ttyS1\n", "");
        self
    }

    /// Whether the witness is the board.
    pub fn have_board(&self) -> bool {
        self.ovzha_cf.contains("witness serial")
    }

    /// Whether the witness is a third host.
    pub fn have_witness(&self) -> bool {
        self.ovzha_cf.contains("witness udp")
    }

    /// DRBD's disk can fail and be slow: it lies on a device-mapper node.
    pub fn on_frail_disks(mut self) -> Self {
        self.resource = self.resource.replace("disk /dev/vda;", "disk /dev/mapper/data;");
        self
    }

    /// Writes them, with the `ovzha` under test, below `root`; `port`: the power switch's.
    pub fn write(&self, root: &Path, port: u16) {
        let put = |name: &str, text: &str, mode: u32| {
            let path = root.join(name.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        put("etc/ha.d/ha.cf", &self.ha_cf, 0o644);
        put("etc/ha.d/haresources", &self.haresources, 0o644);
        put("etc/ha.d/authkeys", "auth 1\n1 sha1 AKeyOfTheVirtualMachines\n", 0o600);
        put("etc/drbd.conf", "include \"drbd.d/*.res\";\n", 0o644);
        put("etc/drbd.d/r0.res", &self.resource, 0o644);
        if !self.ovzha_cf.is_empty() {
            put(
                "etc/ha.d/ovzha.cf",
                &self.ovzha_cf.replace(PORT, &port.to_string()),
                0o644,
            );
        }
        for (name, text, mode) in &self.more {
            put(name, text, *mode);
        }
        fs::create_dir_all(root.join("usr/sbin")).unwrap();
        fs::copy(binary(), root.join("usr/sbin/ovzha")).unwrap();
    }
}

/// The `ovzha` under test: `OVZHA_BIN`, else the static binary of `.ci/run static`.
pub fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/static/ovzha");
    let path = std::env::var_os("OVZHA_BIN").map_or(built, PathBuf::from);
    assert!(
        path.is_file(),
        "{} does not exist: run `.ci/run static`, or set OVZHA_BIN to an absolute path",
        path.display()
    );
    path
}
