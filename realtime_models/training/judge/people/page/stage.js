// Two bodies on two equal stages, drawn by the same calls with the same camera and light. WebGL 2, no libraries.

import { COLOURS, PARTS, parts } from "./body.js";

const RINGS = 6, SEGMENTS = 18; // of half a capsule
const TAN_HALF_FOV = Math.tan((30 * Math.PI) / 360);
const EYE_M = 1.25, AIM_M = 0.86, NEAREST_M = 3.9, FURTHEST_M = 14, MARGIN_M = 0.16;
const SUN = [0.35, 1.0, 0.42]; // towards the light
const SOFT = [[0, 0], [0.05, 0.03], [-0.05, 0.03], [0, -0.055]]; // the light is not a point: shadows overlap

const BODY_VERTEX = `#version 300 es
layout(location=0) in vec4 shape; // unit normal with z along the part, and which end
layout(location=1) in vec4 head; layout(location=2) in vec4 tail; layout(location=3) in vec3 colour;
uniform mat4 camera; uniform float flip; uniform vec3 sun; uniform float flat_;
out vec3 place; out vec3 normal; out vec3 tint;
void main() {
  vec3 axis = tail.xyz - head.xyz; float length_ = length(axis);
  vec3 w = length_ > 1e-4 ? axis / length_ : vec3(0, 1, 0);
  vec3 u = normalize(abs(w.y) < .9 ? cross(vec3(0, 1, 0), w) : cross(vec3(1, 0, 0), w));
  normal = mat3(u, cross(w, u), w) * shape.xyz;
  place = mix(head.xyz, tail.xyz, shape.w) + mix(head.w, tail.w, shape.w) * normal;
  place = mix(place, vec3(place.xz - sun.xz * place.y / sun.y, 0.).xzy, flat_);
  vec3 seen = place * vec3(1, flip, 1);
  normal.y *= flip;
  tint = colour;
  gl_Position = camera * vec4(seen, 1);
}`;
const BODY_FRAGMENT = `#version 300 es
precision highp float;
in vec3 place; in vec3 normal; in vec3 tint;
uniform vec3 eye; uniform vec3 sun; uniform float flat_; uniform float flip;
out vec4 colour;
void main() {
  if (flat_ > .5) { colour = vec4(0, 0, 0, .17); return; }
  vec3 n = normalize(normal), v = normalize(eye - place * vec3(1, flip, 1)), l = normalize(sun * vec3(1, flip, 1));
  float key = max(dot(n, l), 0.), wrap = max(dot(n, l) * .5 + .5, 0.);
  float rim = pow(1. - max(dot(n, v), 0.), 3.);
  float shine = pow(max(dot(n, normalize(l + v)), 0.), 40.);
  vec3 lit = tint * (vec3(.16, .17, .24) + vec3(.22, .21, .25) * wrap + vec3(.74, .70, .64) * key);
  lit += vec3(.30, .42, .62) * rim * (.25 + .75 * smoothstep(-.3, .6, n.y)) + vec3(.22) * shine;
  lit = lit / (lit + .55) * 1.42;
  float fade = flip < 0. ? .22 * exp(-2.6 * max(place.y, 0.)) : 1.;
  colour = vec4(lit * fade, fade);
}`;
const FLOOR_VERTEX = `#version 300 es
layout(location=0) in vec2 corner; uniform mat4 camera; out vec3 place;
void main() { place = vec3(corner.x, 0, corner.y) * 14.; gl_Position = camera * vec4(place, 1); }`;
const FLOOR_FRAGMENT = `#version 300 es
precision highp float;
in vec3 place; out vec4 colour;
float lines(vec2 p, float width) {
  vec2 d = fwidth(p), g = abs(fract(p - .5) - .5) / max(d, vec2(1e-4));
  return (1. - min(min(g.x, g.y) / width, 1.)) * clamp(.35 / max(d.x, d.y), 0., 1.);
}
void main() {
  float r = length(place.xz);
  float pool = exp(-r * r / 5.), wide = exp(-r * r / 26.);
  vec3 c = vec3(.030, .032, .044) + vec3(.105, .098, .110) * pool + vec3(.030, .034, .056) * wide;
  c += vec3(.075, .082, .11) * lines(place.xz * 2., 1.2) * wide;
  float there = .86 * smoothstep(0., .5, wide); // far away the floor ends in the dark
  colour = vec4(c * there, there);
}`;
const WALL_VERTEX = `#version 300 es
layout(location=0) in vec2 corner; out vec2 at;
void main() { at = corner; gl_Position = vec4(corner, 0, 1); }`;
const WALL_FRAGMENT = `#version 300 es
precision highp float;
in vec2 at; out vec4 colour;
void main() {
  vec2 p = at - vec2(0, .12);
  float glow = exp(-dot(p * vec2(1.1, 1.3), p * vec2(1.1, 1.3)) * 1.5);
  float grain = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453) - .5;
  colour = vec4(vec3(.027, .029, .042) + vec3(.050, .046, .088) * glow + grain / 255., 1);
}`;

