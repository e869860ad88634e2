// A receiver as a user would write one: connects, decodes COUNT poses, prints everything as one JSON document.
// node ws_client.mjs URL COUNT
import WebSocket from "ws";

const [url, wanted] = [process.argv[2], Number(process.argv[3])];
const seen = { skeleton: null, status: null, pong: null, poses: [] };
const socket = new WebSocket(url, { perMessageDeflate: false });

function decode(buffer) {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const performers = view.getUint16(24, true);
  const joints = view.getUint16(26, true);
  const floats = (at, count) => Array.from({ length: count }, (_, i) => view.getFloat32(at + 4 * i, true));
  const stride = 12 + 16 * joints;
  if (buffer.byteLength !== 32 + performers * stride) throw new Error(`length ${buffer.byteLength}`);
  return {
    magic: buffer.toString("ascii", 0, 4),
    frame: view.getUint32(4, true),
    time_s: view.getFloat64(8, true),
    sent_s: view.getFloat64(16, true),
    flags: view.getUint32(28, true),
    performers: Array.from({ length: performers }, (_, p) => ({
      root: floats(32 + p * stride, 3),
      rotations: Array.from({ length: joints }, (_, j) => floats(44 + p * stride + 16 * j, 4)),
    })),
  };
}

socket.on("open", () => {
  socket.send(JSON.stringify({ type: "control", name: "energy", value: 1.25 }));
  socket.send(JSON.stringify({ type: "ping", id: 1, client_s: 2.5 }));
});
socket.on("message", (data, isBinary) => {
  const message = isBinary ? decode(data) : JSON.parse(data.toString());
  if (isBinary || message.type === "pose") seen.poses.push(message);
  else seen[message.type] = message;
  if (seen.poses.length >= wanted && seen.status && seen.pong) {
    socket.close();
    process.stdout.write(JSON.stringify(seen) + "\n");
  }
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
