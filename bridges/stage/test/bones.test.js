// Names of the rigs that people bring.

import assert from "node:assert/strict";
import test from "node:test";
import { HOUSE_JOINTS, VRM_BONES, distance, matchBones, readName } from "../src/bones.js";

/** A tree from "child < parent" by indentation-free pairs: [name, parent name or ""]. */
const tree = (pairs) => pairs.map(([name, up]) => ({ name, parent: pairs.findIndex(([n]) => n === up) }));
const found = (bones) => {
  const result = matchBones(bones);
  const map = {};
  result.joints.forEach((joint, i) => joint >= 0 && (map[HOUSE_JOINTS[joint]] = bones[i].name));
  return { ...result, map };
};
const both = (make) => ["Left", "Right"].flatMap(make);

const MIXAMO = [
  ["Hips", ""], ["Spine", "Hips"], ["Spine1", "Spine"], ["Spine2", "Spine1"], ["Neck", "Spine2"], ["Head", "Neck"], ["HeadTop_End", "Head"],
  ...both((s) => [
    [`${s}Shoulder`, "Spine2"], [`${s}Arm`, `${s}Shoulder`], [`${s}ForeArm`, `${s}Arm`], [`${s}Hand`, `${s}ForeArm`],
    [`${s}HandThumb1`, `${s}Hand`], [`${s}HandIndex1`, `${s}Hand`], [`${s}UpLeg`, "Hips"], [`${s}Leg`, `${s}UpLeg`],
    [`${s}Foot`, `${s}Leg`], [`${s}ToeBase`, `${s}Foot`], [`${s}Toe_End`, `${s}ToeBase`],
  ]),
];
const EXPECTED = {
  pelvis: "Hips", spine1: "Spine", spine2: "Spine1", spine3: "Spine2", neck: "Neck", head: "Head", left_collar: "LeftShoulder",
  left_shoulder: "LeftArm", left_elbow: "LeftForeArm", left_wrist: "LeftHand", left_hip: "LeftUpLeg", left_knee: "LeftLeg",
  left_ankle: "LeftFoot", left_foot: "LeftToeBase", right_shoulder: "RightArm", right_knee: "RightLeg", right_foot: "RightToeBase",
};

test("Mixamo with its prefix in three spellings, and Ready Player Me without", () => {
  for (const prefix of ["mixamorig:", "mixamorig", "mixamorig1:", ""]) {
    const bones = tree(MIXAMO.map(([name, up]) => [prefix + name, up && prefix + up]));
    const { map, unmapped, missing } = found(bones);
    for (const [joint, name] of Object.entries(EXPECTED)) assert.equal(map[joint], prefix + name, `${prefix} ${joint}`);
    assert.equal(Object.keys(map).length, 22);
    assert.deepEqual([unmapped, missing], [[], []]);
  }
});

test("Unreal mannequin, five spine bones, twist and control bones listed with a guess", () => {
  const bones = tree([
    ["root", ""], ["pelvis", "root"], ["spine_01", "pelvis"], ["spine_02", "spine_01"], ["spine_03", "spine_02"], ["spine_04", "spine_03"],
    ["spine_05", "spine_04"], ["neck_01", "spine_05"], ["neck_02", "neck_01"], ["head", "neck_02"],
    ...["l", "r"].flatMap((s) => [
      [`clavicle_${s}`, "spine_05"], [`upperarm_${s}`, `clavicle_${s}`], [`upperarm_twist_01_${s}`, `upperarm_${s}`],
      [`lowerarm_${s}`, `upperarm_${s}`], [`hand_${s}`, `lowerarm_${s}`], [`index_01_${s}`, `hand_${s}`], [`thigh_${s}`, "pelvis"],
      [`calf_${s}`, `thigh_${s}`], [`foot_${s}`, `calf_${s}`], [`ball_${s}`, `foot_${s}`],
    ]),
    ["ik_foot_root", "root"],
  ]);
  const { map, unmapped } = found(bones);
  assert.deepEqual(
    ["spine1", "spine2", "spine3", "left_collar", "left_shoulder", "right_elbow", "left_hip", "right_knee", "left_ankle", "left_foot"].map((j) => map[j]),
    ["spine_01", "spine_03", "spine_05", "clavicle_l", "upperarm_l", "lowerarm_r", "thigh_l", "calf_r", "foot_l", "ball_l"],
  );
  assert.match(unmapped.find((u) => u.name === "upperarm_twist_01_l").guess, /twist/);
  assert.match(unmapped.find((u) => u.name === "ik_foot_root").guess, /control/);
});