export class Stage {
  frames = 0; // drawn so far
  #canvas; #gl; #programs; #capsule; #square; #instances; #shape;
  #eye = null;

  /** Throws when this browser has no WebGL 2. */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: false, stencil: true, powerPreference: "high-performance" });
    if (!gl) throw new Error("this browser draws nothing in three dimensions (WebGL 2 is missing or switched off)");
    this.#canvas = canvas;
    this.#gl = gl;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.#prepare());
    this.#prepare();
  }

  /** Two clips (Float32Array, frames x 22 x 3 [m]) that will be shown: one camera that holds both, for both. */
  frame(clips) {
    this.#shape = clips;
    this.#eye = null;
  }

  /** Draw both bodies (22 x 3 [m] each), left and right. */
  draw(left, right) {
    const gl = this.#gl, canvas = this.#canvas;
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (!width || !height || gl.isContextLost()) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.#eye = null;
    }
    const half = width >> 1;
    this.#eye ??= [0, EYE_M, distance(this.#shape ?? [left, right], half / height)];
    const camera = look(this.#eye, half / height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0.03, 0.03, 0.042, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT | gl.STENCIL_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    [left, right].forEach((joints, side) => {
      gl.viewport(side * half, 0, half, height);
      gl.scissor(side * half, 0, half, height);
      this.#scene(joints, camera);
    });
    this.frames += 1;
  }

  #scene(joints, camera) {
    const gl = this.#gl, { body, floor, wall } = this.#programs;
    parts(joints, this.#instances.data);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#instances.buffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.#instances.data);

    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    gl.useProgram(wall.program);
    gl.bindVertexArray(this.#square);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);

    gl.useProgram(body.program);
    gl.uniformMatrix4fv(body.at.camera, false, camera);
    gl.uniform3fv(body.at.eye, this.#eye);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    this.#bodies({ flip: -1 }); // what the floor reflects
    gl.clear(gl.DEPTH_BUFFER_BIT);

    gl.depthMask(false);
    gl.useProgram(floor.program);
    gl.uniformMatrix4fv(floor.at.camera, false, camera);
    gl.bindVertexArray(this.#square);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);

    gl.useProgram(body.program);
    gl.enable(gl.STENCIL_TEST); // limbs that overlap cast one shadow
    gl.stencilOp(gl.KEEP, gl.KEEP, gl.REPLACE);
    SOFT.forEach(([x, z], k) => {
      gl.stencilFunc(gl.NOTEQUAL, k + 1, 0xff);
      this.#bodies({ flat: 1, sun: [SUN[0] + x, SUN[1], SUN[2] + z] });
    });
    gl.disable(gl.STENCIL_TEST);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
    this.#bodies({});
  }

  #bodies({ flip = 1, flat = 0, sun = SUN }) {
    const gl = this.#gl, { at } = this.#programs.body;
    gl.uniform1f(at.flip, flip);
    gl.uniform1f(at.flat_, flat);
    gl.uniform3fv(at.sun, sun);
    gl.bindVertexArray(this.#capsule.array);
    gl.drawElementsInstanced(gl.TRIANGLES, this.#capsule.count, gl.UNSIGNED_SHORT, 0, PARTS);
  }

  #prepare() {
    const gl = this.#gl;
    this.#programs = {
      body: program(gl, BODY_VERTEX, BODY_FRAGMENT, ["camera", "flip", "sun", "flat_", "eye"]),
      floor: program(gl, FLOOR_VERTEX, FLOOR_FRAGMENT, ["camera"]),
      wall: program(gl, WALL_VERTEX, WALL_FRAGMENT, []),
    };
    this.#square = gl.createVertexArray();
    gl.bindVertexArray(this.#square);
    attribute(gl, 0, 2, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]));
    const { points, triangles } = capsule();
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    attribute(gl, 0, 4, points);
    const data = new Float32Array(8 * PARTS);
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data.byteLength, gl.DYNAMIC_DRAW);
    for (const [location, offset] of [[1, 0], [2, 16]]) {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, 4, gl.FLOAT, false, 32, offset);
      gl.vertexAttribDivisor(location, 1);
    }
    attribute(gl, 3, 3, new Float32Array(COLOURS.flat()), 1);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    this.#capsule = { array, count: triangles.length };
    this.#instances = { buffer, data };
  }
}

