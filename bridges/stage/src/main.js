// The stage page: socket in, body and numbers out.

import { AvatarError, loadAvatar } from "./avatar.js";
import { Link } from "./link.js";
import { Panel } from "./panel.js";
import { PoseBuffer } from "./poses.js";
import { FLAG } from "./protocol.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { dress } from "./suit.js";

const HOUSE_DANCER = "/avatar/dancer.vrm";
const MOST_PERFORMERS = 8;
const STALE_S = 1.5; // without a pose for so long the page says so
const query = new URLSearchParams(location.search);
const clean = query.get("clean") === "1";
if (clean) document.body.classList.add("clean");

const poses = new PoseBuffer();
const counts = { frames: 0, drawn: 0, fps: 0 };
let skeleton = null;
let bodies = [];
let loading = 0; // number of the newest load: an older one that ends later is thrown away
let dropped = null; // {bytes, name} of the avatar in use, null for the house dancer
let last_pose = null;
let pose_ms = -Infinity;
let bands = [0, 0, 0, 0];
let power = 0;
let shown_panic = false;
let offered = false; // the sound, once

const link = new Link(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  skeleton: meet,
  pose: (pose) => {
    counts.frames += 1;
    pose_ms = performance.now();
    poses.push(pose);
  },
  status: (status) => {
    panel.show(status);
    bands = bands.map((band, i) => Math.max(band, Math.min(1, status.bands?.[i] || 0)));
    if (status.audio && !offered) panel.note("sound", "Press Sound to hear what the dancer hears");
    offered ||= Boolean(status.audio);
    const { panic } = status.controls ?? {};
    if (panic !== shown_panic) panel.note("panic", panic ? "Panic: safe idle. Press Release to dance again." : "", { bad: true, stay: true });
    shown_panic = panic;
  },
  state: (state) => {
    if (state === "open") poses.clear();
    panel.note("link", state === "open" ? "" : "No show here: trying again by itself", { bad: true, stay: true });
  },
});

const sound = new Sound(() => link.now_s(), (text) => panel.note("sound", text, { bad: true }));
const panel = new Panel({
  control: (name, value) => link.control(name, value),
  sound: async () => {
    const audio = panel.status?.audio;
    if (!audio) return;
    await sound.toggle(audio);
    panel.sound(sound.on);
  },
  avatar: drop,
  house: () => use(null),
});
const stage = openStage();

function openStage() {
  try {
    return new Stage(document.getElementById("stage"), { clean, quality: query.get("quality") ?? "" });
  } catch (error) {
    panel.note("webgl", `This browser cannot draw the dancer: ${error.message}`, { bad: true, stay: true });
    return null;
  }
}

/** First message of the show: which body the poses are of. */
function meet(message) {
  const same = skeleton && JSON.stringify([skeleton.offsets, skeleton.performers]) === JSON.stringify([message.offsets, message.performers]);
  skeleton = message;
  if (!same || bodies.length === 0) use(dropped);
}

async function drop(file) {
  if (!/\.(vrm|glb)$/i.test(file.name)) return panel.note("avatar", `${file.name}: drop a .vrm or a humanoid .glb`, { bad: true });
  use({ bytes: await file.arrayBuffer(), name: file.name });
}

/** Bring an avatar on stage, once per performer; the one before stays until the new one can dance. */
async function use(avatar) {
  if (!stage || !skeleton) return;
  const turn = ++loading;
  try {
    const bytes = avatar ? avatar.bytes : await (await fetch(HOUSE_DANCER)).arrayBuffer();
    const count = Math.min(MOST_PERFORMERS, skeleton.performers || 1);
    const fresh = [];
    for (let i = 0; i < count; i++) fresh.push(await loadAvatar(bytes.slice(0), avatar?.name ?? "house dancer", skeleton));
    if (turn !== loading) return fresh.forEach((body) => body.dispose());
    if (!avatar) for (const body of fresh) body.lit = dress(body);
    bodies.forEach((body) => body.dispose());
    bodies = fresh;
    dropped = avatar;
    // A body is seen from its first pose on, never in its T-pose.
    bodies.forEach((body) => {
      body.group.visible = false;
      stage.scene.add(body.group);
    });
    panel.avatar(avatar ? bodies[0] : null);
    panel.note("avatar", avatar ? `${avatar.name} is dancing` : "");
  } catch (error) {
    if (!(error instanceof AvatarError) && !(error instanceof TypeError)) throw error;
    panel.note("avatar", error.message, { bad: true });
  }
}

