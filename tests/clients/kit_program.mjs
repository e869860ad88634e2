// Drives the browser module in Node and prints one JSON line per event (tests/client_kits.py says which).
//   node kit_program.mjs recording FILE | node kit_program.mjs live URL
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [what, where, kit, peers] = process.argv.slice(2);
const { CorybantStream, Receiver, vrmPosition, vrmRotation } = await import(pathToFileURL(kit));
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

function sayFrame(kind, frame) {
  if (!frame) return say({ kind: kind === "pose" ? "refused" : "nothing" });
  const performers = frame.performers.map(({ root, rotations }) => ({
    root,
    rotations,
    target_root: vrmPosition(root, "0"),
    target_rotations: rotations.map((q) => vrmRotation(q, "0")),
  }));
  say({ kind, ...frame, performers });
}

function recording(path) {
  const data = readFileSync(path);
  const receiver = new Receiver(0.05);
  for (let at = 0; at < data.length;) {
    const [now_s, kind, size] = [data.readDoubleLE(at), data.readUInt32LE(at + 8), data.readUInt32LE(at + 12)];
    const body = data.subarray(at + 16, at + 16 + size);
    at += 16 + size;
    if (kind === 1) {
      const refused = receiver.refused;
      receiver.text(body.toString());
      if (receiver.refused > refused) sayFrame("pose", null);
      else say({ kind: "skeleton", count: receiver.skeletons, names: receiver.skeleton.names });
    } else if (kind === 2) {
      sayFrame("pose", receiver.binary(Uint8Array.from(body).buffer, now_s));
    } else sayFrame("shown", receiver.buffer.at(now_s));
  }
}

function live(url) {
  const WebSocket = createRequire(pathToFileURL(`${peers}/package.json`))("ws");
  const stream = new CorybantStream(url, {
    WebSocket,
    onSkeleton: ({ names }) => say({ kind: "skeleton", count: stream.receiver.skeletons, names }),
    onPose: (frame) => sayFrame("pose", frame),
  });
  setInterval(() => stream.shown() && sayFrame("shown", stream.shown()), 20);
}

if (what === "recording") recording(where);
else live(where);
