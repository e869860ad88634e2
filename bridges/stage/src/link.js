// The socket to the show: opens, listens, answers the clock, comes back by itself.

import { StreamClock } from "./clock.js";
import { control, decodePose, decodeText, ping } from "./protocol.js";

const FIRST_PINGS = 6;
const PING_EVERY_MS = 1000;
const SILENT_MS = 4000; // a socket on which nothing comes for so long is dead, whatever it says

/** Waiting time [ms] before attempt n (from 0): doubles up to five seconds, with a little spread so that pages do not all knock at once. */
export function backOff(attempt, spread = 0.5) {
  return Math.min(5000, 250 * 2 ** attempt) * (0.8 + 0.4 * spread);
}

export class Link {
  /** @param {string} url  @param {{skeleton, pose, status, state}} on handlers; state: "open" | "waiting" */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.clock = new StreamClock();
    this.attempt = 0;
    this.malformed = 0;
    this.pings = 0;
    this.heard_ms = 0;
    setInterval(() => this.tick(), PING_EVERY_MS);
    this.open();
  }

  open() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard_ms = performance.now();
    socket.onopen = () => {
      this.attempt = 0;
      this.pings = 0;
      this.clock.reset();
      this.on.state("open", 0);
      this.ping();
    };
    socket.onmessage = (event) => socket === this.socket && this.hear(event.data);
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      const wait_ms = backOff(this.attempt++, Math.random());
      this.on.state("waiting", wait_ms);
      setTimeout(() => this.open(), wait_ms);
    };
  }

  hear(data) {
    this.heard_ms = performance.now();
    if (typeof data !== "string") {
      const pose = decodePose(data);
      if (!pose) return void this.malformed++;
      this.clock.hint(this.heard_ms / 1000, pose.sent_s);
      return this.on.pose(pose);
    }
    const message = decodeText(data);
    if (!message) this.malformed++;
    else if (message.type === "pong") this.pong(message);
    else if (message.type === "skeleton" || message.type === "status") this.on[message.type](message);
  }

  pong(message) {
    if (message.stream_s !== null) this.clock.observe(message.client_s, performance.now() / 1000, message.stream_s);
    if (++this.pings < FIRST_PINGS) setTimeout(() => this.ping(), 60);
  }

  ping() {
    this.say(ping(this.pings, performance.now() / 1000));
  }

  tick() {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.heard_ms > SILENT_MS) this.socket.close();
    else this.ping();
  }

  control(name, value) {
    this.say(control(name, value));
  }

  say(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  /** Stream time now [s]. */
  now_s() {
    return this.clock.toStream(performance.now() / 1000);
  }
}
