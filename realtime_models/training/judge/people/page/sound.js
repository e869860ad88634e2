// The excerpt and the clock that both bodies follow: what is heard now, in seconds since its start.

const START_S = 0.1; // between asking for sound and its first sample
const STUCK_MS = 700;
const SLEW = 0.06; // of the difference to the sound's clock taken up with every look: it ticks in blocks

export class Playback {
  clock = "none"; // "sound", or "timer" where there is no sound to follow
  #context = null;
  #gain = null;
  #source = null;
  #begin = 0;
  #offset = null;
  #seen = { time: -1, at: 0 };
  #muted = false;

  /** To be called from a click or a key: browsers make no sound before. Never fails; without sound a timer is the clock. */
  async unlock() {
    try {
      if (!this.#context) {
        this.#context = new AudioContext();
        this.#gain = this.#context.createGain();
        this.#gain.gain.value = this.#muted ? 0 : 1;
        this.#gain.connect(this.#context.destination);
      }
      if (this.#context.state !== "running") await Promise.race([this.#context.resume(), new Promise((done) => setTimeout(done, 900))]);
    } catch { /* no sound on this machine */ }
    return this.running;
  }

  get running() { return this.#context?.state === "running"; }
  get muted() { return this.#muted; }
  set muted(value) {
    this.#muted = value;
    if (this.#gain) this.#gain.gain.value = value ? 0 : 1;
  }

  async decode(bytes) { return (await this.unlock()) ? this.#context.decodeAudioData(bytes) : null; }

  /** From the start, now. `buffer` may be null: then only the time runs. */
  play(buffer) {
    this.stop();
    this.#offset = null;
    this.clock = buffer && this.running ? "sound" : "timer";
    if (this.clock === "timer") {
      this.#begin = performance.now() / 1000;
      return;
    }
    this.#begin = this.#context.currentTime + START_S;
    this.#seen = { time: -1, at: performance.now() };
    this.#source = new AudioBufferSourceNode(this.#context, { buffer });
    this.#source.connect(this.#gain);
    this.#source.start(this.#begin);
  }

  stop() {
    this.#source?.stop();
    this.#source?.disconnect();
    this.#source = null;
    this.clock = "none";
  }

  /** Seconds since the start as the listener hears them; negative before the first sample. */
  get position() {
    const now = performance.now();
    if (this.clock === "none") return 0;
    if (this.clock === "timer") return now / 1000 - this.#begin;
    const time = this.#context.currentTime;
    if (time !== this.#seen.time) this.#seen = { time, at: now };
    else if (now - this.#seen.at > STUCK_MS) { // the sound card has gone: go on without it
      this.#begin = now / 1000 - Math.max(time - this.#begin, 0);
      this.clock = "timer";
      return now / 1000 - this.#begin;
    }
    const delay = Math.min(Math.max(this.#context.outputLatency || this.#context.baseLatency || 0, 0), 0.5);
    const exact = time - this.#begin - delay - now / 1000;
    this.#offset = this.#offset === null || Math.abs(exact - this.#offset) > 0.08 ? exact : this.#offset + SLEW * (exact - this.#offset);
    return this.#offset + now / 1000;
  }
}
