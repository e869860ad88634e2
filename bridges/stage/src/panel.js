// Everything on the page that is not the stage: meters, lamps, controls. Reads status objects, calls back with controls.

import { beatInBar, beatsAt } from "./clock.js";

const $ = (id) => document.getElementById(id);
const HOLD_MS = 700; // after a touch the operator's value stands before the show's answer counts again
const CLIP_MS = 1500;
const NUDGE_MS = 5;
const NUDGE_SPAN_MS = 200;
const LATENCIES = [["heard", "heard"], ["beat", "beat"], ["plan", "plan"], ["send", "send"]];
const COUNTS = [["horizon_ms", "horizon ms"], ["gaps", "gaps"], ["held", "held"], ["skipped", "skipped"]];
const KEYS = [
  ["p", "panic: safe idle at once (Shift+P releases)"], ["f", "freeze"], ["b", "blackout"],
  ["↑ ↓", "energy"], ["← →", "style"], [", .", "nudge: body earlier, later"],
  ["t", "tap the beat"], ["[ ]", "half, twice as many beats"], ["l", "lock the tempo"], ["s", "sound of the demo"], ["h", "this list"],
];

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Change text only when it differs: the page is written ten times a second. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const number = (value, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const share = (value) => Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));

export class Panel {
  /** @param {{control, sound, avatar, house}} on control(name, value), sound(), avatar(File), house() */
  constructor(on) {
    this.on = on;
    this.controls = {};
    this.held_ms = {};
    this.clip_ms = -CLIP_MS;
    this.styles = "";
    this.status = null;
    this.makeTables();
    this.makeControls();
    this.makeDrop();
    addEventListener("keydown", (event) => this.key(event));
  }

  makeTables() {
    this.latency = LATENCIES.map(([key, label]) => {
      const bar = make("i", {}, make("u"), make("b"));
      const value = make("td", { textContent: "–" });
      $("latency").tBodies[0].append(make("tr", {}, make("td", { textContent: label }), make("td", {}, bar), value));
      return { key, bar, value };
    });
    this.counts = COUNTS.map(([key, label]) => {
      const value = make("dd", { textContent: "–" });
      $("counts").append(make("div", {}, make("dt", { textContent: label }), value));
      return { key, value };
    });
    const lines = KEYS.map(([keys, text]) => make("p", { className: "key" }, ...keys.split(" ").map((k) => make("kbd", { textContent: k })), text));
    const file = make("input", { type: "file", accept: ".vrm,.glb", hidden: true });
    file.onchange = () => file.files[0] && this.on.avatar(file.files[0]);
    const choose = make("button", { type: "button", textContent: "Choose an avatar…", onclick: () => file.click() });
    $("help").append(make("h2", { textContent: "Keys", className: "key" }), ...lines, make("h2", { textContent: "Avatar" }),
      make("p", { textContent: "Drop a .vrm or a humanoid .glb anywhere on the page." }), choose, file);
  }

  makeControls() {
    for (const name of ["energy", "follow"]) {
      const input = $(name);
      input.oninput = () => this.say(name, Number(input.value));
      input.ondblclick = () => this.say(name, 1);
    }
    for (const name of ["tap", "halve", "double"]) $(name).onpointerdown = () => this.on.control(name, true);
    for (const name of ["tap", "halve", "double"]) $(name).onclick = (event) => event.detail || this.on.control(name, true);
    for (const name of ["freeze", "blackout", "panic", "lock"]) $(name).onclick = () => this.say(name, !this.controls[name]);
    $("earlier").onclick = () => this.nudge(-NUDGE_MS);
    $("later").onclick = () => this.nudge(NUDGE_MS);
    $("sound").onclick = () => this.on.sound();
    $("more").onclick = () => this.toggleHelp();
  }

