// The questions, one after another: fetch two dances and a sound, play them on one clock, send the answer.
// The page knows random names only; which system is which is not in anything that it can reach.

import { JOINTS } from "./body.js";
import { Playback } from "./sound.js";
import { Stage } from "./stage.js";

const LEAST_S = 4; // watched before an answer counts: a slip of the finger is none
const LINGER_MS = 260; // an answer stays lit for a moment
const STORE = "corybant-judge-rater";
const CHOICES = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie" };

const $ = (id) => document.getElementById(id);
const answers = [...document.querySelectorAll("#answers button")];
const playback = new Playback();
const clips = new Map(); // name -> promise of Float32Array
const sounds = new Map(); // name -> promise of bytes
let stage, session, current = null, at = -1, busy = false;

// --- talking to the server

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  if (!reply.ok) throw Object.assign(new Error((await reply.text()).trim()), { status: reply.status });
  return reply;
}

const remembered = {
  get: () => { try { return localStorage.getItem(STORE); } catch { return null; } },
  set: (rater) => { try { localStorage.setItem(STORE, rater); } catch { /* a private window: it ends with the page */ } },
  clear: () => { try { localStorage.removeItem(STORE); } catch { /* nothing was kept */ } },
};

function once(cache, name, load) {
  if (!cache.has(name)) cache.set(name, load().catch((error) => { cache.delete(name); throw error; }));
  return cache.get(name);
}

const clip = (name) => once(clips, name, async () => {
  const raw = new Int16Array(await (await ask(`/clip/${name}`)).arrayBuffer());
  return Float32Array.from(raw, (value) => value * session.unit_m);
});
const sound = (name) => once(sounds, name, async () => (await ask(`/sound/${name}`)).arrayBuffer());
const load = (question) => Promise.all([clip(question.left), clip(question.right), sound(question.sound)]);

function forget(keep) {
  const names = new Set(keep.flatMap((q) => [q.left, q.right, q.sound]));
  for (const cache of [clips, sounds]) for (const name of cache.keys()) if (!names.has(name)) cache.delete(name);
}

// --- the course of a session

function screen(name) { document.body.dataset.screen = name; }

function trouble(error) {
  playback.stop();
  current = null;
  $("why").textContent = error.message;
  screen("trouble");
}

async function arrive() {
  const rater = remembered.get();
  if (!rater) return welcome();
  try {
    session = await (await ask(`/session?rater=${encodeURIComponent(rater)}`)).json();
  } catch (error) {
    if (error.status !== 404) throw error;
    remembered.clear(); // judged somewhere else before
    return welcome();
  }
  const open = next(-1);
  progress();
  if (open < 0) finish();
  else await show(open);
}

async function welcome() {
  const { questions, seconds } = await (await ask("/extent")).json();
  const minutes = Math.max(1, Math.round((questions * (seconds + 3)) / 60));
  $("extent").textContent = `${questions} pairs of ${seconds} seconds: about ${minutes} ${minutes === 1 ? "minute" : "minutes"}.`;
  screen("start");
}

async function join(event) {
  event.preventDefault();
  $("go").disabled = true;
  try {
    await playback.unlock();
    const { rater } = await (await ask("/rater", { name: $("name").value })).json();
    remembered.set(rater);
    session = await (await ask(`/session?rater=${encodeURIComponent(rater)}`)).json();
    await show(0);
  } catch (error) {
    trouble(error);
  }
  $("go").disabled = false;
}

/** The first question without an answer after place `from`, else the first of all; -1 when all are answered. */
function next(from) {
  const open = (question) => question.choice === null;
  const later = session.questions.findIndex((question, k) => k > from && open(question));
  return later >= 0 ? later : session.questions.findIndex(open);
}

async function show(place) {
  at = place;
  const question = session.questions[place];
  playback.stop();
  current = null;
  screen("judge");
  progress();
  note("");
  light(question.choice);
  enable(false);
  $("back").disabled = place === 0;
  $("cover").hidden = true;
  const [left, right, bytes] = await load(question);
  if (at !== place) return;
  stage ??= new Stage($("stage"));
  stage.frame([left, right]);
  current = { question, clips: [left, right], bytes, watched: question.choice !== null, buffer: undefined, rest: 0 };
  const soon = session.questions.slice(place + 1, place + 2);
  forget([question, ...soon]);
  soon.forEach((upcoming) => load(upcoming).catch(() => {}));
  if (playback.running || navigator.userActivation?.isActive) await play();
  else label("Play"); // a reload: the browser wants a gesture before it makes a sound
}

async function play() {
  const shown = current;
  if (!shown) return;
  $("cover").hidden = true;
  if (shown.buffer === undefined || (shown.buffer === null && !playback.running)) {
    shown.buffer = await playback.decode(shown.bytes.slice(0)).catch(() => null);
  }
  if (shown !== current) return;
  playback.play(shown.buffer);
  window.judge.plays += 1;
  if (!shown.buffer) note("No sound on this device: judge by the picture, or try another one", true);
  else note(shown.watched ? "" : "Watch and listen");
}

