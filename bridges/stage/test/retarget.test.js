// The retarget laws on rigs made up here: whatever way a rig's bones lie at rest, the body parts end where ours are.

import assert from "node:assert/strict";
import test from "node:test";
import { HOUSE_JOINTS } from "../src/bones.js";
import { angleBetween, between, conjugate, multiply, normalize, rotate } from "../src/quaternion.js";
import { facingYaw, houseGlobals, makeRig, retarget } from "../src/retarget.js";

const PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19];
const OFFSETS = [
  [0, 0, 0], [0.085, -0.085, 0], [-0.085, -0.085, 0], [0, 0.115, 0], [0, -0.4, 0], [0, -0.4, 0], [0, 0.135, 0], [0, -0.41, 0],
  [0, -0.41, 0], [0, 0.06, 0], [0.02, -0.06, 0.13], [-0.02, -0.06, 0.13], [0, 0.21, 0], [0.07, 0.125, 0], [-0.07, 0.125, 0],
  [0, 0.1, 0.02], [0.11, 0.03, 0], [-0.11, 0.03, 0], [0.27, 0, 0], [-0.27, 0, 0], [0.25, 0, 0], [-0.25, 0, 0],
];
const HOUSE = { parents: PARENTS, offsets: OFFSETS };
const HIP_M = 0.955;
const joint = (name) => HOUSE_JOINTS.indexOf(name);