  makeDrop() {
    let depth = 0;
    const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragenter", (event) => files(event) && ((depth += 1), ($("drop").hidden = false)));
    addEventListener("dragleave", () => (depth = Math.max(0, depth - 1)) || ($("drop").hidden = true));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      $("drop").hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file) this.on.avatar(file);
    });
  }

  toggleHelp() {
    const open = $("help").hidden;
    $("help").hidden = !open;
    $("more").setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("more", open);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const fader = event.target instanceof HTMLInputElement;
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const key = event.key.toLowerCase();
    if (key === "p") this.say("panic", !event.shiftKey);
    else if (event.repeat && !step && key !== "," && key !== ".") return;
    else if (key === "," || key === ".") this.nudge(key === "." ? NUDGE_MS : -NUDGE_MS);
    else if (key === "t") this.on.control("tap", true);
    else if (key === "[" || key === "]") this.on.control(key === "[" ? "halve" : "double", true);
    else if (key === "l") this.say("lock", !this.controls.lock);
    else if (key === "f") this.say("freeze", !this.controls.freeze);
    else if (key === "b") this.say("blackout", !this.controls.blackout);
    else if (key === "s" && !$("sound").hidden) this.on.sound();
    else if (key === "h" || key === "?") this.toggleHelp();
    else if (step && !fader) this.say("energy", Math.round(Math.min(2, Math.max(0, (this.controls.energy ?? 1) + step)) * 100) / 100);
    else if (turn && !fader) this.turnStyle(turn);
    else return;
    event.preventDefault();
  }

  nudge(by_ms) {
    this.say("nudge_ms", Math.min(NUDGE_SPAN_MS, Math.max(-NUDGE_SPAN_MS, (this.controls.nudge_ms ?? 0) + by_ms)));
  }

  turnStyle(turn) {
    const names = [...$("styles").children].map((button) => button.value);
    if (names.length) this.say("style", names[(names.indexOf(this.controls.style) + turn + names.length) % names.length]);
  }

  /** The operator asks; the page shows it at once and the show's answer a moment later. */
  say(name, value) {
    this.held_ms[name] = performance.now() + HOLD_MS;
    this.controls[name] = value;
    this.showControl(name);
    this.on.control(name, value);
  }

  showControl(name) {
    const value = this.controls[name];
    if (name === "energy" || name === "follow") {
      const input = $(name);
      if (Number(input.value) !== value) input.value = value;
      input.style.setProperty("--at", value / 2);
      put(input.nextElementSibling, number(value, 2));
    } else if (name === "nudge_ms") {
      put($("nudge_ms"), `${value > 0 ? "+" : ""}${number(value)} ms`);
    } else if (name === "style") {
      for (const button of $("styles").children) button.setAttribute("aria-pressed", String(button.value === value));
    } else if (["freeze", "blackout", "panic", "lock"].includes(name)) {
      $(name).setAttribute("aria-pressed", String(value));
      if (name === "panic") put($("panic"), value ? "Release" : "Panic");
      if (name === "blackout") document.body.classList.toggle("blackout", value);
    }
  }

  /** One status message of the show, ten a second. */
  show(status) {
    this.status = status;
    if (status.clip) this.clip_ms = performance.now();
    this.showStyles(status.styles ?? []);
    for (const [name, value] of Object.entries(status.controls ?? {})) {
      if (performance.now() < (this.held_ms[name] ?? 0) || this.controls[name] === value) continue;
      this.controls[name] = value;
      this.showControl(name);
    }
    this.showBeat(status);
    this.showInput(status);
    this.showNumbers(status);
    $("sound").hidden = !status.audio;
  }

  showStyles(styles) {
    const names = styles.includes("auto") ? styles : ["auto", ...styles];
    if (names.join("\n") === this.styles) return;
    this.styles = names.join("\n");
    $("styles").replaceChildren(...names.map((name) => {
      const button = make("button", { type: "button", value: name, textContent: name.replaceAll("_", " ") });
      button.onclick = () => this.say("style", name);
      return button;
    }));
    this.showControl("style");
  }

  showBeat({ beat, silence }) {
    const known = beat && beat.confidence > 0.02;
    put($("bpm"), known ? number(beat.bpm ?? 60 / beat.period_s, 1) : "–");
    $("bpm").style.opacity = silence || !known ? 0.55 : 1;
    const sure = share(beat?.confidence);
    const gauge = $("confidence");
    gauge.setAttribute("aria-valuenow", String(Math.round(sure * 100)));
    gauge.querySelector("b").style.transform = `scaleX(${sure})`;
    put(gauge.querySelector("em"), `${Math.round(sure * 100)} %`);
    const meter = beat?.meter || 4;
    if ($("bar").children.length !== meter) $("bar").replaceChildren(...Array.from({ length: meter }, () => make("li")));
    $("bar").classList.toggle("unknown", !beat?.beat_in_bar);
  }

  showInput({ input, level_db, peak, silence }) {
    put($("input"), silence ? `${input ?? ""} · silence` : input ?? "");
    const of_db = (db) => share(((Number.isFinite(db) ? db : -60) + 60) / 60);
    const level = $("level");
    level.querySelector("b").style.clipPath = `inset(0 ${100 - 100 * of_db(level_db)}% 0 0)`;
    // The peak comes as a sample value, 1 = full scale.
    level.querySelector("u").style.left = `${100 * of_db(20 * Math.log10(Math.max(peak || 0, 1e-5)))}%`;
    put(level.querySelector("em"), level_db > -90 ? `${number(level_db)} dB` : "–∞");
    level.setAttribute("aria-valuenow", number(Math.max(-60, level_db ?? -60)));
    $("clip").classList.toggle("on", performance.now() - this.clip_ms < CLIP_MS);
  }

  showNumbers(status) {
    for (const { key, bar, value } of this.latency) {
      const { p50, p99 } = status.latency?.[key] ?? {};
      put(value, `${number(p50, p50 < 10 ? 1 : 0)} · ${number(p99, p99 < 10 ? 1 : 0)}`);
      bar.lastChild.style.transform = `scaleX(${share(p50 / 60)})`;
      bar.firstChild.style.transform = `scaleX(${share(p99 / 60)})`;
    }
    const outputs = status.outputs ?? [];
    const skipped = outputs.reduce((sum, output) => sum + (output.skipped || 0), 0);
    for (const { key, value } of this.counts) {
      const count = key === "skipped" ? skipped : status[key];
      put(value, number(count));
      value.classList.toggle("alert", (key === "gaps" && count > 0) || (key === "horizon_ms" && count < 0));
    }
    this.showOutputs(outputs);
  }

  showOutputs(outputs) {
    const list = $("outputs");
    while (list.children.length < outputs.length) list.append(make("li", {}, make("b"), make("span")));
    while (list.children.length > outputs.length) list.lastChild.remove();
    outputs.forEach(({ name, kind, lead_ms, fresh }, i) => {
      const row = list.children[i];
      row.classList.toggle("fresh", Boolean(fresh));
      row.title = fresh ? "fresh" : "no pose is leaving here";
      put(row.firstChild, name || kind);
      put(row.lastChild, `${fresh ? "" : "stale · "}lead ${number(lead_ms)} ms`);
    });
  }

  /** Beat lamp and bar at stream time t, every frame. Returns the mood of the stage. */
  pulse(stream_s) {
    const beat = this.status?.beat;
    if (!beat || !(beat.period_s > 0)) return { pulse: 0, since_s: 9 };
    const since_s = (beatsAt(beat, stream_s) % 1 + 1) % 1 * beat.period_s;
    const pulse = Math.exp(-since_s / 0.13) * (this.status.silence ? 0.1 : 0.25 + 0.75 * share(beat.confidence * 1.4));
    const place = beatInBar(beat, stream_s);
    const shown = place || (((Math.floor(beatsAt(beat, stream_s)) % beat.meter) + beat.meter) % beat.meter) + 1;
    const lamp = $("lamp");
    lamp.style.setProperty("--pulse", pulse.toFixed(3));
    lamp.classList.toggle("down", place === 1);
    lamp.dataset.on = since_s < beat.period_s / 2 ? "1" : "0";
    [...$("bar").children].forEach((dot, i) => dot.classList.toggle("on", i + 1 === shown));
    return { pulse, since_s };
  }

  /** Four band meters, every frame; bands 0..1. */
  bands(bands) {
    [...$("bands").children].forEach((meter, i) => (meter.firstChild.style.transform = `scaleY(${share(bands[i]).toFixed(3)})`));
  }

  link(text, look) {
    put($("link"), text);
    $("link").className = `pill ${look}`;
  }

  sound(on) {
    $("sound").setAttribute("aria-pressed", String(on));
    put($("sound"), on ? "Sound on" : "Sound");
  }

  /** One line in the middle of the top; it goes by itself after a while, or when told again with an empty text. */
  note(key, text, { bad = false, stay = false } = {}) {
    this.noted ??= new Map();
    clearTimeout(this.noted.get(key)?.timer);
    this.noted.get(key)?.line.remove();
    this.noted.delete(key);
    if (!text) return;
    const line = make("p", { textContent: text, className: bad ? "bad" : "" });
    $("notes").append(line);
    this.noted.set(key, { line, timer: stay ? 0 : setTimeout(() => this.note(key, ""), 7000) });
  }

  /** The side panel of a dropped avatar; null shows none. */
  avatar(body) {
    const box = $("avatar");
    box.hidden = !body;
    if (!body) return;
    const rows = body.unmapped.map(({ name, guess }) => make("li", {}, make("b", { textContent: name }), make("span", { textContent: guess })));
    box.replaceChildren(make("h2", { textContent: "Avatar" }), make("b", { textContent: body.name }));
    if (rows.length) {
      const title = `${rows.length} bone${rows.length > 1 ? "s" : ""} not driven`;
      box.append(make("h2", { textContent: title }), make("ul", {}, ...rows));
    }
    box.append(make("button", { type: "button", textContent: "Back to the house dancer", onclick: () => this.on.house() }));
  }

  /** The part of the page [px] that no panel covers. */
  free() {
    const whole = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    const [beat, numbers, desk] = ["beat", "numbers", "desk"].map((id) => $(id).getBoundingClientRect());
    if (!desk.height) return whole;
    const phone = beat.width > innerWidth * 0.7;
    if (phone) {
      const lower = document.body.classList.contains("more") || !numbers.height ? desk.top : numbers.top;
      return { ...whole, top: beat.bottom, bottom: Math.max(lower, beat.bottom + 120) };
    }
    return { left: beat.right, right: numbers.width ? numbers.left : innerWidth, top: 0, bottom: desk.top - 6 };
  }
}
