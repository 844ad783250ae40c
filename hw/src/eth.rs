//! The witness over UDP, on a board with a W5500: compiled and measured, never run (nothing here emulates the chip).
//!
//! The network has tasks of its own, for its driver waits; the loop only looks whether a datagram is there. A board whose W5500
//! does not answer goes on with its cables. Its address comes by DHCP; a node is answered where it was believed from.

use embassy_executor::Spawner;
use embassy_futures::poll_once;
use embassy_net::udp::{PacketMetadata, UdpMetadata, UdpSocket};
use embassy_net::{Config, Stack, StackResources};
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{Device, State};
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::gpio::{Input, Output};
use embassy_rp::peripherals::{FLASH, SPI0};
use embassy_rp::spi::{Async, Spi};
use embassy_time::{Delay, Duration, with_timeout};
use embedded_hal_bus::spi::ExclusiveDevice;
use ovzha_board_logic::board::Board;
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::id::NodeId;
use ovzha_core::time::Instant;
use static_cell::StaticCell;

use crate::BOTH;
use crate::board::{Ethernet, FLASH_SIZE};

/// As the nodes' own heartbeats.
const PORT: u16 = 694;
/// Datagrams of one pass.
const TURN: u8 = 4;
const WAITING: usize = 4;
const ROOM: usize = 1_024;
/// The chip's reset takes 60 ms; the watchdog waits twice as long as this.
const PATIENCE: Duration = Duration::from_millis(500);

type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;

/// Room for what the socket holds.
struct Buffers {
    in_meta: [PacketMetadata; WAITING],
    in_bytes: [u8; ROOM],
    out_meta: [PacketMetadata; WAITING],
    out_bytes: [u8; ROOM],
}

static STATE: StaticCell<State<4, 4>> = StaticCell::new();
static RESOURCES: StaticCell<StackResources<2>> = StaticCell::new();
static BUFFERS: StaticCell<Buffers> = StaticCell::new();

/// The socket, if there is a network.
pub struct Net {
    socket: Option<UdpSocket<'static>>,
    ways: [Option<UdpMetadata>; 2],
}

/// Brings the network up. A chip that does not answer costs half a second at the start, and no more.
pub async fn start(spawner: Spawner, parts: Ethernet, flash: &mut Flash<'static, FLASH, Blocking, FLASH_SIZE>) -> Net {
    let mut unique = [0; 8];
    let socket = match flash.blocking_unique_id(&mut unique) {
        Ok(()) => with_timeout(PATIENCE, bring_up(spawner, parts, unique))
            .await
            .ok()
            .flatten(),
        Err(_) => None,
    };
    Net {
        socket,
        ways: [None, None],
    }
}

async fn bring_up(spawner: Spawner, parts: Ethernet, unique: [u8; 8]) -> Option<UdpSocket<'static>> {
    let mut address = [0; 6];
    address
        .iter_mut()
        .zip(unique.iter().rev())
        .for_each(|(to, from)| *to = *from);
    // locally administered; the flash chip's own number makes it this board's
    address[0] = 2;
    let bus = ExclusiveDevice::new(parts.spi, parts.select, Delay).ok()?;
    let state = STATE.try_init_with(State::new)?;
    let made = embassy_net_wiznet::new(address, state, bus, parts.interrupt, parts.reset).await;
    let (device, driver) = made.ok()?;
    let resources = RESOURCES.try_init_with(StackResources::new)?;
    let seed = u64::from_be_bytes(unique);
    let config = Config::dhcpv4(embassy_net::DhcpConfig::default());
    let (stack, runner) = embassy_net::new(device, config, resources, seed);
    spawner.spawn(drive(driver).ok()?);
    spawner.spawn(run(runner).ok()?);
    bound(stack)
}

#[embassy_executor::task]
async fn drive(driver: embassy_net_wiznet::Runner<'static, W5500, Bus, Input<'static>, Output<'static>>) {
    driver.run().await;
}

#[embassy_executor::task]
async fn run(mut runner: embassy_net::Runner<'static, Device<'static>>) {
    runner.run().await;
}

impl Net {
    /// Takes the datagrams that came in.
    pub fn hear(&mut self, board: &mut Board<'_>, now: Instant) {
        let Some(socket) = &self.socket else { return };
        let mut bytes = [0; FRAME_MAX];
        for _ in 0..TURN {
            match poll_once(socket.recv_from(&mut bytes)) {
                core::task::Poll::Pending => return,
                // longer than any frame
                core::task::Poll::Ready(Err(_)) => {}
                core::task::Poll::Ready(Ok((length, from))) => {
                    let node = board.datagram(now, bytes.get(..length).unwrap_or(&[]));
                    if let Some(NodeId(node)) = node
                        && let Some(way) = self.ways.get_mut(usize::from(node))
                    {
                        *way = Some(from);
                    }
                }
            }
        }
    }

    /// Sends what the witness has to say.
    pub fn speak(&mut self, board: &mut Board<'_>) {
        for (node, way) in BOTH.into_iter().zip(&self.ways) {
            let (Some(socket), Some(way), Some(word)) = (&self.socket, way, board.word(node)) else {
                continue;
            };
            // what can't be sent now is lost: the next word says the same
            if poll_once(socket.send_to(&word, *way)).is_pending() {
                return;
            }
        }
    }
}

fn bound(stack: Stack<'static>) -> Option<UdpSocket<'static>> {
    let buffers = BUFFERS.try_init_with(|| Buffers {
        in_meta: [PacketMetadata::EMPTY; WAITING],
        in_bytes: [0; ROOM],
        out_meta: [PacketMetadata::EMPTY; WAITING],
        out_bytes: [0; ROOM],
    })?;
    let mut socket = UdpSocket::new(
        stack,
        &mut buffers.in_meta,
        &mut buffers.in_bytes,
        &mut buffers.out_meta,
        &mut buffers.out_bytes,
    );
    socket.bind(PORT).ok()?;
    Some(socket)
}