function move(stream_s, delta_s) {
  const now = poses.at(stream_s);
  if (!now) return;
  last_pose = now[0];
  bodies.forEach((body, i) => {
    const pose = now[i];
    body.group.visible = Boolean(pose);
    if (pose) body.apply(pose.root, pose.rotations, delta_s);
  });
}

function tellLink() {
  const fresh = (performance.now() - pose_ms) / 1000 < STALE_S;
  if (!link.socket || link.socket.readyState !== WebSocket.OPEN) panel.link("no show", "lost");
  else if (!fresh) panel.link("waiting for poses", "");
  else if (poses.flags & FLAG.panic) panel.link("panic", "lost");
  else if (poses.flags & FLAG.freeze) panel.link("frozen", "");
  else panel.link("live", "live");
}

let before_ms = performance.now();
let second_ms = before_ms;
function frame(now_ms) {
  requestAnimationFrame(frame);
  if (stage && !stage.due(now_ms)) return;
  const delta_s = Math.min(0.4, Math.max(0, (now_ms - before_ms) / 1000));
  before_ms = now_ms;
  const stream_s = link.now_s();
  const { pulse, since_s } = panel.pulse(stream_s);
  bands = bands.map((band, i) => band * Math.exp(-delta_s / (i < 2 ? 0.18 : 0.12)));
  panel.bands(bands);
  if (stage) show(stream_s, delta_s, pulse, since_s);
  counts.drawn += 1;
  if (now_ms - second_ms < 1000) return;
  counts.fps = (counts.drawn * 1000) / (now_ms - second_ms);
  counts.drawn = 0;
  second_ms = now_ms;
  tellLink();
  if (stage && bodies.length && !document.hidden) stage.adapt(counts.fps);
}

function show(stream_s, delta_s, pulse, since_s) {
  stage.fit(panel.free());
  move(stream_s, delta_s);
  const dark = poses.flags & FLAG.blackout;
  power += ((dark ? 0 : 1) - power) * (1 - Math.exp(-delta_s * (dark ? 30 : 5)));
  const mood = { pulse, wave: since_s * 3.2, bands, power, clock_s: stream_s };
  for (const body of bodies) body.lit?.set(mood);
  const hip = bodies[0]?.hip;
  stage.light(mood, hip ?? stage.follow, delta_s);
  stage.draw(delta_s);
}
requestAnimationFrame(frame);

/** For tests and the curious. */
window.corybant = {
  get frames() { return counts.frames; },
  get fps() { return counts.fps; },
  get avatar() { return bodies[0]?.name ?? ""; },
  get unmapped() { return bodies[0]?.unmapped ?? []; },
  get lastPose() { return last_pose && { root: [...last_pose.root], rotations: last_pose.rotations.map((q) => [...q]) }; },
  get rootScreen() { return stage && bodies[0] ? stage.toScreen(bodies[0].hip) : null; },
  get stream_s() { return link.now_s(); },
  get synced() { return link.clock.synced; },
  get flags() { return poses.flags; },
  get software() { return stage?.software ?? false; },
  get quality() { return stage?.quality ?? ""; },
  get malformed() { return link.malformed; },
  get sound() { return { on: sound.on, error_s: sound.error_s ?? null, rate: sound.rate ?? null }; },
  get body() { return bodies[0]?.group ?? null; },
  stage,
};
