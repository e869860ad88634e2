// Quaternions are [x, y, z, w] in any array-like; vectors are [x, y, z]. Pure; results are new arrays.

export const IDENTITY = Object.freeze([0, 0, 0, 1]);

/** Hamilton product a * b: first turn by b, then by a. */
export function multiply(a, b) {
  return [
    a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
    a[3] * b[1] + a[1] * b[3] + a[2] * b[0] - a[0] * b[2],
    a[3] * b[2] + a[2] * b[3] + a[0] * b[1] - a[1] * b[0],
    a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
  ];
}

/** Inverse of a unit quaternion. */
export function conjugate(q) {
  return [-q[0], -q[1], -q[2], q[3]];
}

export function normalize(q) {
  const length = Math.hypot(q[0], q[1], q[2], q[3]) || 1;
  return [q[0] / length, q[1] / length, q[2] / length, q[3] / length];
}

/** Turn the vector v by the unit quaternion q. */
export function rotate(q, v) {
  const tx = 2 * (q[1] * v[2] - q[2] * v[1]);
  const ty = 2 * (q[2] * v[0] - q[0] * v[2]);
  const tz = 2 * (q[0] * v[1] - q[1] * v[0]);
  return [
    v[0] + q[3] * tx + q[1] * tz - q[2] * ty,
    v[1] + q[3] * ty + q[2] * tx - q[0] * tz,
    v[2] + q[3] * tz + q[0] * ty - q[1] * tx,
  ];
}

/** Spherical interpolation on the shorter arc; u may leave [0, 1] a little to extrapolate. */
export function slerp(a, b, u) {
  let dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const sign = dot < 0 ? -1 : 1;
  dot = Math.min(1, Math.abs(dot));
  const angle = Math.acos(dot);
  let wa = 1 - u;
  let wb = u;
  if (angle > 1e-4) {
    const sin = Math.sin(angle);
    wa = Math.sin((1 - u) * angle) / sin;
    wb = Math.sin(u * angle) / sin;
  }
  wb *= sign;
  return normalize([wa * a[0] + wb * b[0], wa * a[1] + wb * b[1], wa * a[2] + wb * b[2], wa * a[3] + wb * b[3]]);
}

/** The shortest turn that takes direction a to direction b (both are normalised here). */
export function between(a, b) {
  const la = Math.hypot(...a) || 1;
  const lb = Math.hypot(...b) || 1;
  const u = [a[0] / la, a[1] / la, a[2] / la];
  const v = [b[0] / lb, b[1] / lb, b[2] / lb];
  const dot = u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  if (dot < -0.999999) {
    // Opposite: any axis at right angles will do.
    const axis = Math.abs(u[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0];
    const c = [u[1] * axis[2] - u[2] * axis[1], u[2] * axis[0] - u[0] * axis[2], u[0] * axis[1] - u[1] * axis[0]];
    return normalize([c[0], c[1], c[2], 0]);
  }
  return normalize([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0], 1 + dot]);
}

/** Angle [rad] between two unit quaternions, 0..pi. */
export function angleBetween(a, b) {
  const d = multiply(conjugate(a), b);
  return 2 * Math.atan2(Math.hypot(d[0], d[1], d[2]), Math.abs(d[3]));
}
