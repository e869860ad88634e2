// The demo's sound on this page's speakers, held to stream time.

const SEEK_S = 0.12; // farther off than this: start again at the right place
const RATE_SPAN = 0.004; // a change of speed that nobody hears
const CHECK_MS = 500;
const FADE_S = 0.03;

/** Place [s] in a track at stream time t. */
export function trackPosition(stream_s, duration_s, loop) {
  if (!loop) return Math.min(Math.max(stream_s, 0), duration_s);
  return ((stream_s % duration_s) + duration_s) % duration_s;
}

/** Shortest signed way [s] from where the track is to where it should be, round the loop. */
export function trackError(should_s, is_s, duration_s, loop) {
  const error = should_s - is_s;
  if (!loop) return error;
  return error - duration_s * Math.round(error / duration_s);
}

/** Playback rate that takes an error back gently over about eight seconds. */
export function driftRate(error_s) {
  return 1 + Math.min(RATE_SPAN, Math.max(-RATE_SPAN, error_s / 8));
}

export class Sound {
  /** @param {() => number} now_s stream time now  @param {(text: string) => void} tell one line for the page */
  constructor(now_s, tell) {
    this.now_s = now_s;
    this.tell = tell;
    this.on = false;
  }

  /** Start with the track that the status names; must be called from a click or key (browsers insist). */
  async start({ url, duration_s, loop }) {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    this.on = true;
    await this.context.resume();
    if (this.url !== url) {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
      this.buffer = await this.context.decodeAudioData(await answer.arrayBuffer());
      this.url = url;
    }
    this.loop = loop;
    this.duration_s = duration_s && Math.abs(duration_s - this.buffer.duration) < 0.1 ? duration_s : this.buffer.duration;
    if (!this.on) return;
    this.play();
    this.timer ??= setInterval(() => this.hold(), CHECK_MS);
  }

  stop() {
    this.on = false;
    clearInterval(this.timer);
    this.timer = null;
    this.fadeOut();
  }

  fadeOut() {
    if (!this.source) return;
    const { source, gain } = this;
    const now = this.context.currentTime;
    gain.gain.setTargetAtTime(0, now, FADE_S / 3);
    source.stop(now + FADE_S * 2);
    this.source = null;
  }

  /** Stream time [s] at which a sample handed over now is heard. */
  heardAt() {
    return this.now_s() + (this.context.outputLatency || this.context.baseLatency || 0);
  }

  play() {
    this.fadeOut();
    const gain = new GainNode(this.context, { gain: 0 });
    const source = new AudioBufferSourceNode(this.context, { buffer: this.buffer, loop: this.loop, loopEnd: this.duration_s });
    source.connect(gain).connect(this.context.destination);
    const begin = this.context.currentTime + 0.05;
    this.place_s = trackPosition(this.heardAt() + 0.05, this.duration_s, this.loop);
    this.place_at = begin;
    this.rate = 1;
    source.start(begin, this.place_s);
    gain.gain.setTargetAtTime(1, begin, FADE_S / 3);
    Object.assign(this, { source, gain });
  }

  /** Compare and correct: speed for a drift, a new start for a jump. */
  hold() {
    if (!this.source || this.context.state !== "running") return;
    const now = this.context.currentTime;
    if (now < this.place_at) return;
    this.place_s = trackPosition(this.place_s + (now - this.place_at) * this.rate, this.duration_s, this.loop);
    this.place_at = now;
    const error = trackError(trackPosition(this.heardAt(), this.duration_s, this.loop), this.place_s, this.duration_s, this.loop);
    this.error_s = error;
    if (Math.abs(error) > SEEK_S) return this.play();
    this.rate = driftRate(error);
    this.source.playbackRate.setValueAtTime(this.rate, now);
  }

  async toggle(audio) {
    if (this.on) return this.stop();
    try {
      await this.start(audio);
    } catch (error) {
      this.on = false;
      this.tell(`no sound on this page: ${error.message || "this browser cannot decode the track"}`);
    }
  }
}
