// What the house dancer wears: the bare body is smoothed into a mannequin with a helmet and raised plates, then drawn in
// dark graphite with lit seams. Everything is computed from the body's T-pose coordinates, so there is no texture.

import { BufferAttribute, Color, MeshPhysicalMaterial, Vector3, Vector4 } from "three";

const smoothstep = (a, b, x) => {
  const u = Math.min(1, Math.max(0, (x - a) / (b - a)));
  return u * u * (3 - 2 * u);
};
const band = (x, from, to, soft) => smoothstep(from - soft, from + soft, x) * (1 - smoothstep(to - soft, to + soft, x));

/** Vertices that share an edge, per vertex. */
function neighbours(index, count) {
  const sets = Array.from({ length: count }, () => new Set());
  for (let i = 0; i < index.length; i += 3) {
    for (const [a, b] of [[0, 1], [1, 2], [2, 0]]) {
      sets[index[i + a]].add(index[i + b]);
      sets[index[i + b]].add(index[i + a]);
    }
  }
  return sets.map((s) => [...s]);
}

/** Share (0..1) of every vertex that belongs to the named bones. */
function weightOf(mesh, names) {
  const { skinIndex, skinWeight } = mesh.geometry.attributes;
  const wanted = new Set(mesh.skeleton.bones.map((bone, i) => (names.includes(bone) ? i : -1)));
  return Array.from({ length: skinIndex.count }, (_, i) =>
    [0, 1, 2, 3].reduce((sum, k) => sum + (wanted.has(skinIndex.getComponent(i, k)) ? skinWeight.getComponent(i, k) : 0), 0));
}

/** How strongly (0..1) a T-pose point of the trunk is smoothed: chest and hips lose their anatomy. */
function softness([x, y], marks) {
  const ax = Math.abs(x);
  return ax < 0.3 ? 0.9 * band(y, 0.8, marks.neck - 0.12, 0.06) * (1 - smoothstep(0.15, 0.2, ax)) : 0;
}

/** How far [m] a T-pose point is raised: plates on shoulders, forearms, chest, hips, thighs and shins. */
function relief([x, y, z], marks) {
  const ax = Math.abs(x);
  if (ax > marks.shoulder && y > marks.hip + 0.25) {
    const cap = band(ax, marks.shoulder, marks.shoulder + 0.13, 0.012) * smoothstep(-0.02, 0.03, y - marks.arm_y);
    const fore = band(ax, marks.elbow + 0.045, marks.wrist - 0.035, 0.01);
    return 0.012 * cap + 0.010 * fore;
  }
  if (y < marks.hip - 0.1) {
    const thigh = band(y, marks.knee + 0.11, marks.hip - 0.17, 0.012) * smoothstep(0.0, 0.05, (ax - marks.leg_x) + 0.5 * (z - marks.leg_z) + 0.03);
    const knee = band(y, marks.knee - 0.045, marks.knee + 0.055, 0.012) * smoothstep(0, 0.03, z - marks.leg_z);
    const shin = band(y, 0.16, marks.knee - 0.075, 0.012);
    const boot = 1 - smoothstep(0.1, 0.125, y);
    return 0.009 * thigh + 0.012 * knee + 0.010 * shin + 0.010 * boot;
  }
  const chest = band(y - 0.35 * ax, marks.chest, marks.neck - 0.1, 0.014) * (1 - smoothstep(0.15, 0.2, ax));
  const belt = band(y + 0.25 * ax, marks.hip + 0.015, marks.hip + 0.085, 0.01);
  return 0.014 * chest + 0.010 * belt;
}

/** Smooth every point by its own share; `shrink` undoes the shrinking of each round (Taubin) where it is false. */
function relax(points, near, share, rounds, shrink) {
  for (let round = 0; round < rounds; round++) {
    const step = !shrink && round % 2 ? -0.51 : 0.5;
    points = points.map((p, i) => {
      if (share[i] === 0 || near[i].length === 0) return p;
      const mean = [0, 1, 2].map((k) => near[i].reduce((sum, n) => sum + points[n][k], 0) / near[i].length);
      return p.map((v, k) => v + (mean[k] - v) * step * share[i]);
    });
  }
  return points;
}

