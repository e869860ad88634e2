// House poses onto any humanoid rig. Pure: no three.js in here, so node tests it.
//
// House rotations are local to identity frames in T-pose, so the composed rotation G of a joint is the world-space turn of
// that body part away from the T-pose. A bone whose T-pose world rotation is W must therefore stand at world rotation G W,
// whatever way its own axes lie; its local rotation is inverse(parent's new world rotation) G W. Bones without a joint keep
// their rest rotation under the parent. A rig that rests in another pose (arms down) is first put into the T-pose by C,
// the shortest turn of each limb bone onto its house direction: W = C x rest world rotation.

import { IDENTITY, between, conjugate, multiply, rotate } from "./quaternion.js";
import { HOUSE_JOINTS } from "./bones.js";

/** Directions that limb bones have in the T-pose: joint -> [next joint down the limb, unit vector]. */
const LIMBS = {
  left_shoulder: ["left_elbow", [1, 0, 0]], right_shoulder: ["right_elbow", [-1, 0, 0]],
  left_elbow: ["left_wrist", [1, 0, 0]], right_elbow: ["right_wrist", [-1, 0, 0]],
  left_hip: ["left_knee", [0, -1, 0]], right_hip: ["right_knee", [0, -1, 0]],
  left_knee: ["left_ankle", [0, -1, 0]], right_knee: ["right_ankle", [0, -1, 0]],
};
const SOLES = ["left_ankle", "right_ankle", "left_foot", "right_foot"];
const index = (name) => HOUSE_JOINTS.indexOf(name);
const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const length = (v) => Math.hypot(v[0], v[1], v[2]);

/** House joints' composed rotations and positions of one body. skeleton: {parents, offsets} from the first message. */
export function houseGlobals(skeleton, root, rotations) {
  const turns = [];
  const points = [];
  skeleton.parents.forEach((parent, j) => {
    turns.push(parent < 0 ? [...rotations[j]] : multiply(turns[parent], rotations[j]));
    points.push(parent < 0 ? [...root] : add(points[parent], rotate(turns[parent], skeleton.offsets[j])));
  });
  return { turns, points };
}

/**
 * Yaw [rad] that turns a resting rig to face +Z, from its bone positions (world, Y up); forward = left x up.
 * @param {number[][]} points rest position per bone
 * @param {number[]} joints house joint per bone or -1
 */
export function facingYaw(points, joints) {
  const at = (name) => points[joints.indexOf(index(name))];
  const left = subtract(at("left_hip"), at("right_hip"));
  const forward = [-left[2], 0, left[0]];
  return -Math.atan2(forward[0], forward[2]);
}

/**
 * Prepare a rig for the house skeleton.
 * @param {{parent: number, joint: number, rotation: number[], position: number[]}[]} bones parents first; rotation is the
 *   rest rotation in the frame of the model (facing +Z, Y up), position the rest position in it [m, floor at y = 0]
 * @param {{parents: number[], offsets: number[][]}} skeleton
 */
export function makeRig(bones, skeleton) {
  const bone_of = new Map(bones.map((b, i) => [b.joint, i]).filter(([j]) => j >= 0));
  const house = houseGlobals(skeleton, [0, 0, 0], skeleton.parents.map(() => IDENTITY));
  const lowest = Math.min(...house.points.map((p) => p[1]));
  const place = (name) => bones[bone_of.get(index(name))]?.position;
  const leg = (side, at) => {
    const [hip, knee, ankle] = [at(`${side}_hip`), at(`${side}_knee`), at(`${side}_ankle`)];
    return hip && knee && ankle ? length(subtract(hip, knee)) + length(subtract(knee, ankle)) : 0;
  };
  const their_leg = Math.max(leg("left", place), leg("right", place));
  const our_leg = leg("left", (name) => house.points[index(name)]);
  const tpose = straighten(bones, bone_of);
  const hip = bones[bone_of.get(0)].position;
  return {
    bones, tpose, skeleton,
    rest_local: bones.map((b) => (b.parent < 0 ? b.rotation : multiply(conjugate(bones[b.parent].rotation), b.rotation))),
    hip_bone: bone_of.get(0),
    hip_rest: hip,
    house_hip_m: -lowest,
    house_rest: house.points,
    scale: their_leg > 0 ? their_leg / our_leg : hip[1] / -lowest,
    soles: SOLES.map(index).filter((j) => bone_of.has(j)).map((j) => ({ joint: j, bone: bone_of.get(j) })),
  };
}

/** Rest world rotations with the limbs turned into the T-pose; hands go with the forearm, feet stay as they stand. */
function straighten(bones, bone_of) {
  const fix = [];
  return bones.map((bone, i) => {
    const name = HOUSE_JOINTS[bone.joint];
    const child = LIMBS[name] && bones[bone_of.get(index(LIMBS[name][0]))];
    if (child) fix[i] = between(subtract(child.position, bone.position), LIMBS[name][1]);
    else if (/_(ankle|foot)$/.test(name ?? "") || bone.parent < 0) fix[i] = IDENTITY;
    else fix[i] = fix[bone.parent];
    return multiply(fix[i], bone.rotation);
  });
}

/**
 * Local rotations and hip position for one house pose.
 * @returns {{locals: number[][], hip: number[]}} a local rotation per bone (rest where nothing drives it) and the position
 *   of the hip bone in the frame of the model, feet on the floor where the house pose has them there
 */
export function retarget(rig, root, rotations) {
  const { turns, points } = houseGlobals(rig.skeleton, root, rotations);
  const world = [];
  const locals = rig.bones.map((bone, i) => {
    const parent = bone.parent < 0 ? IDENTITY : world[bone.parent];
    if (bone.joint < 0) {
      world.push(multiply(parent, rig.rest_local[i]));
      return rig.rest_local[i];
    }
    world.push(multiply(turns[bone.joint], rig.tpose[i]));
    return multiply(conjugate(parent), world[i]);
  });
  const hip = [root[0] * rig.scale, rig.hip_rest[1] + (root[1] - rig.house_hip_m) * rig.scale, root[2] * rig.scale];
  hip[1] += settleFeet(rig, points, world, hip);
  return { locals, hip };
}

/** How far [m] to move the body so that its lowest sole stands as high over the floor as the house body's does. */
function settleFeet(rig, points, world, hip) {
  if (rig.soles.length === 0) return 0;
  const placed = [];
  const place = (i) => {
    if (placed[i]) return placed[i];
    const bone = rig.bones[i];
    if (i === rig.hip_bone || bone.parent < 0) return (placed[i] = hip);
    // The offset to the parent is fixed in the parent's own frame.
    const local = rotate(conjugate(rig.bones[bone.parent].rotation), subtract(bone.position, rig.bones[bone.parent].position));
    return (placed[i] = add(place(bone.parent), rotate(world[bone.parent], local)));
  };
  const ours = rig.soles.map(({ joint }) => (points[joint][1] - rig.house_rest[joint][1] - rig.house_hip_m) * rig.scale);
  const theirs = rig.soles.map(({ bone }) => place(bone)[1] - rig.bones[bone].position[1]);
  return Math.min(...ours) - Math.min(...theirs);
}
