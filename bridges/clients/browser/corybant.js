// A receiver of the Corybant stage as one ES module without dependencies (browsers; Node with a WebSocket handed in).
// The wire is docs/protocol.md, section 3. House frame: right-handed, +Y up, +Z forward, +X the dancer's left, metres,
// quaternions x y z w: that of glTF and three.js, so nothing has to be turned.

export const FREEZE = 1, BLACKOUT = 2, PANIC = 4, HELD = 8;
const HEADER_BYTES = 32;
const JUMP_S = 1; // more than this between two poses is another performance, not a late pose
const RISE = 0.02; // how fast the line is believed to have become slower [s/s]
const KEEP = 240;
const SILENCE_S = 3; // there are 60 poses a second, always: silence means that the show is gone

/** Bone of a VRM for each joint; `vrm.humanoid.getNormalizedBoneNode(VRM_BONES[name])`. */
export const VRM_BONES = {
  pelvis: "hips", spine1: "spine", spine2: "chest", spine3: "upperChest", neck: "neck", head: "head",
  left_hip: "leftUpperLeg", left_knee: "leftLowerLeg", left_ankle: "leftFoot", left_foot: "leftToes",
  right_hip: "rightUpperLeg", right_knee: "rightLowerLeg", right_ankle: "rightFoot", right_foot: "rightToes",
  left_collar: "leftShoulder", left_shoulder: "leftUpperArm", left_elbow: "leftLowerArm", left_wrist: "leftHand",
  right_collar: "rightShoulder", right_shoulder: "rightUpperArm", right_elbow: "rightLowerArm", right_wrist: "rightHand",
};

/** A rotation for a normalized VRM bone: VRM 1 faces +Z as we do; VRM 0 ("0" as metaVersion) faces -Z. */
export function vrmRotation([x, y, z, w], metaVersion = "1") {
  return metaVersion === "0" ? [-x, y, -z, w] : [x, y, z, w];
}

/** The same for positions [m]. */
export function vrmPosition([x, y, z], metaVersion = "1") {
  return metaVersion === "0" ? [-x, y, -z] : [x, y, z];
}

/**
 * A binary message (ArrayBuffer) as {frame, time_s, sent_s, flags, visible, performers: [{root, rotations}]}; rotations
 * are [x, y, z, w] per joint, local to the parent. Throws RangeError when it is no whole, finite pose. Bytes after the
 * last performer are left alone.
 */
export function decodePose(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES || view.getUint32(0, false) !== 0x43505331) throw new RangeError("no CPS1 pose");
  const count = view.getUint16(24, true), joints = view.getUint16(26, true);
  if (view.byteLength < HEADER_BYTES + count * (12 + 16 * joints)) throw new RangeError("the pose is cut short");
  let at = HEADER_BYTES;
  const finite = (value) => {
    if (!Number.isFinite(value)) throw new RangeError("a number of the pose is not finite");
    return value;
  };
  const floats = (wanted) => Array.from({ length: wanted }, () => {
    const value = finite(view.getFloat32(at, true));
    at += 4;
    return value;
  });
  const flags = view.getUint32(28, true);
  return {
    frame: view.getUint32(4, true),
    time_s: finite(view.getFloat64(8, true)),
    sent_s: finite(view.getFloat64(16, true)),
    flags,
    visible: !(flags & BLACKOUT),
    performers: Array.from({ length: count }, () => ({
      root: floats(3),
      rotations: Array.from({ length: joints }, () => floats(4)),
    })),
  };
}

/** The skeleton message, parsed: {names, parents, offsets}. Throws RangeError when it describes no body. */
export function decodeSkeleton({ names, parents, offsets }) {
  const whole = [names, parents, offsets].every(Array.isArray) && names.length === parents.length && names.length === offsets.length
    && names.every((name) => typeof name === "string")
    && parents.every((parent, joint) => Number.isInteger(parent) && parent < joint)
    && offsets.every((offset) => Array.isArray(offset) && offset.length === 3 && offset.every(Number.isFinite));
  if (!whole) throw new RangeError("names, parents and offsets describe no body");
  return { names, parents, offsets };
}

/** From quaternion a (u = 0) to b (u = 1) on the shorter arc. */
export function slerp(a, b, u) {
  let dot = a.reduce((sum, value, i) => sum + value * b[i], 0);
  const sign = dot < 0 ? -1 : 1;
  dot *= sign;
  let [wa, wb] = [1 - u, u];
  if (dot <= 0.9995) { // closer than that the chord is the arc, and the sine too small to divide by
    const angle = Math.acos(dot);
    [wa, wb] = [Math.sin((1 - u) * angle) / Math.sin(angle), Math.sin(u * angle) / Math.sin(angle)];
  }
  const mixed = a.map((value, i) => wa * value + sign * wb * b[i]);
  const norm = Math.hypot(...mixed);
  return norm > 1e-9 ? mixed.map((value) => value / norm) : [0, 0, 0, 1];
}

const mix = (a, b, u) => (1 - u) * a + u * b;
const joints = (frame) => frame.performers[0]?.rotations.length ?? 0;

/** The pose at part u of the way from a to b, with the number and flags of a. Other bodies in b: a itself. */
export function between(a, b, u) {
  if (u <= 0 || a.performers.length !== b.performers.length || joints(a) !== joints(b)) return a;
  return {
    ...a,
    time_s: mix(a.time_s, b.time_s, u),
    sent_s: mix(a.sent_s, b.sent_s, u),
    performers: a.performers.map(({ root, rotations }, p) => ({
      root: root.map((value, i) => mix(value, b.performers[p].root[i], u)),
      rotations: rotations.map((q, j) => slerp(q, b.performers[p].rotations[j], u)),
    })),
  };
}