/** Seeded numbers in [-1, 1). */
function dice(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
const anyTurn = (roll) => normalize([roll(), roll(), roll(), roll()]);
const someTurn = (roll, size) => normalize([roll() * size, roll() * size, roll() * size, 1]);
const pose = (roll) => HOUSE_JOINTS.map(() => someTurn(roll, 0.4));
const close = (a, b, tolerance, text) => a.forEach((v, i) => assert.ok(Math.abs(v - b[i]) < tolerance, `${text}: ${a} is not ${b}`));

/** A rig with our joints, each frame turned at random, `scale` times our size, some joints left out, extra bones between. */
function strangeRig(seed, { scale = 1, without = [], bend = () => null } = {}) {
  const roll = dice(seed);
  const bones = [];
  const bone_of = new Map();
  const turned = [];
  HOUSE_JOINTS.forEach((name, j) => {
    const up = PARENTS[j];
    const swing = bend(name);
    turned[j] = multiply(up < 0 ? [0, 0, 0, 1] : turned[up], swing ?? [0, 0, 0, 1]);
    const at = up < 0 ? [0, HIP_M * scale, 0] : null;
    let parent = up;
    while (parent >= 0 && !bone_of.has(parent)) parent = PARENTS[parent];
    const place = at ?? placeOf(j, turned, scale);
    if (without.includes(name)) return;
    // A bone without a joint between every joint and its parent: twist bones, armatures.
    const parent_bone = parent < 0 ? -1 : bone_of.get(parent);
    bones.push({ parent: parent_bone, joint: -1, rotation: anyTurn(roll), position: parent < 0 ? [0, 0, 0] : bones[parent_bone].position });
    bones.push({ parent: bones.length - 1, joint: j, rotation: anyTurn(roll), position: place });
    bone_of.set(j, bones.length - 1);
  });
  return { bones, bone_of };
}

function placeOf(j, turned, scale) {
  if (PARENTS[j] < 0) return [0, HIP_M * scale, 0];
  const from = placeOf(PARENTS[j], turned, scale);
  return rotate(turned[PARENTS[j]], OFFSETS[j]).map((v, i) => from[i] + v * scale);
}

/** Forward kinematics of the rig with the locals that retarget gave. */
function stand(rig, { locals, hip }) {
  const turns = [];
  const points = [];
  rig.bones.forEach((bone, i) => {
    const { parent } = bone;
    turns.push(parent < 0 ? locals[i] : multiply(turns[parent], locals[i]));
    if (i === rig.hip_bone) points.push(hip);
    else if (parent < 0) points.push(bone.position);
    else {
      const local = rotate(conjugate(rig.bones[parent].rotation), bone.position.map((v, k) => v - rig.bones[parent].position[k]));
      points.push(rotate(turns[parent], local).map((v, k) => points[parent][k] + v));
    }
  });
  return { turns, points };
}

test("a rig in T-pose with frames turned at random takes every joint where the house body has it", () => {
  for (let seed = 1; seed < 20; seed++) {
    const { bones, bone_of } = strangeRig(seed);
    const rig = makeRig(bones, HOUSE);
    const roll = dice(seed + 100);
    const rotations = pose(roll);
    const root = [roll() * 0.5, HIP_M + roll() * 0.2, roll() * 0.5];
    const house = houseGlobals(HOUSE, root, rotations);
    const { points } = stand(rig, retarget(rig, root, rotations));
    for (const [j, bone] of bone_of) close(points[bone], house.points[j], 1e-6, `seed ${seed} ${HOUSE_JOINTS[j]}`);
  }
});

test("identity rotations give the rest pose back", () => {
  const { bones } = strangeRig(3);
  const rig = makeRig(bones, HOUSE);
  const { turns } = stand(rig, retarget(rig, [0, HIP_M, 0], HOUSE_JOINTS.map(() => [0, 0, 0, 1])));
  bones.forEach((bone, i) => assert.ok(angleBetween(turns[i], bone.rotation) < 1e-6));
});

test("missing joints are bridged: what hangs below still points the right way", () => {
  const without = ["spine2", "left_collar", "right_collar", "neck", "left_foot", "right_foot"];
  const { bones, bone_of } = strangeRig(5, { without });
  const rig = makeRig(bones, HOUSE);
  const rotations = pose(dice(77));
  const house = houseGlobals(HOUSE, [0, HIP_M, 0], rotations);
  const { points } = stand(rig, retarget(rig, [0, HIP_M, 0], rotations));
  for (const [a, b] of [["left_shoulder", "left_elbow"], ["right_elbow", "right_wrist"], ["left_knee", "left_ankle"]]) {
    const along = (p, at) => p[at(b)].map((v, k) => v - p[at(a)][k]);
    close(along(points, (n) => bone_of.get(joint(n))), along(house.points, joint), 1e-6, a);
  }
});

test("a rig that rests with its arms down and legs apart dances like one in T-pose", () => {
  const swing = { left_shoulder: -0.9, right_shoulder: 0.9, left_elbow: -0.2, right_elbow: 0.2, left_hip: 0.15, right_hip: -0.15 };
  const bend = (name) => (name in swing ? [0, 0, Math.sin(swing[name] / 2), Math.cos(swing[name] / 2)] : null);
  const { bones, bone_of } = strangeRig(9, { bend });
  const rig = makeRig(bones, HOUSE);
  const rotations = pose(dice(8));
  const root = [0.1, HIP_M, -0.2];
  const house = houseGlobals(HOUSE, root, rotations);
  const { points } = stand(rig, retarget(rig, root, rotations));
  const hip_error = points[rig.hip_bone].map((v, k) => v - house.points[0][k]);
  for (const name of ["left_elbow", "left_wrist", "right_wrist", "left_knee", "left_ankle", "right_ankle"]) {
    close(points[bone_of.get(joint(name))].map((v, k) => v - hip_error[k]), house.points[joint(name)], 1e-6, name);
  }
});

test("feet keep their height over the floor on bodies of any size", () => {
  for (const scale of [0.5, 1.3, 2]) {
    const { bones, bone_of } = strangeRig(11, { scale });
    const rig = makeRig(bones, HOUSE);
    assert.ok(Math.abs(rig.scale - scale) < 1e-6);
    const knee = 0.6;
    const rotations = HOUSE_JOINTS.map(() => [0, 0, 0, 1]);
    const about_x = (angle) => [Math.sin(angle / 2), 0, 0, Math.cos(angle / 2)];
    for (const side of ["left", "right"]) {
      rotations[joint(`${side}_hip`)] = about_x(-knee);
      rotations[joint(`${side}_knee`)] = about_x(2 * knee);
      rotations[joint(`${side}_ankle`)] = about_x(-knee);
    }
    const root = [0, HIP_M - 0.81 * (1 - Math.cos(knee)), 0];
    const { points } = stand(rig, retarget(rig, root, rotations));
    for (const name of ["left_ankle", "right_foot"]) {
      assert.ok(Math.abs(points[bone_of.get(joint(name))][1] - bones[bone_of.get(joint(name))].position[1]) < 1e-6, name);
    }
    root[1] += 0.2; // a jump
    const high = stand(rig, retarget(rig, root, rotations));
    assert.ok(Math.abs(high.points[bone_of.get(joint("left_ankle"))][1] - points[bone_of.get(joint("left_ankle"))][1] - 0.2 * scale) < 1e-6);
  }
});

test("a rig of other proportions does not sink into the floor", () => {
  const { bones, bone_of } = strangeRig(13);
  for (const side of ["left", "right"]) {
    for (const name of ["ankle", "foot"]) bones[bone_of.get(joint(`${side}_${name}`))].position[1] -= 0.15; // long shins
    for (const name of ["ankle"]) bones[bone_of.get(joint(`${side}_foot`)) - 1].position = bones[bone_of.get(joint(`${side}_${name}`))].position;
  }
  bones.forEach((bone) => (bone.position = [bone.position[0], bone.position[1] + 0.15, bone.position[2]]));
  const rig = makeRig(bones, HOUSE);
  const roll = dice(4);
  for (let n = 0; n < 10; n++) {
    const rotations = pose(roll);
    const house = houseGlobals(HOUSE, [0, 0, 0], rotations);
    const soles = ["left_ankle", "right_ankle", "left_foot", "right_foot"].map(joint);
    const rest = houseGlobals(HOUSE, [0, HIP_M, 0], rotations.map(() => [0, 0, 0, 1])).points;
    const lowest = Math.min(...soles.map((j) => house.points[j][1] - rest[j][1]));
    const { points } = stand(rig, retarget(rig, [0, -lowest, 0], rotations));
    const clearance = Math.min(...soles.map((j) => points[bone_of.get(j)][1] - bones[bone_of.get(j)].position[1]));
    assert.ok(Math.abs(clearance) < 1e-6, `lowest sole ${clearance}`);
  }
});

test("facing is read from the hips and turned to +Z", () => {
  for (const yaw of [0, 1, Math.PI / 2, 3, -2]) {
    const turn = [0, Math.sin(yaw / 2), 0, Math.cos(yaw / 2)];
    const joints = [joint("left_hip"), joint("right_hip")];
    const points = [rotate(turn, [0.1, 0.9, 0]), rotate(turn, [-0.1, 0.9, 0])];
    const back = facingYaw(points, joints);
    const forward = rotate([0, Math.sin(back / 2), 0, Math.cos(back / 2)], rotate(turn, [0, 0, 1]));
    close(forward, [0, 0, 1], 1e-9, `yaw ${yaw}`);
  }
});

test("between() turns one direction onto the other, opposite ones too", () => {
  const roll = dice(21);
  const unit = (v) => v.map((x) => x / Math.hypot(...v));
  for (let n = 0; n < 50; n++) {
    const [a, b] = [[roll(), roll(), roll()], [roll(), roll(), roll()]].map(unit);
    close(rotate(between(a, b), a), b, 1e-9, "turned");
    close(rotate(between(a, a.map((v) => -v)), a), a.map((v) => -v), 1e-6, "opposite");
  }
});