async function answer(choice) {
  if (!current || busy || !current.watched) return;
  busy = true;
  const { question } = current, place = at;
  light(choice);
  enable(false);
  try {
    await ask("/vote", { rater: session.rater, left: question.left, right: question.right, choice });
    question.choice = choice;
    progress();
    await new Promise((done) => setTimeout(done, LINGER_MS));
    busy = false;
    const open = next(place);
    if (open < 0) finish();
    else await show(open).catch(trouble);
  } catch (error) {
    busy = false;
    light(question.choice);
    enable(true);
    note(error.status ? `Not taken: ${error.message}` : "Not saved: the judge does not answer. Choose again in a moment", true);
  }
}

function finish() {
  playback.stop();
  current = null;
  at = session.questions.length;
  const ties = session.questions.filter((question) => question.choice === "tie").length;
  $("thanks").textContent = `You have judged all ${session.questions.length} pairs${ties ? `, ${ties} of them with 'cannot tell'` : ""}. Your answers are saved.`;
  screen("done");
}

// --- what is seen

function progress() {
  const done = session.questions.filter((question) => question.choice !== null).length, all = session.questions.length;
  $("bar").style.width = `${(100 * done) / all}%`;
  $("bar").parentElement.ariaValueMax = all;
  $("bar").parentElement.ariaValueNow = done;
  $("count").textContent = `${Math.min(at + 1, all) || 1} of ${all}`;
}

function light(choice) {
  for (const button of answers) button.classList.toggle("chosen", button.dataset.choice === choice);
}

function enable(on) { for (const button of answers) button.disabled = !on; }

function note(text, warn = false) {
  $("note").textContent = text;
  $("note").classList.toggle("warn", warn && Boolean(text));
}

function label(text) {
  $("cover").textContent = text;
  $("cover").classList.toggle("over", text === "Play again");
  $("cover").hidden = false;
}

function mute(value) {
  playback.muted = value;
  $("sound").textContent = value ? "Sound off" : "Sound on";
  $("sound").ariaPressed = String(!value);
}

const poses = [new Float32Array(3 * JOINTS), new Float32Array(3 * JOINTS)];

/** The pose of a clip at a time, between two frames; held at both ends. */
function pose(clip, seconds, out) {
  const size = 3 * JOINTS, frame = Math.min(Math.max(seconds * session.fps, 0), session.frames - 1);
  const low = Math.min(Math.floor(frame), session.frames - 2), part = frame - low;
  for (let i = 0, a = low * size, b = a + size; i < size; i += 1, a += 1, b += 1) out[i] = clip[a] + part * (clip[b] - clip[a]);
}

function picture() {
  requestAnimationFrame(picture);
  if (!current) return;
  const seconds = playback.clock === "none" ? current.rest : playback.position;
  current.clips.forEach((clip, side) => pose(clip, seconds, poses[side]));
  stage.draw(...poses);
  window.judge.shown = seconds;
  $("played").style.transform = `scaleX(${Math.min(Math.max(seconds / session.seconds, 0), 1)})`;
  if (playback.clock === "none") return;
  if (!current.watched && seconds >= Math.min(LEAST_S, session.seconds)) current.watched = true;
  if (current.watched && !busy && answers[0].disabled) {
    enable(true);
    if (!$("note").classList.contains("warn")) note("");
  }
  if (seconds > session.seconds + 0.4) {
    playback.stop();
    current.rest = session.seconds;
    label("Play again");
  }
}

// --- hands

$("join").addEventListener("submit", join);
$("cover").addEventListener("click", () => play());
$("replay").addEventListener("click", () => play());
$("stage").addEventListener("click", () => play());
$("back").addEventListener("click", () => at > 0 && !busy && show(at - 1).catch(trouble));
$("sound").addEventListener("click", () => mute(!playback.muted));
$("retry").addEventListener("click", () => location.reload());
$("again").addEventListener("click", () => { remembered.clear(); location.reload(); });
for (const button of answers) button.addEventListener("click", () => answer(button.dataset.choice));
document.addEventListener("keydown", (event) => {
  if (document.body.dataset.screen !== "judge" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in CHOICES) answer(CHOICES[event.key]);
  else if (event.key === " ") play();
  else if (event.key === "Backspace") $("back").click();
  else if (event.key === "m" || event.key === "M") mute(!playback.muted);
  else return;
  event.preventDefault();
});

document.addEventListener("keyup", (event) => { // space plays, even while the button last clicked has the focus
  if (event.key === " " && document.body.dataset.screen === "judge") event.preventDefault();
});

/** For those who test the page; nothing in it that a rater may not see. */
window.judge = {
  get frames() { return stage?.frames ?? 0; },
  get position() { return playback.position; },
  shown: 0, // the time [s] that the bodies last drawn are of
  plays: 0, // so often something was started
  get clock() { return playback.clock; },
  get bodies() { return poses.map((joints) => [...joints]); },
  get question() { return current?.question ?? null; },
  get at() { return at; },
};

arrive().then(() => requestAnimationFrame(picture)).catch((error) => { trouble(error); requestAnimationFrame(picture); });