test("our own 22 names, SMPL spelling, VRM names, VRoid names and Rigify names", () => {
  const parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19];
  const smpl = HOUSE_JOINTS.map((name) => name.replace(/^left/, "L").replace(/^right/, "R"));
  const cap = (name) => name[0].toUpperCase() + name.slice(1);
  const vroid = VRM_BONES.map((n) => (/^(left|right)/.test(n) ? `J_Bip_${n[0].toUpperCase()}_${n.replace(/^(left|right)/, "")}` : `J_Bip_C_${cap(n)}`));
  const rigify = [
    "hips", "thigh.L", "thigh.R", "spine", "shin.L", "shin.R", "spine.001", "foot.L", "foot.R", "chest", "toe.L", "toe.R", "neck",
    "shoulder.L", "shoulder.R", "head", "upper_arm.L", "upper_arm.R", "forearm.L", "forearm.R", "hand.L", "hand.R",
  ];
  const biped = [
    "Bip01 Pelvis", "Bip01 L Thigh", "Bip01 R Thigh", "Bip01 Spine", "Bip01 L Calf", "Bip01 R Calf", "Bip01 Spine1", "Bip01 L Foot",
    "Bip01 R Foot", "Bip01 Spine2", "Bip01 L Toe0", "Bip01 R Toe0", "Bip01 Neck", "Bip01 L Clavicle", "Bip01 R Clavicle", "Bip01 Head",
    "Bip01 L UpperArm", "Bip01 R UpperArm", "Bip01 L Forearm", "Bip01 R Forearm", "Bip01 L Hand", "Bip01 R Hand",
  ];
  for (const names of [HOUSE_JOINTS, smpl, VRM_BONES, vroid, rigify, biped, VRM_BONES.map((n) => n.toUpperCase())]) {
    const bones = names.map((name, j) => ({ name, parent: parents[j] }));
    const { joints, unmapped, missing } = matchBones(bones);
    assert.deepEqual(joints, names.map((_, j) => j), `${names}`);
    assert.deepEqual([unmapped, missing], [[], []]);
  }
});

test("a rig without legs says what is missing; a slip of the pen is guessed", () => {
  const names = MIXAMO.filter(([name]) => !/Leg|Foot|Toe/.test(name));
  assert.deepEqual(found(tree(names)).missing, ["left_hip", "right_hip", "left_knee", "right_knee"]);
  const slip = MIXAMO.map(([name, up]) => [name.replace("LeftUpLeg", "LeftUpLge"), up.replace("LeftUpLeg", "LeftUpLge")]);
  const { missing, unmapped } = found(tree(slip));
  assert.deepEqual(missing, ["left_hip"]);
  assert.match(unmapped[0].guess, /left_hip/);
});

test("reading names", () => {
  assert.deepEqual(readName("mixamorig:LeftForeArm"), { side: "left", word: "forearm" });
  assert.deepEqual(readName("upper_arm.R"), { side: "right", word: "upperarm" });
  assert.deepEqual(readName("lThigh"), { side: "left", word: "thigh" });
  assert.deepEqual(readName("Armature|R_Hand"), { side: "right", word: "hand" });
  assert.deepEqual(readName("leg"), { side: "", word: "leg" });
  assert.deepEqual(readName("ribbon"), { side: "", word: "ribbon" });
  assert.equal(distance("thigh", "thihg"), 2);
});
