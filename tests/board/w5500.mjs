// A W5500 at an RP2040's SPI 0, as far as the board's image needs one: frames of the SPI, registers, sockets in UDP mode.
//
// A frame: address (2 bytes), control (block, write, always of variable length), then data, the address counting up. Blocks:
// 0 the common registers, of each socket n its registers (4n + 1), transmit buffer (4n + 2) and receive buffer (4n + 3), 2 KiB each.
// The chip resolves addresses by itself: an address that no host answers for is given up behind RTR times (RCR + 1).
// What the image does that stands not here is an error, not a zero. Not modelled: TCP, MACRAW, the wire's speed, fragments.
const SELECT = 17, RESET = 20;
const BUFFER = 2048, MASK = BUFFER - 1;
const UDP = 0x22;
const SENT = 0x10, LOST = 0x08, CAME = 0x04;
const R = { mode: 0, command: 1, events: 2, state: 3, port: 4, to: 0x0c, toPort: 0x10, free: 0x20, txRead: 0x22, txWrite: 0x24,
  came: 0x26, rxRead: 0x28, rxWrite: 0x2a };
const EVERYBODY = '255.255.255.255';

const word = (bytes, at) => bytes[at] << 8 | bytes[at + 1];
const put = (bytes, at, value) => { bytes[at] = value >> 8 & 255; bytes[at + 1] = value & 255; };

/** One chip. It outlives a reset of the board's processor, until its own reset pin is pulled. */
export class W5500 {
  constructor() {
    this.sent = []; // datagrams: [address, port, bytes]
    this.hosts = new Set(); // addresses that answer when they are asked for
    this.missing = false; // no such chip is soldered in
    this.clear();
  }

  clear() {
    this.common = new Uint8Array(0x40);
    this.common.set([0x07, 0xd0, 8], 0x19);
    this.sockets = Array.from({ length: 8 }, () => ({
      registers: new Uint8Array(0x30), tx: new Uint8Array(BUFFER), rx: new Uint8Array(BUFFER), read: 0, wrote: 0, busy: null,
    }));
  }

  /** Wires it to a processor that has just started. */
  wire(mcu) {
    this.clock = mcu.clock;
    let frame = null;
    const { gpio, spi: [spi] } = mcu;
    gpio[RESET].addListener(value => { if (value === 0) this.clear(); });
    gpio[SELECT].addListener(value => { frame = value === 0 ? [] : null; });
    spi.onTransmit = byte => {
      if (spi.dataBits !== 8 || spi.spiMode !== 0 || spi.clockFrequency > 33.3e6) throw new Error('the SPI is not as the W5500 wants it');
      spi.completeTransmit(frame && !this.missing ? this.#exchange(frame, byte) : 0xff);
    };
  }

  /** A datagram arrives from the network. Its head in the buffer may say another length: a fault of the chip. */
  arrive(address, port, toPort, bytes, said = bytes.length) {
    const from = address.split('.').map(Number);
    const socket = this.sockets.find(it => it.registers[R.state] === UDP && word(it.registers, R.port) === toPort);
    if (!socket) return;
    const data = [...from, port >> 8, port & 255, said >> 8, said & 255, ...bytes];
    if (BUFFER - this.#came(socket) < data.length) return;
    for (const byte of data) socket.rx[socket.wrote++ & MASK] = byte;
    socket.wrote &= 0xffff;
    socket.registers[R.events] |= CAME;
  }

  get address() { return this.common.slice(0x0f, 0x13).join('.'); }

  get router() { return this.common.slice(0x01, 0x05).join('.'); }

  #came(socket) { return socket.wrote - socket.read & 0xffff; }

  #exchange(frame, byte) {
    if (frame.length < 3) {
      frame.push(byte);
      if (frame.length === 3 && byte & 3) throw new Error('a frame of fixed length');
      return 0;
    }
    const at = frame[0] << 8 | frame[1], block = frame[2] >> 3, write = !!(frame[2] & 4);
    [frame[0], frame[1]] = [at + 1 >> 8 & 255, at + 1 & 255];
    if (block === 0) {
      if (at >= 0x40) throw new Error(`common register ${at}`);
      if (!write) return at === 0x39 ? 4 : this.common[at];
      this.common[at] = byte;
      return 0;
    }
    const socket = this.sockets[block >> 2];
    if ((block & 3) === 0) throw new Error(`block ${block}`);
    if ((block & 3) !== 1) {
      const buffer = (block & 3) === 2 ? socket.tx : socket.rx;
      if (!write) return buffer[at & MASK];
      if (buffer === socket.rx) throw new Error('a receive buffer is written');
      buffer[at & MASK] = byte;
      return 0;
    }
    if (at >= 0x30) throw new Error(`socket register ${at}`);
    const { registers } = socket;
    if (!write) {
      put(registers, R.free, BUFFER - (socket.busy ? socket.busy.length : 0));
      put(registers, R.came, this.#came(socket));
      put(registers, R.rxWrite, socket.wrote);
      return at === R.command ? 0 : registers[at];
    }
    if (at === R.events) registers[at] &= ~byte;
    else if (at === R.command) this.#command(socket, byte);
    else registers[at] = byte;
    return 0;
  }

  #command(socket, what) {
    const { registers } = socket;
    const begin = word(registers, R.txRead), end = word(registers, R.txWrite);
    switch (what) {
      case 0x01:
        if (registers[R.mode] !== 2) throw new Error('a socket that is not for UDP');
        registers[R.state] = UDP;
        [R.txRead, R.txWrite, R.rxRead].forEach(at => put(registers, at, 0));
        socket.read = socket.wrote = 0;
        break;
      case 0x20: {
        if (registers[R.state] !== UDP || socket.busy) throw new Error('sent on a socket that is closed, or busy');
        const length = end - begin & 0xffff;
        if (length > BUFFER) throw new Error('more is sent than the buffer has');
        socket.busy = Array.from({ length }, (_, i) => socket.tx[begin + i & MASK]);
        put(registers, R.txRead, end);
        const to = registers.slice(R.to, R.to + 4).join('.');
        const known = to === EVERYBODY || this.hosts.has(to);
        const patience = word(this.common, 0x19) * 1e5 * (this.common[0x1b] + 1);
        this.clock.createAlarm(() => {
          if (known) this.sent.push([to, word(registers, R.toPort), socket.busy]);
          registers[R.events] |= known ? SENT : LOST;
          socket.busy = null;
        }).schedule(known ? 1e5 : patience);
        break;
      }
      case 0x40:
        socket.read = word(registers, R.rxRead);
        if (this.#came(socket) > BUFFER) throw new Error('more is taken than came');
        if (socket.read === socket.wrote) registers[R.events] &= ~CAME;
        break;
      default: throw new Error(`socket command ${what}`);
    }
  }
}
