// An RP2040 in rp2040js, as far as the board's image needs one: the image runs unmodified.
//
// What rp2040js 1.4.1 lacks or does otherwise stands here, and nowhere else:
//   - UART: a FIFO that drains at the line's speed, the transmit interrupt as an edge, registers that read as ones
//   - boot ROM: none is shipped with it; the functions for flash are BKPT instructions that end here, with the times that a
//     W25Q16 typically takes. The second boot stage is skipped: the vector table is entered as it would enter it
//   - a reset by the watchdog starts the image anew: flash, RAM and the watchdog's registers stay, time goes on
//   - the registers for the cause of a reset, and one of the flash cache
// Not emulated: the flash cache's misses (so times are those of code in RAM), brown-out, the pads' analog side.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const home = process.env.OVZHA_RP2040JS;
if (!home) {
  process.stderr.write('OVZHA_RP2040JS: where rp2040js is installed (.ci/run board does that)\n');
  process.exit(3);
}
const { RP2040, ConsoleLogger, LogLevel } = await import(
  pathToFileURL(path.join(home, 'node_modules/rp2040js/dist/esm/index.js')));

const CYCLE_NS = 8; // 125 MHz
const FLASH = 0x10000000, RAM = 0x20000000;
const PAINT = 0xc5;
const ERASE_NS = 45e6, PROGRAM_NS = 0.7e6;
const WATCHDOG = 0x40058, CHIP_RESET = 0x40064, XIP = 0x14000;
const ROM = ['lookup', 'IF', 'EX', 'RE', 'RP', 'FC', 'CX', 'C4'];

/** The symbols and segments of an ELF file. */
class Image {
  constructor(file) {
    const elf = this.elf = fs.readFileSync(file);
    const [phoff, shoff, phn, shn] = [elf.readUInt32LE(28), elf.readUInt32LE(32), elf.readUInt16LE(44), elf.readUInt16LE(48)];
    this.segments = [];
    for (let i = 0; i < phn; i++) {
      const o = phoff + i * 32;
      if (elf.readUInt32LE(o) !== 1) continue;
      const [off, at, size] = [elf.readUInt32LE(o + 4), elf.readUInt32LE(o + 12), elf.readUInt32LE(o + 16)];
      if (size && at >= FLASH && at < FLASH + 0x1000000) this.segments.push([at - FLASH, elf.subarray(off, off + size)]);
    }
    this.symbols = new Map();
    for (let i = 0; i < shn; i++) {
      const s = shoff + i * 40;
      if (elf.readUInt32LE(s + 4) !== 2) continue;
      const [off, size] = [elf.readUInt32LE(s + 16), elf.readUInt32LE(s + 20)];
      const names = elf.readUInt32LE(shoff + elf.readUInt32LE(s + 24) * 40 + 16);
      for (let k = off; k < off + size; k += 16) {
        const n = names + elf.readUInt32LE(k);
        this.symbols.set(elf.toString('latin1', n, elf.indexOf(0, n)), elf.readUInt32LE(k + 4));
      }
    }
  }
}

/** One board. Times are microseconds since it was first powered; `lines` are its two UARTs, 0 and 1. */
export class Chip {
  constructor(file, baud, wired = () => {}) {
    this.wired = wired; // what else is soldered to the processor
    this.image = new Image(file);
    this.baud = baud;
    this.byteNs = 1e10 / baud;
    this.base = 0; // nanoseconds of the lives before this one
    this.flash = new Uint8Array(16 << 20).fill(0xff);
    for (const [at, bytes] of this.image.segments) this.flash.set(bytes, at);
    this.levels = new Map(); // inputs, as driven from outside
    this.watched = new Map(); // outputs, as last seen
    this.queues = [[], []];
    this.out = [[], []];
    this.pins = [];
    this.log = [];
    this.resets = [];
    this.overruns = 0;
    this.instructions = 0;
    this.hung = this.deaf = false;
    this.#boot('power', null);
  }

  get us() { return Math.round((this.base + this.mcu.clock.nanos) / 1000); }

  /** Starts it anew. What a reset keeps is kept. */
  reset(cause) {
    this.#drainLog();
    // its pins are inputs from now on
    for (const [pin, level] of this.watched) if (level) this.#changed(pin, false);
    this.base += this.mcu.clock.nanos;
    this.resets.push([Math.round(this.base / 1000), cause]);
    this.hung = this.deaf = false;
    this.#boot(cause, this.mcu);
  }

