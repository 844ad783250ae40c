//! Calls of the whole Cluster: every event, every output, and what is kept on disk.

use core::fmt::Write;
use core::hint::black_box;

use heapless::{String, Vec};
use ovzha_core::auth::{Domain, Keyring};
use ovzha_core::cluster::Cluster;
use ovzha_core::config::{Config, Draft, GroupDraft, Kind};
use ovzha_core::data::Seen;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClientId, ClusterId, EffectId, GroupId, GroupSet, LinkId, Mark, NodeId};
use ovzha_core::message::Drbd;
use ovzha_core::output::{DURABLE_MAX, Durable, Output};
use ovzha_core::rejection::Rejection;
use ovzha_core::time::{Instant, Span};
use ovzha_core::watchdog::Watchdog;

use crate::{byte, input};

pub fn all() {
    let durable = Durable::decode(input()).unwrap_or_default();
    black_box(durable.encode(&mut [0; DURABLE_MAX]).is_some());
    let mut text = String::<256>::new();
    match Config::new(draft()) {
        Err(error) => {
            black_box(write!(text, "{error}").is_ok());
            black_box(text.as_bytes());
        }
        Ok(config) => {
            let keyring = black_box(Keyring::new(Domain::Node));
            let mut cluster = Cluster::new(config, keyring, BootId(black_box([0; 4])), durable, now());
            cluster.rekey(black_box(Keyring::new(Domain::Node)));
            for _ in 0..byte() {
                cluster.handle(now(), event());
                drain(&mut cluster);
                black_box(cluster.snapshot());
            }
        }
    }
}

fn drain(cluster: &mut Cluster) {
    let mut frame = FrameBuf::new();
    loop {
        let output = cluster.poll(&mut frame);
        if let Output::Wait { .. } = black_box(output) {
            return;
        }
    }
}

fn now() -> Instant {
    Instant::from_millis(black_box(0))
}

fn span() -> Span {
    Span::from_millis(black_box(0))
}

fn draft() -> Draft {
    let mut resources = Vec::new();
    let mut monitors = Vec::new();
    let mut groups = Vec::new();
    for _ in 0..byte() {
        black_box(resources.push(black_box(Kind::Data)).is_ok());
        black_box(monitors.push(u16::from(byte())).is_ok());
    }
    for _ in 0..byte() {
        let group = GroupDraft {
            preferred: NodeId(byte()),
            identity: Mark(black_box([0; 3])),
            digest: Mark(black_box([0; 3])),
            resources: resources.clone(),
            monitors: monitors.clone(),
        };
        black_box(groups.push(group).is_ok());
    }
    Draft {
        me: NodeId(byte()),
        cluster: ClusterId(black_box([0; 2])),
        links: byte(),
        pings: byte(),
        keepalive: span(),
        warntime: span(),
        deadtime: span(),
        deadping: span(),
        initdead: span(),
        stop_budget: span(),
        auto_failback: black_box(false),
        ipfail: black_box(false),
        diskless_hands_over: black_box(false),
        last_resort: black_box(false),
        watchdog: black_box(Some(Watchdog {
            timeout: span(),
            stays: black_box(true),
        })),
        groups,
        resources_digest: black_box([0; 4]),
        timings_digest: black_box([0; 4]),
        witness: false,
        stonith: None,
        commanded: false,
        relay: ovzha_core::witness::Relay::None,
            speaks: byte(),
    }
}

/// Any event: the optimiser can't know which number `byte` gives.
fn event() -> Event<'static> {
    let (link, group) = (LinkId(byte()), GroupId(byte()));
    match byte() {
        0 => Event::Tick,
        1 => Event::Received { link, bytes: input() },
        2 => Event::Rejected {
            link,
            rejection: black_box(Rejection::Cobs),
        },
        3 => Event::Opened { link },
        4 => Event::Closed { link },
        5 => Event::PingReply {
            ping: byte(),
            sent: now(),
        },
        6 => Event::Drbd {
            group,
            seen: Seen {
                drbd: Drbd::unpack(byte()),
                mirrored: black_box(true),
                current: black_box(true),
                proved: black_box(true),
            },
        },
        7 => Event::Done {
            effect: EffectId(black_box(0)),
            outcome: black_box(Outcome::Done),
        },
        8 => Event::Unstuck {
            group,
            resource: byte(),
        },
        9 => Event::Stored {
            version: black_box(0),
            ok: black_box(true),
        },
        _ => Event::Request {
            client: ClientId(black_box(0)),
            command: command(group),
        },
    }
}

fn command(group: GroupId) -> Command {
    let reason = core::str::from_utf8(input()).unwrap_or("");
    match byte() {
        0 => Command::Standby { groups: GroupSet::ALL },
        1 => Command::Takeover { groups: GroupSet::of([1]) },
        2 => Command::Hold {
            span: black_box(Some(span())),
            reason: reason.parse().unwrap_or_default(),
        },
        3 => Command::Resume,
        4 => Command::Clear { group },
        5 => Command::ConfirmData { group },
        6 => Command::FencePeer { group },
        _ => Command::Stop,
    }
}