/** How far away the camera must stand [m] so that clips (22 x 3 points a frame) stay in a picture of this aspect. */
export function distance(clips, aspect) {
  for (let d = NEAREST_M; d < FURTHEST_M; d += 0.1) {
    const [dy, dz] = [AIM_M - EYE_M, -d], n = Math.hypot(dy, dz), [fy, fz] = [dy / n, dz / n];
    const inside = clips.every((clip) => {
      for (let i = 0; i < clip.length; i += 9) { // every third joint of the row of all: enough to see an outline
        const y = clip[i + 1] - EYE_M, z = clip[i + 2] - d;
        const deep = y * fy + z * fz, high = y * -fz + z * fy;
        const room = deep * TAN_HALF_FOV;
        if (Math.abs(clip[i]) + MARGIN_M > room * aspect || Math.abs(high) + MARGIN_M > room) return false;
      }
      return true;
    });
    if (inside) return d;
  }
  return FURTHEST_M;
}

/** Column-major matrix of a camera at `eye` that looks at (0, AIM_M, 0). */
function look(eye, aspect) {
  const [, y, z] = eye, n = Math.hypot(AIM_M - y, z), fy = (AIM_M - y) / n, fz = -z / n;
  const near = 0.3, far = 40, a = (far + near) / (near - far), b = (2 * far * near) / (near - far);
  const sx = 1 / (TAN_HALF_FOV * aspect), sy = 1 / TAN_HALF_FOV;
  const [uy, uz] = [-fz, fy]; // up
  const up = -(uy * y + uz * z), deep = fy * y + fz * z;
  return new Float32Array([sx, 0, 0, 0, 0, sy * uy, -a * fy, fy, 0, sy * uz, -a * fz, fz, 0, sy * up, a * deep + b, -deep]);
}

function capsule() {
  const points = [], triangles = [];
  for (let ring = 0; ring <= 2 * RINGS + 1; ring += 1) {
    const end = ring > RINGS ? 1 : 0, angle = ((ring - end) / (2 * RINGS)) * Math.PI - Math.PI / 2;
    for (let k = 0; k < SEGMENTS; k += 1) {
      const turn = (2 * Math.PI * k) / SEGMENTS;
      points.push(Math.cos(angle) * Math.cos(turn), Math.cos(angle) * Math.sin(turn), Math.sin(angle), end);
      if (ring <= 2 * RINGS) {
        const next = (k + 1) % SEGMENTS, row = ring * SEGMENTS, above = row + SEGMENTS;
        triangles.push(row + k, row + next, above + k, row + next, above + next, above + k);
      }
    }
  }
  return { points: new Float32Array(points), triangles: new Uint16Array(triangles) };
}

function attribute(gl, location, size, data, divisor = 0) {
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
  gl.vertexAttribDivisor(location, divisor);
}

function program(gl, vertex, fragment, uniforms) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  return { program: made, at: Object.fromEntries(uniforms.map((name) => [name, gl.getUniformLocation(made, name)])) };
}
