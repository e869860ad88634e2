// From the bone names of any humanoid rig to the 22 house joints. Pure.
// The rules read a name as side + part, so prefixes, case and separators do not matter; the few words that mean different
// bones in different traditions (shoulder, foot, leg, arm, hip) are settled by which other words the rig uses.

export const HOUSE_JOINTS = [
  "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
  "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
  "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
];

/** VRM humanoid bone for every house joint, in order. */
export const VRM_BONES = [
  "hips", "leftUpperLeg", "rightUpperLeg", "spine", "leftLowerLeg", "rightLowerLeg", "chest", "leftFoot", "rightFoot",
  "upperChest", "leftToes", "rightToes", "neck", "leftShoulder", "rightShoulder", "head", "leftUpperArm",
  "rightUpperArm", "leftLowerArm", "rightLowerArm", "leftHand", "rightHand",
];

const PARTS = {
  upperLeg: ["upperleg", "upleg", "thigh", "hip", "legupper"],
  lowerLeg: ["lowerleg", "loleg", "leg", "calf", "shin", "knee", "leglower"],
  foot: ["foot", "ankle", "feet"],
  toes: ["toes", "toe", "toebase", "ball", "toe0"],
  shoulder: ["shoulder", "clavicle", "collar", "collarbone"],
  upperArm: ["upperarm", "uparm", "arm", "armupper"],
  lowerArm: ["lowerarm", "loarm", "forearm", "elbow", "armlower"],
  hand: ["hand", "wrist", "palm"],
};
const HOUSE_OF_PART = {
  upperLeg: "hip", lowerLeg: "knee", foot: "ankle", toes: "foot",
  shoulder: "collar", upperArm: "shoulder", lowerArm: "elbow", hand: "wrist",
};
const MIDDLE = { pelvis: ["hips", "pelvis", "hip"], neck: ["neck", "neck01", "neck1"], head: ["head"] };
const SPINE = /^(spine|chest|upperchest|torso|abdomen|waist|stomach)\d*$/;
const FINGER = /(thumb|index|middle|ring|pinky|little|finger|metacarpal)/;
const NEEDED = ["pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_shoulder", "right_shoulder"];

/** {side: "left" | "right" | "", word: the rest in lower case without separators} of a bone name. */
export function readName(name) {
  let word = name.replace(/^.*[:|/]/, "");
  word = word.replace(/^(mixamorig\d*|J_Bip|Bip\d+|CC_Base|DEF|ORG|Armature|avg|smplx?|[mf]_avg|def|character\d*)[ _\-.]+/i, "");
  word = word.replace(/^mixamorig\d*/i, "").replace(/^C_(?=[A-Z])/, "");
  let side = "";
  const found =
    word.match(/^(left|right)[ _\-.]*/i) ?? word.match(/[ _\-.]*(left|right)$/i) ??
    word.match(/^([LR])[ _\-.]+/i) ?? word.match(/[ _\-.]+([LR])$/i) ?? word.match(/^([lr])(?=[A-Z])/) ??
    word.match(/(?<=[a-z0-9])([LR])$/) ?? word.match(/(left|right)/i) ?? word.match(/[ _\-.]([LR])(?=[ _\-.])/i);
  if (found) {
    side = found[1].toLowerCase().startsWith("l") ? "left" : "right";
    word = word.slice(0, found.index) + word.slice(found.index + found[0].length);
  }
  return { side, word: word.toLowerCase().replace(/[^a-z0-9]/g, "") };
}

/** Which words mean which part on this rig; `words` is the set of all sided words. */
function settle(words) {
  const part = new Map();
  for (const [name, aliases] of Object.entries(PARTS)) for (const alias of aliases) part.set(alias, name);
  const has = (...list) => list.some((w) => words.has(w));
  if (has("collar", "collarbone", "clavicle") && !has("upperarm", "uparm", "arm")) part.set("shoulder", "upperArm");
  if (has("shoulder") && !has("upperarm", "uparm", "arm", "collar", "clavicle") && has("elbow", "forearm")) part.set("shoulder", "upperArm");
  if (has("ankle") && has("foot") && !has("toes", "toe", "toebase", "ball")) part.set("foot", "toes");
  if (has("knee", "shin", "calf") && has("leg") && !has("upperleg", "upleg", "thigh", "hip")) part.set("leg", "upperLeg");
  return part;
}

