//! The switches: a namespace with a bridge for each network and the gateway that both nodes ping.
use super::Number;
use super::process::{self, Guest, run};
use crate::bed::Said;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The article's addresses: on eth0 the public network, on eth1 the crossed cable.
const NETS: [[&str; 2]; 2] = [["192.168.1.201", "192.168.1.202"], ["192.168.255.1", "192.168.255.2"]];
/// A hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:00:ff";

/// The namespace of the switches.
pub struct Hall {
    guest: Guest,
    ports: [[String; 2]; 2],
    pids: [u32; 2],
}

impl Hall {
    pub fn new() -> Self {
        let hall = Self {
            guest: namespace(),
            ports: Default::default(),
            pids: [0; 2],
        };
        // a bridge without an address of its own changes it with its ports, and the nodes would not find the gateway
        let lines = "link set lo up\n\
             link add br0 address 02:00:00:00:01:01 type bridge\nlink set br0 addrgenmode none up\n\
             link add br1 address 02:00:00:00:02:01 type bridge\nlink set br1 addrgenmode none up\n\
             addr add 192.168.1.1/24 dev br0\n";
        batch(hall.guest.pid(), lines);
        hall
    }

    pub fn pid(&self) -> u32 {
        self.guest.pid()
    }

    /// The address of a node in a network.
    pub fn address(net: usize, node: Number) -> &'static str {
        NETS[net][usize::from(node) - 1]
    }

    /// Plugs a freshly booted node in.
    pub fn plug(&mut self, node: Number, pid: u32, life: u32) {
        let index = usize::from(node) - 1;
        self.pids[index] = pid;
        let (mut hall, mut inside) = (Vec::new(), Vec::new());
        for (net, addresses) in NETS.iter().enumerate() {
            // the ports of an earlier life vanish some time after it
            let port = format!("n{node}e{net}l{life}");
            hall.push(format!("link add {port} type veth peer name eth{net} netns {pid}\n"));
            hall.push(format!("link set {port} master br{net} addrgenmode none up\n"));
            inside.push(format!("addr add {}/24 dev eth{net}\n", addresses[index]));
            inside.push(format!("link set eth{net} addrgenmode none up\n"));
            self.ports[index][net] = port;
        }
        batch(self.pid(), &hall.concat());
        batch(pid, &inside.concat());
    }

    /// Runs lines of `ip` on the switches.
    pub fn ip(&self, lines: &str) {
        batch(self.pid(), lines);
    }

    /// Runs lines of `ip` on a node.
    pub fn ip_of(&self, node: Number, lines: &str) {
        batch(self.pids[usize::from(node) - 1], lines);
    }

    /// Gives a node whose interface of a network was removed a new one, down and without an address.
    pub fn replug(&self, node: Number, net: usize) {
        let index = usize::from(node) - 1;
        let (port, pid) = (&self.ports[index][net], self.pids[index]);
        batch(
            self.pid(),
            &format!(
                "link add {port} type veth peer name eth{net} netns {pid}\nlink set {port} master br{net} addrgenmode none up\n"
            ),
        );
    }

    /// Pulls or plugs the node's cable in one network.
    pub fn link(&self, node: Number, net: usize, up: bool) {
        let port = &self.ports[usize::from(node) - 1][net];
        let word = if up { "up" } else { "down" };
        batch(self.pid(), &format!("link set {port} {word}\n"));
    }

    /// Gives the gateway its address, or takes it away.
    pub fn gateway(&self, there: bool) {
        let word = if there { "add" } else { "del" };
        batch(self.pid(), &format!("addr {word} 192.168.1.1/24 dev br0\n"));
    }

    /// Makes everything that `node` sends to the other go to nobody, or to the other again. Pings still work.
    pub fn mute(&self, node: Number, muted: bool) {
        let own = usize::from(node) - 1;
        let line = |(net, addresses): (usize, &[&str; 2])| {
            let other = addresses[1 - own];
            if muted {
                format!("neigh replace {other} dev eth{net} lladdr {NOBODY} nud permanent\n")
            } else {
                format!("neigh del {other} dev eth{net}\n")
            }
        };
        batch(
            self.pids[own],
            &NETS.iter().enumerate().map(line).collect::<Vec<_>>().concat(),
        );
    }

    /// A third machine in network 1 that has taken the address of `node`, which must be off.
    pub fn impostor(&self, node: Number) -> Stranger {
        let guest = namespace();
        let (pid, address) = (guest.pid(), Self::address(1, node));
        let plug = format!("link add stranger type veth peer name eth1 netns {pid}\n");
        batch(
            self.pid(),
            &(plug + "link set stranger master br1 addrgenmode none up\n"),
        );
        batch(
            pid,
            &format!("addr add {address}/24 dev eth1\nlink set eth1 addrgenmode none up\n"),
        );
        Stranger { guest }
    }

    /// The hardware address that the gateway finds behind `address`, after asking.
    pub fn neighbour(&self, address: &str) -> Option<String> {
        run(
            "nsenter",
            &[
                "-t",
                &self.pid().to_string(),
                "-n",
                "ping",
                "-c",
                "1",
                "-W",
                "5",
                address,
            ],
        )
        .must();
        self.known(address)
    }

    /// The hardware address that the gateway remembers for `address`.
    pub fn known(&self, address: &str) -> Option<String> {
        let pid = self.pid().to_string();
        let listed = run("nsenter", &["-t", &pid, "-n", "ip", "neigh", "show", address]).must();
        let mut words = listed.split_whitespace().skip_while(|word| *word != "lladdr");
        words.nth(1).map(str::to_owned)
    }

    /// Records the heartbeats that pass the switches.
    pub fn listen(&self, file: &Path) -> Guest {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.pid().to_string(), "-n"])
            .arg(process::guest())
            .arg("listen")
            .arg(file);
        let mut guest = Guest::start(&mut command);
        let mut line = String::new();
        BufReader::new(guest.output.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        guest
    }
}

/// A network namespace, held by a process of its own.
fn namespace() -> Guest {
    let mut command = Command::new("unshare");
    ready(Guest::start(command.arg("--net").arg(process::guest()).arg("hall")))
}

/// The guest, once it has said that it is ready.
fn ready(mut guest: Guest) -> Guest {
    let mut line = String::new();
    BufReader::new(guest.output.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    guest
}

/// A machine that is not a node.
pub struct Stranger {
    guest: Guest,
}

impl Stranger {
    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.guest.pid()
    }
}

/// Sends datagrams, each a line of hexadecimal, from the network namespace of `pid`.
pub fn say(pid: u32, from: &str, to: &str, lines: &str) {
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &pid.to_string(), "-n"])
        .arg(process::guest())
        .args(["say", from, to]);
    let mut guest = Guest::start(command.stderr(Stdio::inherit()));
    guest.input.take().unwrap().write_all(lines.as_bytes()).unwrap();
    guest.wait();
}

/// Runs lines of `ip` in the network namespace of `pid`.
fn batch(pid: u32, lines: &str) {
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "-n", "ip", "-batch", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Said::of(
        format!("ip, in the namespace of {pid}:\n{lines}"),
        &child.wait_with_output().unwrap(),
    )
    .must();
}

/// Bytes and packets that left through an interface of the node.
pub fn sent(pid: u32, device: &str) -> (u64, u64) {
    let pid = pid.to_string();
    let text = run("nsenter", &["-t", &pid, "-n", "cat", "/proc/net/dev"]).must();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{device}:")).map(str::to_owned));
    let numbers: Vec<u64> = line
        .unwrap_or_default()
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    (numbers[8], numbers[9])
}
