// Poses wait here until their time has come. Pure: stream time is handed in.

import { slerp } from "./quaternion.js";
import { FLAG } from "./protocol.js";

const CAPACITY = 90; // a second and a half at 60 Hz
const EXTRAPOLATE_S = 0.05; // past the newest pose the motion goes on for this long, then holds
const RESTART_S = 1.0; // a time so far back is another show

export class PoseBuffer {
  constructor() {
    this.clear();
  }

  clear() {
    this.poses = [];
    this.flags = 0;
  }

  get newest() {
    return this.poses[this.poses.length - 1] ?? null;
  }

  /** Take one decoded pose message. Times that do not grow replace the newest pose (a frozen body is sent again). */
  push(pose) {
    this.flags = pose.flags;
    const newest = this.newest;
    if (newest && pose.time_s < newest.time_s - RESTART_S) this.poses = [];
    else if (newest && pose.time_s <= newest.time_s) {
      this.poses[this.poses.length - 1] = { ...pose, time_s: newest.time_s };
      return;
    }
    if (newest && pose.performers.length !== newest.performers.length) this.poses = [];
    this.poses.push(pose);
    if (this.poses.length > CAPACITY) this.poses.shift();
  }

  /** The bodies at stream time t [s]: [{root: [3], rotations: [[4]...]}...], or null before the first pose. */
  at(t_s) {
    const { poses } = this;
    if (poses.length === 0) return null;
    if (poses.length === 1 || t_s <= poses[0].time_s) return poses[0].performers;
    let right = poses.length - 1;
    while (right > 1 && poses[right - 1].time_s > t_s) right--;
    const a = poses[right - 1];
    const b = poses[right];
    const still = this.flags & (FLAG.freeze | FLAG.panic | FLAG.held);
    const until_s = still ? b.time_s : b.time_s + EXTRAPOLATE_S;
    return blend(a, b, (Math.min(t_s, until_s) - a.time_s) / (b.time_s - a.time_s));
  }
}

function blend(a, b, u) {
  // A hole of several frames must not be continued at its average speed for long.
  const far = Math.min(u, 4);
  return b.performers.map((to, p) => {
    const from = a.performers[p];
    return {
      root: [0, 1, 2].map((i) => from.root[i] + (to.root[i] - from.root[i]) * far),
      rotations: to.rotations.map((q, j) => slerp(from.rotations[j], q, far)),
    };
  });
}
