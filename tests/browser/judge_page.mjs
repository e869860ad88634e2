// Drives the page of pairs in a headless Chromium and prints what it saw as one JSON line.
//   node judge_page.mjs PLAN.json     PLAN: {chromium, url, out, steps: [...]}
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
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const PATIENCE_MS = 120_000; // a machine without a graphics card that is busy with other things

const seen = { console: [], requests: [], steps: [] };
let context, page;

async function visit({ path = "/" }) {
  await page?.close();
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.console.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => seen.console.push(`pageerror: ${error.message}`));
  page.on("request", (request) => seen.requests.push(`${request.method()} ${request.url()}`));
  await page.goto(new URL(path, plan.url).href);
}

/** Wait until an expression is true. By asking again and again: the page forbids what a wait inside it would need. */
async function until(expression) {
  for (const end = Date.now() + PATIENCE_MS; !(await page.evaluate(expression)); await page.waitForTimeout(30)) {
    if (Date.now() > end) throw new Error(`never came true: ${expression}`);
  }
}

const STEPS = {
  /** A browser that has never been here: nothing stored. */
  async guest({ width = 1280, height = 800, scale = 1, touch = false }) {
    await context?.close();
    page = null;
    context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: scale, hasTouch: touch });
    await visit({});
  },
  visit, // the same guest again, in a new tab: no gesture has been made in it
  async shot({ file }) { await page.screenshot({ path: join(plan.out, file), timeout: PATIENCE_MS }); },
  evaluate: ({ expression }) => page.evaluate(expression),
  until: ({ expression }) => until(expression),
  /** Values of an expression, every change once, until there were so many. */
  async watch({ expression, values: wanted }) {
    const values = [];
    for (const end = Date.now() + PATIENCE_MS; values.length < wanted; await page.waitForTimeout(20)) {
      const value = await page.evaluate(expression);
      if (JSON.stringify(value) !== JSON.stringify(values.at(-1))) values.push(value);
      if (Date.now() > end) throw new Error(`changed ${values.length} times only: ${expression}`);
    }
    return values;
  },
  click: ({ selector }) => page.click(selector),
  fill: ({ selector, text }) => page.fill(selector, text),
  press: ({ key }) => page.keyboard.press(key),
  resize: ({ width, height }) => page.setViewportSize({ width, height }),
  /** Answer all that is left with one key, as soon as each question takes an answer. */
  async finish({ key }) {
    for (;;) {
      await until("document.body.dataset.screen === 'done' || document.querySelector('#answers button:enabled')");
      if (await page.evaluate("document.body.dataset.screen === 'done'")) return page.evaluate("document.querySelector('#thanks').textContent");
      const at = await page.evaluate("judge.at");
      await page.keyboard.press(key);
      await until(`judge.at !== ${at}`);
    }
  },
  /** Buttons, fields and pictures without a text for those who do not see them; parts that stick out of the window. */
  faults: () => page.evaluate(() => {
    const shown = [...document.querySelectorAll("button, input, canvas, h1, h2")].filter((e) => e.checkVisibility());
    const named = (e) => e.textContent.trim() || e.ariaLabel || e.labels?.length;
    const out = (e) => { const box = e.getBoundingClientRect(); return box.left < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1; };
    return { unnamed: shown.filter((e) => !named(e)).map((e) => e.outerHTML), outside: shown.filter(out).map((e) => e.id || e.outerHTML) };
  }),
};

const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS, headless: true });
try {
  for (const step of plan.steps) {
    seen.steps.push((await STEPS[step.do](step)) ?? null);
  }
} catch (error) {
  seen.failure = String(error.stack ?? error);
  seen.text = await page?.evaluate(() => document.body.innerText).catch(() => "");
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