  input(pin, level) {
    this.levels.set(pin, level);
    this.mcu.gpio[pin].setInputValue(level);
  }

  watch(pin) { this.watched.set(pin, false); this.#listen(pin); }

  /** Bytes arrive on a line one after the other; 256 and above: a byte without its stop bit. */
  feed(line, bytes) {
    const queue = this.queues[line];
    const idle = queue.length === 0;
    for (const byte of bytes) queue.push(byte);
    if (idle && queue.length) this.arrivals[line].schedule(this.byteNs);
  }

  /** Runs for so many milliseconds of its own time. */
  run(ms) {
    const end = this.base + this.mcu.clock.nanos + ms * 1e6;
    while (this.base + this.mcu.clock.nanos < end) {
      const { core, clock } = this.mcu;
      if (core.waiting || this.hung) {
        const left = end - this.base - clock.nanos;
        clock.tick(Math.max(clock.nextAlarm ? Math.min(clock.nanosToNextAlarm, left) : left, 1));
      } else {
        clock.tick(core.executeInstruction() * CYCLE_NS);
        this.instructions++;
      }
      if (this.fired) this.reset(this.fired);
    }
    this.#drainLog();
  }

  /** Goes where every fault of the program goes: an image without panicking calls has no other way to end itself. */
  panic() {
    Object.assign(this.mcu.core, { PC: this.flashView.getUint32(0x100 + 3 * 4, true) & ~1, waiting: false });
  }

  /** The deepest byte of the stack that was ever written since power came. */
  stack() {
    const top = this.flashView.getUint32(0x100, true);
    let at = this.image.symbols.get('__sheap') - RAM;
    const bottom = at;
    while (at < top - RAM && this.mcu.sram[at] === PAINT) at++;
    return { stack: top - RAM - at, statics: bottom };
  }

  #boot(cause, before) {
    const mcu = this.mcu = new RP2040();
    mcu.logger = new ConsoleLogger(LogLevel.Error, false);
    mcu.flash = this.flash;
    mcu.flash16 = new Uint16Array(this.flash.buffer);
    mcu.flashView = this.flashView = new DataView(this.flash.buffer);
    const power = cause === 'power';
    if (power) mcu.sram.fill(PAINT); else mcu.sram.set(before.sram);
    const dog = mcu.peripherals[WATCHDOG];
    this.fired = null;
    // its alarm would go off for ever in the same moment, which a reset ends
    dog.onWatchdogTrigger = () => { this.fired ??= dog.reason === 2 ? 'forced' : 'watchdog'; dog.alarm.enable = false; };
    if (!power) dog.scratchData.set(before.peripherals[WATCHDOG].scratchData);
    dog.reason = cause === 'watchdog' ? 1 : cause === 'forced' ? 2 : 0;
    const chip = cause === 'pin' ? 1 << 16 : power ? 1 << 8 : 0;
    const register = value => ({ readUint32: o => value(o), writeUint32() {}, writeUint32Atomic() {} });
    mcu.peripherals[CHIP_RESET] = register(o => (o === 8 ? chip : 0));
    mcu.peripherals[XIP] = register(() => 0);
    this.#rom(mcu);
    this.arrivals = [0, 1].map(line => this.#uart(line, mcu.uart[line]));
    this.wired(mcu);
    for (const [pin, level] of this.levels) mcu.gpio[pin].setInputValue(level);
    for (const pin of this.watched.keys()) this.#listen(pin);
    const vectors = 0x100;
    mcu.core.VTOR = FLASH + vectors;
    mcu.core.SP = this.flashView.getUint32(vectors, true);
    mcu.core.PC = this.flashView.getUint32(vectors + 4, true) & ~1;
    const irq = mcu.setInterrupt.bind(mcu);
    // a chip whose timer interrupts get lost: the loop sleeps for ever
    mcu.setInterrupt = (number, value) => { if (!(this.deaf && number < 4)) irq(number, value); };
  }

  #rom(mcu) {
    const half = (at, value) => {
      const shift = at & 2 ? 16 : 0;
      mcu.bootrom[at >> 2] = (mcu.bootrom[at >> 2] & ~(0xffff << shift)) | (value << shift);
    };
    half(0x18, 0x201);
    ROM.forEach((_, i) => { half(0x200 + 4 * i, 0xbe00 | i); half(0x202 + 4 * i, 0x4770); });
    mcu.onBreak = code => {
      const r = mcu.core.registers;
      switch (ROM[code]) {
        case 'lookup': {
          const name = String.fromCharCode(r[1] & 255, (r[1] >> 8) & 255);
          const place = ROM.indexOf(name);
          if (place < 1) throw new Error(`the image calls the boot ROM's ${name}`);
          r[0] = 0x201 + 4 * place;
          break;
        }
        case 'RE':
          if (r[0] % 4096 || r[1] % 4096) throw new Error('an erase of a part of a sector');
          this.flash.fill(0xff, r[0], r[0] + r[1]);
          mcu.clock.tick(ERASE_NS * r[1] / 4096);
          break;
        case 'RP':
          if (r[0] % 256 || r[2] % 256) throw new Error('a part of a page is programmed');
          for (let i = 0; i < r[2]; i++) this.flash[r[0] + i] &= mcu.readUint8(r[1] + i);
          mcu.clock.tick(PROGRAM_NS * r[2] / 256);
          break;
        case 'C4':
          for (let i = 0; i < r[2]; i += 4) mcu.writeUint32(r[0] + i, mcu.readUint32(r[1] + i));
          mcu.clock.tick(r[2] * CYCLE_NS);
          break;
        case 'IF': case 'EX': case 'FC': case 'CX': break;
        default: throw new Error(`BKPT ${code} at ${(mcu.core.PC - 2).toString(16)}`);
      }
    };
  }

