// node run.mjs IMAGE          steps as told on standard input, a line of JSON each way: the board's time is its own
// node run.mjs IMAGE DIR      runs in real time: UARTs on the sockets DIR/u0 and DIR/u1, pins on DIR/pins, the log in DIR/log,
//                             how well it keeps up in DIR/pace
//
// A step: {"ms": 5, "rx": [[bytes], [bytes]], "in": {"12": true}, "do": "power"|"pin"|"hang"|"deaf"|"panic"|"stack"|null}. The answer: {"us",
// "tx": [[bytes], [bytes]], "pins": [[us, pin, level]], "resets": [[us, cause]], "log": [bytes], "overruns"}. For the Ethernet image
// a step may have "udp": [["address", port, to port, [bytes], what its head says]], "hosts": ["address"] that answer, "missing": true for no W5500; the
// answer has "udp": [["address", port, [bytes]]] and the board's "address", and its "router".
// DIR/pins: lines "out PIN LEVEL" come, lines "in PIN LEVEL" and "do power" are taken.
// DIR/pace: a line each second: the wall's milliseconds, the board's, the most it was behind so far, what this process has used of a core.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { Chip } from './chip.mjs';
import { W5500 } from './w5500.mjs';

const OUTPUTS = [14, 15, 25, 10, 11], UP = [9, 12, 13];
const SLICE_MS = 2;
const [image, dir] = process.argv.slice(2);
if (!image) { process.stderr.write('usage: run.mjs IMAGE [DIR]\n'); process.exit(2); }
const ethernet = new W5500();
const chip = new Chip(image, 19200, mcu => ethernet.wire(mcu));
OUTPUTS.forEach(pin => chip.watch(pin));
UP.forEach(pin => chip.input(pin, true));

const taken = name => { const it = chip[name]; chip[name] = []; return it; };

function step({ ms = 0, rx = [[], []], in: inputs = {}, do: what = null, udp = [], hosts, missing }) {
  if (hosts) ethernet.hosts = new Set(hosts);
  if (missing !== undefined) ethernet.missing = missing;
  udp.forEach(datagram => ethernet.arrive(...datagram));
  for (const [pin, level] of Object.entries(inputs)) chip.input(Number(pin), level);
  let extra = {};
  switch (what) {
    case 'power': case 'pin': chip.reset(what); break;
    case 'hang': chip.hung = true; break;
    case 'deaf': chip.deaf = true; break;
    case 'panic': chip.panic(); break;
    case 'stack': extra = { ...chip.stack(), instructions: chip.instructions }; break;
    case null: break;
    default: throw new Error(`do ${what}?`);
  }
  rx.forEach((bytes, line) => chip.feed(line, bytes));
  if (ms) chip.run(ms);
  const tx = chip.out;
  chip.out = [[], []];
  const sent = ethernet.sent;
  ethernet.sent = [];
  return { udp: sent, address: ethernet.address, router: ethernet.router, us: chip.us, tx, pins: taken('pins'), resets: taken('resets'), log: taken('log'), overruns: chip.overruns, ...extra };
}

function told() {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', line => process.stdout.write(`${JSON.stringify(step(JSON.parse(line)))}\n`));
  lines.on('close', () => process.exit(0));
}

function realTime() {
  const log = fs.openSync(path.join(dir, 'log'), 'a');
  const serve = (name, listen) => {
    const all = new Set();
    net.createServer(socket => {
      all.add(socket);
      listen(socket);
      socket.on('error', () => {});
      socket.on('close', () => all.delete(socket));
    }).listen(path.join(dir, name));
    return bytes => all.forEach(socket => socket.write(bytes));
  };
  const rx = [[], []];
  const out = [0, 1].map(line => serve(`u${line}`, socket => socket.on('data', bytes => rx[line].push(...bytes))));
  let inputs = {}, what = null;
  const take = line => {
    const [, pin, level] = line.match(/^in (\d+) ([01])$/) ?? [];
    if (pin) inputs[pin] = level === '1';
    else if (line === 'do power') what = 'power';
    else process.stderr.write(`pins: ${line}?\n`);
  };
  const pins = serve('pins', socket => readline.createInterface({ input: socket }).on('line', take));
  const pace = fs.openSync(path.join(dir, 'pace'), 'a');
  const began = process.hrtime.bigint();
  const wall = () => Number(process.hrtime.bigint() - began) / 1e6;
  const behind = () => wall() - chip.us / 1e3;
  let worst = 0, next = 1000;
  const slice = () => {
    worst = Math.max(worst, behind());
    if (wall() > next) {
      const { user, system } = process.cpuUsage();
      const numbers = [wall(), chip.us / 1e3, worst, (user + system) / 1e3];
      fs.writeSync(pace, `${numbers.map(Math.round).join(' ')}\n`);
      next += 1000;
    }
    for (let i = 0; i < 20 && behind() > 0; i++) {
      const said = step({ ms: SLICE_MS, rx: rx.map(bytes => bytes.splice(0)), in: inputs, do: what });
      [inputs, what] = [{}, null];
      said.tx.forEach((bytes, line) => bytes.length && out[line](Buffer.from(bytes)));
      said.pins.forEach(([, pin, level]) => pins(`out ${pin} ${level ? 1 : 0}\n`));
      if (said.log.length) fs.writeSync(log, Buffer.from(said.log));
      said.resets.forEach(([us, cause]) => process.stderr.write(`${us} us: reset by ${cause}\n`));
    }
    setTimeout(slice, 1);
  };
  slice();
}

if (dir) realTime(); else told();
