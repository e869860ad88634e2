// Drives the stage page in a headless Chromium and prints what it saw as one JSON line.
//   node stage_page.mjs PLAN.json     PLAN: {chromium, url, out, steps: [...]}
// Each step is {do: one of STEPS, ...}; answers come in the same order. The Python side serves the page and judges the answers.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const FLAGS = [
  "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-first-run",
  "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--no-pings", "--metrics-recording-only",
  "--disable-features=OptimizationHints,MediaRouter,Translate,InterestFeedContentSuggestions,CertificateTransparencyComponentUpdater",
  "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const PATIENCE_MS = 120_000; // a machine without a graphics card that is busy with other things

const seen = { console: [], requests: [], steps: [] };
let page;

const debug = (page) => page.evaluate(() => {
  const { frames, fps, avatar, unmapped, lastPose, rootScreen, synced, quality, malformed, flags } = window.corybant;
  return { frames, fps, avatar, unmapped, lastPose, rootScreen, synced, quality, malformed, flags };
});

function bones() {
  const { body, lastPose } = window.corybant;
  body.updateMatrixWorld(true);
  const at = (...names) => {
    let hit = null;
    body.traverse((node) => (hit ??= names.includes(node.userData.name ?? node.name) ? node : null));
    return hit && hit.matrixWorld.elements.slice(12, 15);
  };
  return {
    pelvis: at("pelvis", "mixamorig:Hips"), head: at("head", "mixamorig:Head"), left_wrist: at("hand_l", "mixamorig:LeftHand"),
    right_wrist: at("hand_r", "mixamorig:RightHand"), left_ankle: at("foot_l", "mixamorig:LeftFoot"),
    left_foot: at("ball_l", "mixamorig:LeftToeBase"), pose: lastPose,
  };
}

async function changes(wanted, look) {
  const values = [];
  for (const until = Date.now() + PATIENCE_MS; values.length < wanted && Date.now() < until; await page.waitForTimeout(40)) {
    const value = await look();
    if (JSON.stringify(value) !== JSON.stringify(values.at(-1))) values.push(value);
  }
  return values;
}

const STEPS = {
  async open({ path = "/", width = 1280, height = 800, scale = 1 }) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: scale, reducedMotion: "no-preference" });
    page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.console.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => seen.console.push(`pageerror: ${error.message}`));
    page.on("request", (request) => seen.requests.push(request.url()));
    const started = Date.now();
    await page.goto(new URL(path, plan.url).href);
    await page.waitForFunction(() => window.corybant?.frames > 5 && window.corybant.body?.visible);
    return { dancing_ms: Date.now() - started, ...(await debug(page)) };
  },
  async wait({ ms }) {
    await page.waitForTimeout(ms);
    return debug(page);
  },
  async shot({ file, canvas = false, type = "png", transparent = false }) {
    const target = canvas ? page.locator("canvas") : page;
    await target.screenshot({ path: join(plan.out, file), type, omitBackground: transparent, timeout: PATIENCE_MS });
    return debug(page);
  },
  /** Values of an expression, every change once, until there were so many. */
  async watch({ expression, values: wanted }) {
    return changes(wanted, () => page.evaluate(expression));
  },
  /** Where bones of the body on stage are [m], whatever rig it is, and the pose that put them there. */
  bones: () => page.evaluate(bones),
  /** Buttons, sliders and pictures without a text for those who do not see them. */
  unlabelled: () => page.evaluate(() => [...document.querySelectorAll("button, input, canvas")]
    .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.hidden)).map((e) => e.outerHTML)),
  /** Places of the parts of the page [px]. */
  layout: () => page.evaluate(() => {
    const places = Object.fromEntries(["beat", "numbers", "desk", "freeze", "panic"].map((id) => {
      const { left, top, right, bottom } = document.getElementById(id).getBoundingClientRect();
      return [id, { left, top, right, bottom }];
    }));
    const { innerWidth: width, innerHeight: height } = window;
    return { ...places, width, height, scroll: document.documentElement.scrollWidth, root: window.corybant.rootScreen };
  }),
  /** The same bones again and again, every change once, until they were at so many places. */
  moves: ({ looks }) => changes(looks, () => page.evaluate(bones)),
  evaluate: ({ expression }) => page.evaluate(expression),
  async until({ expression }) {
    await page.waitForFunction(expression);
    return debug(page);
  },
  resize: ({ width, height }) => page.setViewportSize({ width, height }),
  click: ({ selector }) => page.click(selector),
  press: ({ key }) => page.keyboard.press(key),
  /** Hand a file over as a hand would: a drop event with a DataTransfer that holds it. */
  async drop({ file, as: name }) {
    const bytes = readFileSync(file).toString("base64");
    const transfer = await page.evaluateHandle(({ bytes, name }) => {
      const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([data], name));
      return transfer;
    }, { bytes, name });
    const started = Date.now();
    await page.dispatchEvent("#stage", "drop", { dataTransfer: transfer });
    await page.waitForFunction((name) => window.corybant.avatar === name && window.corybant.body.visible, name);
    return { dancing_ms: Date.now() - started, ...(await debug(page)) };
  },
};

const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS, headless: true });
try {
  for (const step of plan.steps) {
    seen.steps.push((await STEPS[step.do](step)) ?? null);
  }
} catch (error) {
  seen.failure = String(error.stack ?? error);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
