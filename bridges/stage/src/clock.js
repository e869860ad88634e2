// Client clock against stream time, from ping and pong. Pure: the caller brings every reading of the local clock.

const KEPT = 24;
const STEP_S = 0.2; // larger errors are jumped over (first sync, server restart), smaller ones are slewed
const SLEW = 0.15; // share of the error taken back at every pong

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export class StreamClock {
  constructor() {
    this.reset();
  }

  reset() {
    this.samples = [];
    this.offset_s = 0;
    this.synced = false;
    this.round_trip_s = 0;
  }

  /** One answered ping: sent and received by the local clock, stream time in between [s]. */
  observe(sent_s, received_s, stream_s) {
    const round_trip_s = received_s - sent_s;
    if (!(round_trip_s >= 0) || !Number.isFinite(stream_s)) return;
    this.samples.push({ round_trip_s, offset_s: stream_s - (sent_s + received_s) / 2 });
    if (this.samples.length > KEPT) this.samples.shift();
    // A slow answer says little about the offset: only the quicker half votes.
    const quick = [...this.samples].sort((a, b) => a.round_trip_s - b.round_trip_s);
    const voters = quick.slice(0, Math.max(1, Math.ceil(quick.length / 2)));
    const target = median(voters.map((s) => s.offset_s));
    this.round_trip_s = voters[0].round_trip_s;
    const newest = this.samples.slice(-3).map((s) => s.offset_s - this.offset_s);
    if (!this.synced) {
      this.offset_s = target;
      this.synced = true;
    } else if (newest.length === 3 && newest.every((e) => Math.abs(e) > STEP_S)) {
      this.samples = this.samples.slice(-3);
      this.offset_s = median(this.samples.map((s) => s.offset_s));
    } else {
      this.offset_s += (target - this.offset_s) * SLEW;
    }
  }

  /** A stamp that left the server at stream_s: good enough until the first pong comes. */
  hint(received_s, stream_s) {
    if (!this.synced && Number.isFinite(stream_s)) this.offset_s = stream_s - received_s;
  }

  toStream(local_s) {
    return local_s + this.offset_s;
  }
}

/** Beat number with its fraction at stream time t [s], from the status' beat object. */
export function beatsAt(beat, t_s) {
  return beat.count + (t_s - beat.anchor_s) / beat.period_s;
}

/** Position in the bar, 1..meter, of the beat that stands at t; 0 when unknown. */
export function beatInBar(beat, t_s) {
  if (!beat.beat_in_bar) return 0;
  const passed = Math.floor(beatsAt(beat, t_s)) - beat.count;
  return ((((beat.beat_in_bar - 1 + passed) % beat.meter) + beat.meter) % beat.meter) + 1;
}
