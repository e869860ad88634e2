// Wire, clock, buffer and sound: everything between the socket and the body that has no screen.

import assert from "node:assert/strict";
import test from "node:test";
import { StreamClock, beatInBar, beatsAt } from "../src/clock.js";
import { PoseBuffer } from "../src/poses.js";
import { FLAG, decodePose, decodeText } from "../src/protocol.js";
import { angleBetween, slerp } from "../src/quaternion.js";
import { driftRate, trackError, trackPosition } from "../src/sound.js";
import { backOff } from "../src/link.js";

function wire({ frame = 7, time_s = 1.5, flags = 0, joints = 22, performers = 1, x = 0.25 }) {
  const bytes = new ArrayBuffer(32 + performers * 4 * (3 + 4 * joints));
  const view = new DataView(bytes);
  [..."CPS1"].forEach((c, i) => view.setUint8(i, c.charCodeAt(0)));
  view.setUint32(4, frame, true);
  view.setFloat64(8, time_s, true);
  view.setFloat64(16, time_s - 0.1, true);
  view.setUint16(24, performers, true);
  view.setUint16(26, joints, true);
  view.setUint32(28, flags, true);
  for (let p = 0; p < performers; p++) {
    const at = 32 + p * 4 * (3 + 4 * joints);
    view.setFloat32(at, x + p, true);
    for (let j = 0; j < joints; j++) view.setFloat32(at + 12 + 16 * j + 12, 1, true);
  }
  return bytes;
}

test("a pose message comes apart as the protocol says", () => {
  const bytes = wire({ performers: 2, flags: 3 });
  assert.equal(wire({}).byteLength, 396);
  const pose = decodePose(bytes);
  assert.deepEqual([pose.frame, pose.time_s, pose.sent_s, pose.flags], [7, 1.5, 1.4, 3]);
  assert.deepEqual(pose.performers.map((p) => p.root[0]), [0.25, 1.25]);
  assert.deepEqual([...pose.performers[1].rotations[21]], [0, 0, 0, 1]);
});

test("malformed messages are refused, not thrown", () => {
  assert.equal(decodePose(wire({}).slice(0, 395)), null);
  assert.equal(decodePose(new ArrayBuffer(8)), null);
  assert.equal(decodePose(new ArrayBuffer(396)), null);
  assert.equal(decodeText("{"), null);
  assert.equal(decodeText("null"), null);
  assert.equal(decodeText('{"type":"status"}').type, "status");
});

const still = (q) => [{ root: [0, 0, 0], rotations: [q] }];
const pose = (time_s, root, q = [0, 0, 0, 1], flags = 0) => ({ frame: 0, time_s, flags, performers: [{ root, rotations: [q] }] });
const yaw = (angle) => [0, Math.sin(angle / 2), 0, Math.cos(angle / 2)];

test("between two poses the body is between them, on the shorter arc", () => {
  const buffer = new PoseBuffer();
  assert.equal(buffer.at(0), null);
  buffer.push(pose(1, [0, 0, 0], yaw(0.2)));
  buffer.push(pose(1.1, [1, 0, 0], yaw(0.6).map((v) => -v)));
  buffer.push(pose(1.2, [5, 0, 0], yaw(0.6)));
  const [{ root, rotations }] = buffer.at(1.05);
  assert.ok(Math.abs(root[0] - 0.5) < 1e-9);
  assert.ok(angleBetween(rotations[0], yaw(0.4)) < 1e-6);
  assert.equal(buffer.at(0)[0].root[0], 0);
  assert.ok(Math.abs(buffer.at(1.15)[0].root[0] - 3) < 1e-9);
});

test("past the newest pose the motion goes on a little, then holds; frozen it holds at once", () => {
  const buffer = new PoseBuffer();
  buffer.push(pose(1, [0, 0, 0]));
  buffer.push(pose(1.02, [0.02, 0, 0]));
  assert.ok(Math.abs(buffer.at(1.04)[0].root[0] - 0.04) < 1e-9);
  assert.ok(Math.abs(buffer.at(1.07)[0].root[0] - buffer.at(9)[0].root[0]) < 1e-9);
  buffer.push(pose(1.04, [0.04, 0, 0], [0, 0, 0, 1], FLAG.freeze));
  assert.ok(Math.abs(buffer.at(2)[0].root[0] - 0.04) < 1e-9);
});

