//! The real Heartbeat 3.0.6 inside a node: Debian's package, seen through the node's view of the machine.
use super::{Node, Number, Pair};
use std::path::Path;

/// What the package needs of a node's own root, which the bed makes for ovzha alone.
const FURNISH: &str = r#"
set -e
[ -e /usr/libexec ] || ln -s /machine/usr/libexec /usr/libexec
[ -L /usr/share ] || { rmdir /usr/share; ln -s /machine/usr/share /usr/share; }
[ -e /var/run ] || ln -s /run /var/run
cp /machine/etc/passwd /machine/etc/group /etc/
[ -e /etc/alternatives ] || ln -s /machine/etc/alternatives /etc/alternatives
echo 'icmp 1 ICMP' >/etc/protocols
mkdir -p /var/lib/heartbeat /run/lock /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd /run/heartbeat/rsctmp
cp -a /machine/var/lib/heartbeat/. /var/lib/heartbeat/
chown hacluster:haclient /run/heartbeat /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
chmod 1777 /run/heartbeat/rsctmp
for name in harc rc.d shellfuncs; do [ -e /etc/ha.d/$name ] || cp -a /machine/etc/ha.d/$name /etc/ha.d/; done
rm -f /usr/sbin/reboot
cat >/usr/sbin/reboot <<'END'
#!/bin/sh
printf '%s %s %s\n' "$(date +%s%3N)" "$(uname -n | tr -dc 0-9)" 'resets itself' >>/bed/diary
END
chmod 755 /usr/sbin/reboot
"#;

/// Fails with what to install.
pub fn check_installed() {
    let path = "/usr/libexec/heartbeat/heartbeat";
    assert!(
        Path::new(path).exists(),
        "{path} is missing: apt-get install --no-install-recommends heartbeat"
    );
}

/// Starts Heartbeat on a node.
pub fn start(node: &Node) {
    node.inside(FURNISH).must();
    let said = node.inside(
        "ulimit -l unlimited; ulimit -c 0; /usr/libexec/heartbeat/heartbeat >/var/log/hb.out 2>&1 </dev/null; \
         code=$?; cat /var/log/hb.out; exit $code",
    );
    assert!(said.ok, "heartbeat did not start: {}", said.text());
}

/// Waits until it says that nothing is changing, on every node that is on.
pub fn wait_stable(pair: &Pair, nodes: &[Number]) {
    pair.wait("Heartbeat is stable", |pair| {
        nodes.iter().all(|number| {
            let said = pair.node(*number).inside("cl_status rscstatus");
            said.ok && ["all", "local", "foreign", "none"].contains(&said.out.trim())
        })
    });
}

/// Ends it in order.
pub fn stop(node: &Node) {
    node.inside("/usr/libexec/heartbeat/heartbeat -k").must();
}

/// Runs one of its shell tools.
pub fn tool(node: &Node, line: &str) {
    node.inside(&format!("/usr/share/heartbeat/{line}")).must();
}
