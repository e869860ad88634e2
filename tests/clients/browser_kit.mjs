// Opens the browser kit's example in a headless Chromium and prints what it shows as one JSON line a look.
//   node browser_kit.mjs CHROMIUM URL PLAYWRIGHT_FOLDER
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [executablePath, url, folder] = process.argv.slice(2);
const { chromium } = createRequire(pathToFileURL(`${folder}/package.json`))("playwright-core");
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-default-apps", "--no-first-run", "--no-pings", "--disable-domain-reliability",
  "--disable-features=OptimizationHints,MediaRouter,Translate", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const browser = await chromium.launch({ executablePath, args: FLAGS, timeout: 300_000 });
const page = await browser.newPage();
page.setDefaultTimeout(300_000);
page.on("pageerror", (error) => say({ kind: "error", text: error.message }));
await page.goto(url);
const drawn = () => { // how much of the canvas is not empty
  const canvas = document.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, at) => at % 4 === 3 && value > 0).length;
};
while (true) {
  const seen = await page.evaluate(({ look }) => ({ shown: window.shown, places: window.places, connects: window.connects, drawn: eval(look)() }), { look: `(${drawn})` });
  if (seen.shown) say({ kind: "look", ...seen });
  await page.waitForTimeout(100);
}