test("a pose sent again replaces itself, another show begins anew, the buffer stays small", () => {
  const buffer = new PoseBuffer();
  for (let i = 0; i < 1000; i++) buffer.push(pose(i / 60, [i, 0, 0]));
  assert.equal(buffer.poses.length, 90);
  buffer.push(pose(999 / 60, [-1, 0, 0], [0, 0, 0, 1], FLAG.blackout));
  assert.equal(buffer.poses.length, 90);
  assert.equal(buffer.newest.performers[0].root[0], -1);
  assert.equal(buffer.flags, FLAG.blackout);
  buffer.push(pose(0.1, [3, 0, 0]));
  assert.equal(buffer.poses.length, 1);
  assert.deepEqual(buffer.at(50), still([0, 0, 0, 1]).map((p) => ({ ...p, root: [3, 0, 0] })));
});

test("slerp keeps unit length and equal steps", () => {
  const [a, b] = [yaw(0.1), yaw(1.3)];
  for (const u of [0, 0.25, 0.5, 1, 1.2]) {
    const q = slerp(a, b, u);
    assert.ok(Math.abs(Math.hypot(...q) - 1) < 1e-12);
    assert.ok(Math.abs(angleBetween(a, q) - 1.2 * u) < 1e-9);
  }
});

test("the clock finds the offset through a jittery line and follows a restart", () => {
  const clock = new StreamClock();
  let seed = 5;
  const roll = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const ask = (local, offset) => {
    const [out, back] = roll() < 0.3 ? [0.002, 0.08 * roll()] : [0.002, 0.002];
    clock.observe(local, local + out + back, local + out + offset);
  };
  for (let i = 0; i < 60; i++) ask(i, 100);
  assert.ok(Math.abs(clock.toStream(70) - 170) < 0.002);
  const before = clock.toStream(70);
  ask(61, 100.004);
  assert.ok(Math.abs(clock.toStream(70) - before) < 0.001, "slews, never steps");
  for (let i = 62; i < 70; i++) ask(i, 3);
  assert.ok(Math.abs(clock.toStream(70) - 73) < 0.05);
  clock.observe(80, 79, 1);
  clock.observe(80, 81, null);
  assert.ok(Math.abs(clock.toStream(70) - 73) < 0.05, "nonsense is ignored");
});

test("beats and bars are counted from the anchor, forward and back", () => {
  const beat = { anchor_s: 10, count: 40, period_s: 0.5, beat_in_bar: 3, meter: 4 };
  assert.equal(beatsAt(beat, 10.25), 40.5);
  assert.deepEqual([9.4, 10.1, 10.6, 11.1, 12.1].map((t) => beatInBar(beat, t)), [1, 3, 4, 1, 3]);
  assert.equal(beatInBar({ ...beat, beat_in_bar: 0 }, 10), 0);
});

test("the track follows stream time round its loop", () => {
  assert.equal(trackPosition(25, 10, true), 5);
  assert.equal(trackPosition(-1, 10, true), 9);
  assert.equal(trackPosition(25, 10, false), 10);
  assert.ok(Math.abs(trackError(0.1, 9.9, 10, true) - 0.2) < 1e-9);
  assert.ok(Math.abs(trackError(9.9, 0.1, 10, true) + 0.2) < 1e-9);
  // Corrected by its own rate the error dies out and the rate never leaves what nobody hears.
  let error = 0.1;
  for (let i = 0; i < 400; i++) {
    const rate = driftRate(error);
    assert.ok(Math.abs(rate - 1) <= 0.004001);
    error -= (rate - 1) * 0.5;
  }
  assert.ok(Math.abs(error) < 0.003);
});

test("knocking again takes longer each time and never more than six seconds", () => {
  const waits = [0, 1, 2, 3, 9].map((n) => backOff(n));
  assert.deepEqual(waits, [250, 500, 1000, 2000, 5000]);
  assert.ok(backOff(50, 1) < 6001);
});
