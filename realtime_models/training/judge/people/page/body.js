// Joint positions to shaded parts: one body for everybody. Pure; no drawing in here.
// A part is a capsule between two points with a radius at each: 8 floats (x y z r, x y z r). Joints in SMPL order.

const PELVIS = 0, L_HIP = 1, R_HIP = 2, L_KNEE = 4, R_KNEE = 5, SPINE = 6, L_ANKLE = 7, R_ANKLE = 8, CHEST = 9, L_FOOT = 10, R_FOOT = 11;
const NECK = 12, HEAD = 15, L_SHOULDER = 16, R_SHOULDER = 17, L_ELBOW = 18, R_ELBOW = 19, L_WRIST = 20, R_WRIST = 21;
export const JOINTS = 22;
const SOLE_M = 0.03; // a toe joint that rests on the floor is drawn so far above it

const TRUNK = [0.80, 0.79, 0.80], LEFT = [0.30, 0.62, 0.88], RIGHT = [0.92, 0.47, 0.25], JOINT = [0.17, 0.18, 0.22], VISOR = [0.05, 0.06, 0.08];

const add = (a, b, k = 1) => [a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]];
const sub = (a, b) => add(a, b, -1);
const mix = (a, b, u) => add(a, sub(b, a), u);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a, otherwise) => {
  const length = Math.hypot(...a);
  return length > 1e-5 ? [a[0] / length, a[1] / length, a[2] / length] : otherwise;
};

/** Colours of all parts, in the order of `parts`. */
export const COLOURS = [];
export const PARTS = parts(new Float32Array(3 * JOINTS), null, COLOURS);

/** Writes the parts of a body (22 x 3 joint positions [m]) into `out` (8 floats each); returns how many there are. */
export function parts(joints, out, colours = null) {
  let count = 0;
  const at = (j) => [joints[3 * j], joints[3 * j + 1] + SOLE_M, joints[3 * j + 2]];
  const part = (a, ra, b, rb, colour) => {
    out?.set([...a, ra, ...b, rb], 8 * count);
    colours?.push(colour);
    count += 1;
  };
  const ball = (a, r, colour) => part(a, r, a, r, colour);
  const up = unit(sub(at(NECK), at(CHEST)), [0, 1, 0]);
  const across = unit(sub(at(L_SHOULDER), at(R_SHOULDER)), [1, 0, 0]);

  // trunk
  part(mix(at(L_HIP), at(R_HIP), 0.08), 0.088, mix(at(L_HIP), at(R_HIP), 0.92), 0.088, TRUNK);
  part(at(PELVIS), 0.1, at(SPINE), 0.098, TRUNK);
  part(at(SPINE), 0.098, add(at(CHEST), up, 0.07), 0.104, TRUNK);
  for (const side of [1, -1]) { // from the waist out to the armpit
    part(add(at(SPINE), across, 0.03 * side), 0.09, add(add(at(CHEST), up, 0.07), across, 0.066 * side), 0.101, TRUNK);
  }
  part(mix(at(L_SHOULDER), at(R_SHOULDER), 0.13), 0.07, mix(at(L_SHOULDER), at(R_SHOULDER), 0.87), 0.07, TRUNK);

  // head: where it looks is read from the shoulders, since a position has no turn
  const crown = unit(sub(at(HEAD), at(NECK)), up);
  const skull = add(at(HEAD), crown, 0.085);
  const ahead = unit(cross(across, crown), [0, 0, 1]);
  part(add(at(NECK), up, -0.02), 0.056, at(HEAD), 0.05, JOINT);
  part(add(skull, crown, -0.035), 0.082, add(skull, crown, 0.03), 0.098, TRUNK);
  part(add(add(skull, ahead, 0.072), across, 0.04), 0.034, add(add(skull, ahead, 0.072), across, -0.04), 0.034, VISOR);

  for (const [hip, knee, ankle, foot, shoulder, elbow, wrist, colour] of [
    [L_HIP, L_KNEE, L_ANKLE, L_FOOT, L_SHOULDER, L_ELBOW, L_WRIST, LEFT],
    [R_HIP, R_KNEE, R_ANKLE, R_FOOT, R_SHOULDER, R_ELBOW, R_WRIST, RIGHT],
  ]) {
    part(at(hip), 0.088, at(knee), 0.056, colour);
    ball(at(knee), 0.06, JOINT);
    part(at(knee), 0.055, at(ankle), 0.036, colour);
    ball(at(ankle), 0.041, JOINT);
    const [heel, toe] = sole(at(knee), at(ankle), at(foot), across);
    part(heel, 0.031, toe, 0.03, colour);
    part(mix(at(ankle), toe, 0.12), 0.036, at(foot), 0.032, colour);
    ball(at(shoulder), 0.067, JOINT);
    part(at(shoulder), 0.056, at(elbow), 0.041, colour);
    ball(at(elbow), 0.045, JOINT);
    part(at(elbow), 0.04, at(wrist), 0.029, colour);
    const along = unit(sub(at(wrist), at(elbow)), [0, -1, 0]);
    part(add(at(wrist), along, 0.03), 0.036, add(at(wrist), along, 0.105), 0.03, JOINT);
  }
  return count;
}

/** Heel and tip of a foot: the rigid foot of the T-pose laid through ankle and toe, in the plane of the shin. */
function sole(knee, ankle, toe, across) {
  const slope = Math.atan2(0.06, 0.13); // of the line from ankle to toe above the sole, standing
  const line = unit(sub(toe, ankle), [0, 0, 1]);
  const hinge = unit(cross(line, unit(sub(ankle, knee), [0, -1, 0])), across); // points to the body's left
  const lift = cross(line, hinge); // away from the sole
  const forward = add(line.map((x) => x * Math.cos(slope)), lift, Math.sin(slope));
  return [add(toe, forward, -0.17), add(toe, forward, 0.055)];
}