  /** Patches a UART. Gives the alarm at which the next byte arrives. */
  #uart(line, u) {
    const { clock } = this.mcu, fifo = [];
    let sending = false;
    const byteNs = () => {
      if (Math.abs(u.baudRate / this.baud - 1) > 0.02) throw new Error(`line ${line} runs at ${u.baudRate} baud`);
      return 1e10 / u.baudRate;
    };
    u.checkInterrupts = () => this.mcu.setInterrupt(u.irq, !!(u.interruptStatus & u.interruptMask));
    const sent = clock.createAlarm(() => {
      this.out[line].push(fifo.shift());
      // an edge: the interrupt is of the moment when the FIFO falls below its level
      if (fifo.length === 16 || fifo.length === 0) { u.interruptStatus |= 1 << 5; u.checkInterrupts(); }
      if (fifo.length) sent.schedule(byteNs()); else sending = false;
    });
    const read = u.readUint32.bind(u), write = u.writeUint32.bind(u);
    u.readUint32 = o => (o === 0x48 || o === 0x04 ? 0 : read(o));
    u.writeUint32 = (o, value) => {
      if (o !== 0) return write(o, value);
      fifo.push(value & 255);
      if (!sending) { sending = true; sent.schedule(byteNs()); }
    };
    Object.defineProperty(u, 'flags', { get: () => (u.rxFIFO.full ? 64 : 0) | (u.rxFIFO.empty ? 16 : 0)
      | (fifo.length >= 32 ? 32 : 0) | (fifo.length ? 8 : 128) });
    const queue = this.queues[line];
    const arrive = clock.createAlarm(() => {
      const byte = queue.shift();
      if (u.enabled) {
        if (u.rxFIFO.full) this.overruns++;
        else u.feedByte(byte); // bit 8 is the framing error's in the data register, too
      }
      if (queue.length) arrive.schedule(this.byteNs);
    });
    if (queue.length) arrive.schedule(this.byteNs);
    return arrive;
  }

  #listen(pin) {
    this.mcu.gpio[pin].addListener(value => this.#changed(pin, value === 1));
  }

  #changed(pin, level) {
    if (this.watched.get(pin) === level) return;
    this.watched.set(pin, level);
    this.pins.push([this.us, pin, level]);
  }

  #drainLog() {
    const rtt = this.image.symbols.get('_SEGGER_RTT');
    if (!rtt) return;
    const view = this.mcu.sramView, at = rtt - RAM + 24;
    const [buffer, size, to] = [4, 8, 12].map(o => view.getUint32(at + o, true));
    let from = view.getUint32(at + 16, true);
    if (buffer < RAM || buffer >= RAM + 0x42000 || !size || size > 0x10000 || to >= size || from >= size) return;
    for (; from !== to; from = (from + 1) % size) this.log.push(this.mcu.sram[buffer - RAM + from]);
    view.setUint32(at + 16, from, true);
  }
}
