// The wire format, protocol version 1. Pure: bytes and text in, plain objects out, null for what is malformed.

const MAGIC = 0x31535043; // "CPS1", little-endian
const HEADER_BYTES = 32;

export const FLAG = Object.freeze({ freeze: 1, blackout: 2, panic: 4, held: 8 });

/**
 * Decode one binary pose message.
 * @param {ArrayBuffer} buffer
 * @returns {{frame: number, time_s: number, sent_s: number, flags: number,
 *   performers: {root: Float32Array, rotations: Float32Array[]}[]} | null}
 */
export function decodePose(buffer) {
  if (buffer.byteLength < HEADER_BYTES) return null;
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const count = view.getUint16(24, true);
  const joints = view.getUint16(26, true);
  const stride = 4 * (3 + 4 * joints);
  if (buffer.byteLength !== HEADER_BYTES + count * stride) return null;
  const performers = [];
  for (let p = 0; p < count; p++) {
    const at = HEADER_BYTES + p * stride;
    const rotations = [];
    for (let j = 0; j < joints; j++) rotations.push(new Float32Array(buffer, at + 12 + 16 * j, 4));
    performers.push({ root: new Float32Array(buffer, at, 3), rotations });
  }
  return {
    frame: view.getUint32(4, true),
    time_s: view.getFloat64(8, true),
    sent_s: view.getFloat64(16, true),
    flags: view.getUint32(28, true),
    performers,
  };
}

/** Parse one text message; only objects with a type come back. */
export function decodeText(text) {
  try {
    const message = JSON.parse(text);
    return message && typeof message.type === "string" ? message : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export const control = (name, value) => JSON.stringify({ type: "control", name, value });
export const ping = (id, client_s) => JSON.stringify({ type: "ping", id, client_s });