/**
 * Shows poses `delay_s` behind the newest, so that the network's unevenness is not seen. Pure: pass the time. The
 * quickest arrival says what the line takes; it is believed again only slowly, so one late pose moves nothing.
 */
export class PoseBuffer {
  late = 0; // poses that were not newer than the one before
  #frames = [];
  #lag_s = 0;
  #pushed_s = 0;

  constructor(delay_s = 0.05) {
    this.delay_s = delay_s;
  }

  clear() {
    this.#frames = [];
  }

  /** Take a pose that arrived at local time now_s, any clock that only goes forward. */
  push(frame, now_s) {
    const lag_s = now_s - frame.time_s;
    if (this.#frames.length) {
      const step_s = frame.time_s - this.#frames.at(-1).time_s;
      if (step_s > -JUMP_S && step_s <= 0) {
        this.late += 1;
        return;
      }
      if (Math.abs(step_s) >= JUMP_S) this.clear();
    }
    const risen_s = this.#lag_s + RISE * Math.max(0, now_s - this.#pushed_s);
    this.#lag_s = this.#frames.length ? Math.min(lag_s, risen_s) : lag_s;
    this.#pushed_s = now_s;
    this.#frames.push(frame);
    if (this.#frames.length > KEEP) this.#frames.shift();
  }

  /** What to show at local time now_s; null before the first pose. Never goes beyond the newest. */
  at(now_s) {
    if (!this.#frames.length) return null;
    const show_s = now_s - this.#lag_s - this.delay_s;
    while (this.#frames.length > 1 && this.#frames[1].time_s <= show_s) this.#frames.shift();
    const [first, second] = this.#frames;
    return second ? between(first, second, (show_s - first.time_s) / (second.time_s - first.time_s)) : first;
  }
}

/** Waits between attempts to connect: 0.25 s, doubled up to 8 s; from the start after a pose has come. */
export class Backoff {
  #wait_s = 0.25;

  next() {
    const wait_s = this.#wait_s;
    this.#wait_s = Math.min(8, wait_s * 2);
    return wait_s;
  }

  reset() {
    this.#wait_s = 0.25;
  }
}

/** Messages in, poses out: knows the body and refuses what does not fit. No socket, no clock. */
export class Receiver {
  skeleton = null;
  skeletons = 0; // how often the body changed; look the bones up again when this grows
  refused = 0;

  constructor(delay_s) {
    this.buffer = new PoseBuffer(delay_s);
  }

  /** A text message: the skeleton is kept, everything else is left alone. */
  text(text) {
    let skeleton;
    try {
      const message = JSON.parse(text);
      if (message?.type !== "skeleton") return;
      skeleton = decodeSkeleton(message);
    } catch {
      this.refused += 1;
      return;
    }
    this.buffer.clear(); // a new connection: what is left of the old one is old
    if (JSON.stringify(skeleton) === JSON.stringify(this.skeleton)) return;
    this.skeleton = skeleton;
    this.skeletons += 1;
  }

  /** A binary message (ArrayBuffer); returns its pose, or null when it was refused. */
  binary(buffer, now_s) {
    let frame = null;
    try {
      frame = decodePose(buffer);
    } catch {} // counted below
    if (!frame || !this.skeleton || (frame.performers.length && joints(frame) !== this.skeleton.names.length)) {
      this.refused += 1;
      return null;
    }
    this.buffer.push(frame, now_s);
    return frame;
  }
}

const seconds = () => performance.now() / 1000;

/**
 * Keeps a connection and comes back by itself:
 *   const stream = new CorybantStream("ws://127.0.0.1:8765/ws", { onSkeleton: (skeleton) => ... });
 *   each picture: const shown = stream.shown(); if (shown?.visible) ...
 * `onPose` hears every pose as it arrives. `WebSocket` is for programs without one of their own.
 */
export class CorybantStream {
  connects = 0;
  #backoff = new Backoff();
  #closed = false;
  #heard_s = 0;

  constructor(url, { delay_s, onSkeleton, onPose, WebSocket = globalThis.WebSocket } = {}) {
    this.receiver = new Receiver(delay_s);
    Object.assign(this, { url, onSkeleton, onPose, WebSocket });
    this.#connect();
    this.watch = setInterval(() => this.#silent() && this.socket.close(), 500);
  }

  /** What to show now; null before the first pose. */
  shown(now_s = seconds()) {
    return this.receiver.buffer.at(now_s);
  }

  close() {
    this.#closed = true;
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.socket.close();
  }

  #silent() {
    return this.socket.readyState === 1 && seconds() - this.#heard_s > SILENCE_S;
  }

  #connect() {
    const socket = new this.WebSocket(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.connects += 1;
      this.#heard_s = seconds();
    };
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onerror = () => {}; // close follows
    socket.onclose = () => {
      if (!this.#closed) this.retry = setTimeout(() => this.#connect(), 1000 * this.#backoff.next());
    };
  }

  #hear(data) {
    if (typeof data === "string") {
      const known = this.receiver.skeletons;
      this.receiver.text(data);
      if (this.receiver.skeletons !== known) this.onSkeleton?.(this.receiver.skeleton);
      return;
    }
    const frame = this.receiver.binary(data, seconds());
    if (!frame) return;
    this.#heard_s = seconds();
    this.#backoff.reset();
    this.onPose?.(frame);
  }
}