/** The egg that holds the skull, from the points that belong to the head. */
function eggAround(points, head) {
  const min = [9, 9, 9];
  const max = [-9, -9, -9];
  points.forEach((p, n) => {
    if (head[n] < 0.9) return;
    for (let i = 0; i < 3; i++) {
      min[i] = Math.min(min[i], p[i]);
      max[i] = Math.max(max[i], p[i]);
    }
  });
  const c = [0, 1, 2].map((i) => (min[i] + max[i]) / 2);
  const r = [0, 1, 2].map((i) => (max[i] - min[i]) / 2);
  return { c: [0, c[1] + 0.008, c[2] - 0.004], r: [r[0] * 1.02, r[1] + 0.004, r[2] * 1.0] };
}

/** Head points go most of the way to the egg. */
function helmet(p, head, egg) {
  const share = smoothstep(0.35, 0.9, head);
  if (share === 0) return p;
  const d = [0, 1, 2].map((i) => (p[i] - egg.c[i]) / egg.r[i]);
  const k = 1 / Math.max(1e-6, Math.hypot(...d));
  return [0, 1, 2].map((i) => p[i] * (1 - 0.95 * share) + (egg.c[i] + d[i] * k * egg.r[i]) * 0.95 * share);
}

/** The cap of a boot that holds the toes of either foot (x taken as positive). */
function capOver(points, foot, sole) {
  const own = points.filter((p, i) => foot[i] > 0.5);
  const tip = Math.max(...own.map((p) => p[2]));
  const front = own.filter((p) => p[2] > tip - 0.1);
  const xs = front.map((p) => Math.abs(p[0]));
  const top = Math.max(...front.map((p) => p[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  return { c: [(x0 + x1) / 2, sole, tip - 0.1], r: [(x1 - x0) / 2 + 0.002, Math.min(0.075, top - sole), 0.106], from: tip - 0.105 };
}

/** Toes go onto the cap; its shape is flat below and round in front. */
function ontoCap(p, { c, r, from }) {
  const share = smoothstep(from, from + 0.055, p[2]);
  if (share === 0) return p;
  const side = Math.sign(p[0]);
  const d = [(Math.abs(p[0]) - c[0]) / r[0], Math.max(0.02, p[1] - c[1]) / r[1], Math.max(0, p[2] - c[2]) / r[2]];
  const k = 1 / Math.max(0.3, Math.hypot(...d));
  const low = p[1] < c[1] + 0.018; // the sole itself stays below and spreads to the rim only
  const to = [side * (c[0] + d[0] * k * r[0]), low ? p[1] : c[1] + d[1] * k * r[1], c[2] + d[2] * k * r[2]];
  return p.map((v, i) => v + (to[i] - v) * share);
}

/** Offset of every leg point from the middle of its leg at that height, and of every arm point from its arm's. */
function around(points, marks) {
  const SLICE_M = 0.04;
  const slices = new Map();
  const limb = ([x, y]) => (Math.abs(x) > marks.shoulder && y > marks.hip + 0.25 ? "arm" : y < marks.hip - 0.05 ? "leg" : "");
  const cut = (p, kind) => (kind === "arm" ? Math.abs(p[0]) : p[1]) / SLICE_M;
  const cross = (p, kind) => (kind === "arm" ? [p[1], p[2]] : [Math.abs(p[0]), p[2]]);
  for (const p of points) {
    const kind = limb(p);
    if (!kind) continue;
    const key = kind + Math.round(cut(p, kind));
    const box = slices.get(key) ?? slices.set(key, [9, -9, 9, -9]).get(key);
    cross(p, kind).forEach((v, i) => {
      box[2 * i] = Math.min(box[2 * i], v);
      box[2 * i + 1] = Math.max(box[2 * i + 1], v);
    });
  }
  const middle = (kind, k) => {
    const box = slices.get(kind + k);
    return box && [(box[0] + box[1]) / 2, (box[2] + box[3]) / 2];
  };
  return points.flatMap((p) => {
    const kind = limb(p);
    if (!kind) return [0, 0];
    const at = cut(p, kind);
    const low = middle(kind, Math.floor(at)) ?? middle(kind, Math.round(at));
    const high = middle(kind, Math.ceil(at)) ?? low;
    const u = at - Math.floor(at);
    return cross(p, kind).map((v, i) => v - (low ?? high)[i] * (1 - u) - (high ?? low)[i] * u);
  });
}

/** Reshape a bare T-pose body in place. marks: heights and distances of its joints [m]; bone: VRM bone name -> node. */
function sculpt(mesh, marks, bone) {
  const { geometry } = mesh;
  const position = geometry.attributes.position;
  const near = neighbours(geometry.index.array, position.count);
  let points = Array.from({ length: position.count }, (_, i) => [position.getX(i), position.getY(i), position.getZ(i)]);
  const head = weightOf(mesh, [bone("head")]);
  const foot = weightOf(mesh, ["leftFoot", "rightFoot", "leftToes", "rightToes"].map(bone));
  const sole = Math.min(...points.map((p) => p[1]));
  points = relax(points, near, head.map((w) => smoothstep(0.2, 0.7, w)), 16, false);
  points = relax(points, near, points.map((p) => softness(p, marks)), 16, true);
  points = relax(points, near, foot.map((w, i) => smoothstep(0.3, 0.9, w) * (1 - smoothstep(0.07, 0.13, points[i][1]))), 8, false);
  const toes = capOver(points, foot, sole);
  points = points.map((p, i) => (foot[i] > 0.5 ? ontoCap(p, toes) : p));
  const egg = eggAround(points, head);
  points = points.map((p, i) => helmet(p, head[i], egg));
  points = relax(points, near, head.map((w) => (w > 0.02 && w < 0.98 ? 1 : 0)), 6, true);
  write(position, points);
  geometry.computeVertexNormals();
  const { normal } = geometry.attributes;
  const raised = points.map((p, i) => {
    const h = head[i] > 0.1 ? 0 : relief(p, marks);
    return [p[0] + normal.getX(i) * h, Math.max(sole, p[1] + normal.getY(i) * h), p[2] + normal.getZ(i) * h];
  });
  geometry.setAttribute("rest", new BufferAttribute(new Float32Array(points.flat()), 3));
  geometry.setAttribute("around", new BufferAttribute(new Float32Array(around(points, marks)), 2));
  write(position, raised);
  geometry.computeVertexNormals();
  points.forEach((p, i) => {
    if (foot[i] > 0.5) roundToes(normal, i, p, toes);
    if (head[i] > 0.6) roundHelmet(normal, i, p, egg, smoothstep(0.6, 0.95, head[i]));
  });
  return egg;
}

/** Between the toes the cap is folded; it is lit as the smooth cap that it should be. */
function roundToes(normal, i, p, { c, r, from }) {
  const share = smoothstep(from + 0.02, from + 0.07, p[2]) * smoothstep(0.004, 0.02, p[1] - c[1]);
  if (share === 0) return;
  const away = [p[0] - Math.sign(p[0]) * c[0], p[1] - c[1], Math.max(0, p[2] - c[2])];
  bendNormal(normal, i, new Vector3(away[0], away[1] * (r[0] / r[1]), away[2] * (r[0] / r[2])), share);
}

/** The folds of the ears disappear in the same way. */
function roundHelmet(normal, i, p, { c, r }, share) {
  bendNormal(normal, i, new Vector3(...[0, 1, 2].map((k) => (p[k] - c[k]) / r[k] ** 2)), share);
}

function bendNormal(normal, i, towards, share) {
  const own = new Vector3().fromBufferAttribute(normal, i);
  own.lerp(towards.normalize(), share).normalize();
  normal.setXYZ(i, own.x, own.y, own.z);
}

function write(position, points) {
  points.forEach((p, i) => position.setXYZ(i, p[0], p[1], p[2]));
  position.needsUpdate = true;
}

/** Joint landmarks in the T-pose of a VRM body. */
function landmarks(human) {
  const at = (bone) => human.getNormalizedBoneNode(bone).getWorldPosition(new Vector3());
  const arm = at("leftUpperArm");
  const leg = at("leftUpperLeg");
  return {
    hip: at("hips").y, chest: at("upperChest").y, neck: at("neck").y, head: at("head").y,
    shoulder: arm.x, arm_y: arm.y, arm_z: arm.z, elbow: at("leftLowerArm").x, wrist: at("leftHand").x,
    leg_x: leg.x, leg_z: leg.z, knee: at("leftLowerLeg").y, ankle: at("leftFoot").y,
  };
}

const GLSL_SUIT = /* glsl */ `
  varying vec3 vRest;
  varying vec2 vAround;
  uniform float uHip, uChest, uNeck, uHead, uShoulder, uArmY, uArmZ, uElbow, uWrist, uLegX, uLegZ, uKnee;
  uniform vec3 uEggC, uEggR;
  uniform vec3 uCold, uWarm;
  uniform vec4 uBands;
  uniform float uWave, uPulse, uPower, uClock;

  float line(float d, float width, float soft) { return 1.0 - smoothstep(width - soft, width + soft, d); }
  float within(float x, float a, float b) { return step(a, x) * step(x, b); }
  bool isArm(vec3 p) { return abs(p.x) > uShoulder - 0.02 && p.y > uHip + 0.25; }
  bool isHead(vec3 p) { return length((p - uEggC) / uEggR) < 1.12 && p.y > uNeck + 0.03; }
  float face(vec3 e) {
    float turn = abs(atan(e.x, e.z)) / 1.35;
    return 0.40 * (1.0 - turn * turn * turn) - abs(e.y + 0.04 - 0.12 * turn * turn);
  }

  // x: distance [m] to the nearest lit seam, y: to the nearest groove between plates, z: 1 on a raised plate, w: visor
  vec4 suit(vec3 p) {
    float ax = abs(p.x);
    float lit = 9.0, groove = 9.0, plate = 0.0, glass = 0.0;
    if (isArm(p)) {
      groove = min(abs(ax - uShoulder - 0.13), min(abs(ax - uElbow - 0.045), abs(ax - uWrist + 0.035)));
      groove = min(groove, abs(ax - uElbow + 0.05));
      lit = min(abs(ax - uElbow + 0.004), abs(ax - uWrist + 0.012));
      float along = within(ax, uShoulder + 0.15, uElbow - 0.07) + within(ax, uElbow + 0.065, uWrist - 0.055);
      if (dot(vAround, vec2(0.8, 0.6)) > 0.0 && along > 0.5) lit = min(lit, abs(0.6 * vAround.x - 0.8 * vAround.y));
      plate = within(ax, uElbow + 0.045, uWrist - 0.035) + within(ax, uShoulder, uShoulder + 0.13) * step(uArmY, p.y);
    } else if (p.y < uHip - 0.1) {
      groove = min(abs(p.y - uKnee - 0.11), min(abs(p.y - uKnee + 0.075), abs(p.y - 0.16)));
      groove = min(groove, abs(p.y - uHip + 0.17));
      lit = min(abs(p.y - 0.128), abs(p.y - uKnee - 0.085));
      float along = within(p.y, uKnee + 0.13, uHip - 0.19) + within(p.y, 0.19, uKnee - 0.10);
      if (dot(vAround, vec2(0.8, 0.6)) > 0.0 && along > 0.5) lit = min(lit, abs(0.6 * vAround.x - 0.8 * vAround.y));
      if (p.z < uLegZ + 0.07) lit = min(lit, abs(p.y - 0.036));
      plate = within(p.y, 0.16, uKnee - 0.075) + within(p.y, uKnee + 0.11, uHip - 0.17) + step(p.y, 0.11);
    } else if (isHead(p)) {
      vec3 e = (p - uEggC) / uEggR;
      float inside = face(e) * 0.1;
      glass = smoothstep(-0.001, 0.001, inside);
      // One bar of light at the height of the eyes, narrowing towards the temples.
      lit = max(abs(e.y - 0.10) * 0.11 - 0.0015, abs(atan(e.x, e.z)) - 0.95);
      if (e.z < 0.0) lit = 9.0;
      groove = min(abs(inside), abs(e.z + 0.12 + 0.3 * e.y) * 0.1);
      if (e.z < -0.2) lit = min(lit, max(ax, -0.6 - e.y));
    } else {
      float v = p.y - 0.35 * ax;
      float w = p.y + 0.25 * ax;
      groove = min(abs(v - uChest), min(abs(w - uHip - 0.015), abs(w - uHip - 0.085)));
      bool front = p.z > uArmZ + 0.01;
      if (front) {
        lit = abs(v - uChest - 0.085);                                        // chevron across the chest
        if (within(p.y, uHip + 0.12, uChest - 0.03) > 0.5) lit = min(lit, abs(ax - 0.055));
        if (p.y > uChest + 0.03) groove = min(groove, ax);
      } else if (p.y < uNeck - 0.08 && p.y > uHip + 0.05) lit = ax;          // spine
      lit = min(lit, abs(p.y - uNeck + 0.035));                               // collar
      plate = within(v, uChest, uNeck) * step(ax, 0.19) + within(w, uHip + 0.015, uHip + 0.085);
    }
    return vec4(lit, groove, clamp(plate, 0.0, 1.0), glass);
  }
`;

/**
 * Dress a loaded VRM body.
 * @returns {{set: (light: {wave: number, pulse: number, power: number, bands: number[], clock_s: number}) => void}}
 */
export function dress(body) {
  const marks = landmarks(body.vrm.humanoid);
  const uniforms = {
    uHip: marks.hip, uChest: marks.chest, uNeck: marks.neck, uHead: marks.head, uShoulder: marks.shoulder, uArmY: marks.arm_y,
    uArmZ: marks.arm_z, uElbow: marks.elbow, uWrist: marks.wrist, uLegX: marks.leg_x, uLegZ: marks.leg_z, uKnee: marks.knee,
    uWave: 9, uPulse: 0, uPower: 1, uClock: 0, uBands: new Vector4(),
    uCold: new Color(0x5fd8ff), uWarm: new Color(0xff6a26),
  };
  for (const key of Object.keys(uniforms)) uniforms[key] = { value: uniforms[key] };
  const bone = (name) => body.vrm.humanoid.getRawBoneNode(name);
  for (const mesh of body.skinned()) {
    const egg = sculpt(mesh, marks, bone);
    uniforms.uEggC = { value: new Vector3(...egg.c) };
    uniforms.uEggR = { value: new Vector3(...egg.r) };
    mesh.material.dispose();
    mesh.material = graphite(uniforms);
  }
  return {
    set({ wave, pulse, power, bands, clock_s }) {
      uniforms.uWave.value = wave;
      uniforms.uPulse.value = pulse;
      uniforms.uPower.value = power;
      uniforms.uClock.value = clock_s;
      uniforms.uBands.value.fromArray(bands);
    },
  };
}

function graphite(uniforms) {
  const material = new MeshPhysicalMaterial({
    color: 0x1a2029, metalness: 0.5, roughness: 0.42, clearcoat: 0.6, clearcoatRoughness: 0.28, emissive: 0x000000,
  });
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, uniforms);
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nattribute vec3 rest;\nattribute vec2 around;\nvarying vec3 vRest;\nvarying vec2 vAround;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\nvRest = rest;\nvAround = around;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", `#include <common>\n${GLSL_SUIT}`)
      .replace("#include <color_fragment>", /* glsl */ `#include <color_fragment>
        vec4 cut = suit(vRest);
        float soft = max(0.0005, 0.6 * length(fwidth(vRest)));
        float seamed = line(cut.x, 0.0034, soft);
        float grooved = line(cut.y, 0.0026, soft);
        diffuseColor.rgb *= mix(0.55, 1.5, cut.z);
        diffuseColor.rgb = mix(diffuseColor.rgb, vec3(0.004, 0.005, 0.008), max(cut.w, grooved));`)
      .replace("#include <roughnessmap_fragment>", /* glsl */ `#include <roughnessmap_fragment>
        roughnessFactor = mix(mix(0.66, 0.33, cut.z), 0.07, cut.w);`)
      .replace("#include <emissivemap_fragment>", /* glsl */ `#include <emissivemap_fragment>
        // One wave of warm light leaves the chest at every beat and runs out along the limbs.
        float away = length(vRest - vec3(0.0, uChest, 0.0));
        float ring = exp(-pow((away - uWave) * 6.0, 2.0)) * uPulse;
        float reach = smoothstep(0.2, 1.0, away);
        float own = mix(0.6 + 0.9 * uBands.x + 0.3 * uBands.y, 0.5 + 0.5 * uBands.z + 0.9 * uBands.w, reach);
        vec3 seam = uCold * own + uWarm * 2.6 * ring;
        totalEmissiveRadiance += uPower * (seam * (1.4 * seamed + 0.09 * exp(-cut.x * 60.0)) + uWarm * 0.05 * ring * cut.z);
        float facing = 1.0 - abs(dot(normalize(vViewPosition), normal));
        float rim = pow(facing, 3.4);
        vec3 sky = mix(uWarm, uCold, smoothstep(-0.6, 0.6, normal.x + 0.4 * normal.y));
        totalEmissiveRadiance += uPower * sky * rim * (0.20 + 0.25 * uPulse);
        totalEmissiveRadiance += uPower * cut.w * uCold * 0.015 * (1.0 + sin(vRest.y * 900.0)) * (0.3 + uBands.z);`);
  };
  return material;
}