/**
 * Match the bones of a rig to house joints.
 * @param {{name: string, parent: number}[]} bones parents before children, parent = -1 for a root
 * @returns {{joints: number[], unmapped: {name: string, guess: string}[], missing: string[]}}
 *   joints: house joint index per bone or -1; missing: house joints without which the rig cannot dance
 */
export function matchBones(bones) {
  const joints = bones.map(() => -1);
  const read = bones.map((b) => readName(b.name));
  const part = settle(new Set(read.filter((r) => r.side).map((r) => r.word)));
  const owner = new Map();
  const claim = (bone, joint) => {
    if (owner.has(joint) || joints[bone] >= 0) return;
    owner.set(joint, bone);
    joints[bone] = HOUSE_JOINTS.indexOf(joint);
  };
  for (const [joint, aliases] of Object.entries(MIDDLE)) {
    for (const alias of aliases) read.forEach((r, i) => !r.side && r.word === alias && claim(i, joint));
  }
  // Specific words first ("upleg" before "hip"): the first alias that occurs wins.
  for (const [name, aliases] of Object.entries(PARTS)) {
    for (const side of ["left", "right"]) {
      const usable = [...new Set([...aliases, ...part.keys()])].filter((alias) => part.get(alias) === name);
      for (const alias of usable) {
        read.forEach((r, i) => r.side === side && r.word === alias && claim(i, `${side}_${HOUSE_OF_PART[name]}`));
      }
    }
  }
  claimSpine(bones, read, owner, claim);
  const missing = NEEDED.filter((joint) => !owner.has(joint));
  const unmapped = [];
  bones.forEach((bone, i) => {
    if (joints[i] >= 0 || isSilent(read[i], bone.name)) return;
    unmapped.push({ name: bone.name, guess: guess(read[i], bones, i, missing) });
  });
  return { joints, unmapped, missing };
}

/** The spine is read from the tree: what lies between the pelvis and the neck (or head), spread over our three. */
function claimSpine(bones, read, owner, claim) {
  const pelvis = owner.get("pelvis");
  const top = owner.get("neck") ?? owner.get("head");
  const chain = [];
  if (top !== undefined && pelvis !== undefined) {
    for (let i = bones[top].parent; i >= 0 && i !== pelvis; i = bones[i].parent) {
      if (!read[i].side && SPINE.test(read[i].word)) chain.unshift(i);
    }
  } else read.forEach((r, i) => !r.side && SPINE.test(r.word) && chain.push(i));
  const last = chain.length - 1;
  if (chain.length === 1) claim(chain[0], "spine2");
  if (chain.length === 2) ["spine1", "spine3"].forEach((joint, k) => claim(chain[k], joint));
  if (chain.length >= 3) {
    claim(chain[0], "spine1");
    claim(chain[Math.round(last / 2)], "spine2");
    claim(chain[last], "spine3");
  }
}

/** Bones that follow their parent by nature: not worth a line in the panel. */
function isSilent({ word }, name) {
  return FINGER.test(word) || /(end|nub|site)$/.test(word) || /^(root|armature|scene|eye|eyes|jaw|reference|neck\d+)$/.test(word) || name === "";
}

function guess({ side, word }, bones, index, missing) {
  if (/twist|roll/.test(word)) return "twist bone, follows its parent";
  if (/^ik|ik$|pole|target|ctrl|control/.test(word)) return "control bone, left alone";
  if (/hair|skirt|cloth|tail|ribbon|cape|coat|bust|breast|ear|string|sleeve/.test(word)) return "hair or cloth, follows its parent";
  const close = nearestJoint(side, word);
  if (close && missing.includes(close)) return `perhaps ${close}: rename it and drop the file again`;
  const parent = bones[index].parent >= 0 ? bones[bones[index].parent].name : "";
  return close ? `perhaps ${close}, which is taken` : parent ? `follows ${parent}` : "not driven";
}

function nearestJoint(side, word) {
  let best = null;
  let score = 3; // at most two letters wrong
  const offer = (alias, joint) => {
    const d = distance(word, alias);
    if (d < score && d < alias.length / 2) [best, score] = [joint, d];
  };
  for (const [joint, aliases] of Object.entries(MIDDLE)) if (!side) aliases.forEach((a) => offer(a, joint));
  for (const [name, aliases] of Object.entries(PARTS)) if (side) aliases.forEach((a) => offer(a, `${side}_${HOUSE_OF_PART[name]}`));
  return best;
}

/** Letters to insert, delete or change from a to b. */
export function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
