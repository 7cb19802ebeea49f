// Open pages in Chromium, on a desk and on a phone, and print what axe and the page itself complain of, as JSON.
// Usage: node judge.js CHROMIUM [--screenshots FOLDER] URL...   Exit code: 0 clean, 1 complaints, 2 it could not judge.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
// What the dark scheme can change: all else is the same page.
const COLOURS = ["color-contrast", "link-in-text-block"];
const SCREENS = { desktop: { width: 1280, height: 900 }, phone: { width: 320, height: 700 } };
// The browser talks to the pages under test only; it has nothing to look up elsewhere.
const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

function brief(violation) {
  const nodes = violation.nodes.map((node) => ({ target: node.target.join(" "), html: node.html.slice(0, 300) }));
  return { rule: violation.id, impact: violation.impact, help: violation.help, nodes };
}

function watch(page, address) {
  const { origin } = new URL(address);
  const seen = { outside: [], errors: [] };
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) seen.outside.push(url);
  });
  page.on("console", (message) => {
    // An error page's own status is what was asked for, not a fault of the page.
    if (message.type() === "error" && message.location().url !== address) seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  return seen;
}

async function judge(browser, url, screen, folder) {
  // The page must work without JavaScript of its own and under its own CSP: axe comes in through the browser's
  // debugging protocol, which no policy of the page governs.
  const context = await browser.newContext({ viewport: SCREENS[screen], reducedMotion: "reduce" });
  const page = await context.newPage();
  const seen = watch(page, url);
  const reply = await page.goto(url, { waitUntil: "load" });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (folder) {
    const name = new URL(url).pathname.replaceAll("/", "_") || "_";
    await page.screenshot({ path: path.join(folder, `${name}-${screen}.png`), fullPage: true });
  }
  await page.evaluate(await readFile(AXE, "utf8"));
  const result = await page.evaluate((tags) => axe.run(document, { runOnly: tags }), RULES);
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await page.evaluate((rules) => axe.run(document, { runOnly: { type: "rule", values: rules } }), COLOURS);
  await context.close();
  const violations = [...result.violations.map(brief), ...dark.violations.map((one) => ({ ...brief(one), dark: true }))];
  return { url, screen, status: reply.status(), violations, passes: result.passes.length, overflow, ...seen };
}

async function main([executablePath, ...rest]) {
  const folder = rest[0] === "--screenshots" ? rest.splice(0, 2)[1] : undefined;
  const browser = await chromium.launch({ executablePath, args: QUIET, chromiumSandbox: process.getuid?.() !== 0 });
  try {
    const verdicts = [];
    for (const url of rest) {
      for (const screen of Object.keys(SCREENS)) verdicts.push(await judge(browser, url, screen, folder));
    }
    return verdicts;
  } finally {
    await browser.close();
  }
}

if (process.argv.length < 4) {
  console.error("usage: node judge.js CHROMIUM [--screenshots FOLDER] URL...");
  process.exit(2);
}
const verdicts = await main(process.argv.slice(2));
const faulty = (v) => v.violations.length + v.outside.length + v.errors.length > 0 || v.overflow > 0;
console.log(JSON.stringify(verdicts, null, 1));
process.exitCode = verdicts.some(faulty) ? 1 : 0;
