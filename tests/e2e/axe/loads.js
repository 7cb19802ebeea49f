// Open pages in Chromium and print what ran, what the page's policy had to stop, and what could run, as JSON.
// Usage: node loads.js CHROMIUM FILE   (FILE: a JSON list of URLs)   Exit code: 0 nothing ran, 1 something did.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-sync"];

// In the page before anything of its own: each report of the policy is counted where a test can read it.
function listen() {
  window.reports = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    window.reports.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
  });
}

// Do to every element what a person's hand could, and say what there is that could run. Nothing is waited for in the
// page: where scripts are forbidden altogether (sandbox), its timers stand still.
function provoke() {
  const able = [];
  for (const element of document.querySelectorAll("*")) {
    for (const name of ["mouseover", "mouseenter", "focus", "click", "pointerdown", "toggle", "animationstart"]) {
      if (element.localName !== "a" && element.localName !== "button") element.dispatchEvent(new Event(name));
    }
    for (const { name, value } of element.attributes) {
      const shown = element.localName === "input" && name === "value"; // what was typed: no address, whatever it begins with
      if (name.startsWith("on") || (!shown && /^\s*(javascript|data|vbscript):/i.test(value))) {
        able.push(`${element.localName} ${name}`);
      }
    }
    if (["script", "iframe", "object", "embed", "base", "foreignobject"].includes(element.localName.toLowerCase())) {
      able.push(element.localName);
    }
  }
  return able;
}

async function load(page, url, seen) {
  seen.dialogs = [];
  seen.outside = [];
  const { origin } = new URL(url);
  seen.origin = origin;
  const reply = await page.goto(url, { waitUntil: "load" });
  const able = await page.evaluate(provoke);
  await page.waitForTimeout(20);
  const reports = await page.evaluate(() => window.reports ?? []);
  return { url, status: reply.status(), dialogs: [...seen.dialogs], outside: [...seen.outside], able, reports };
}

const [executablePath, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node loads.js CHROMIUM FILE");
  process.exit(2);
}
const urls = JSON.parse(await readFile(file, "utf8"));
const browser = await chromium.launch({ executablePath, args: QUIET, chromiumSandbox: process.getuid?.() !== 0 });
const verdicts = [];
try {
  const context = await browser.newContext({ acceptDownloads: false });
  const page = await context.newPage();
  const seen = { dialogs: [], outside: [], origin: "" };
  await page.addInitScript(listen);
  page.on("dialog", async (dialog) => {
    seen.dialogs.push(dialog.message());
    await dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(seen.origin) && !request.url().startsWith("data:")) seen.outside.push(request.url());
  });
  for (const url of urls) verdicts.push(await load(page, url, seen));
} finally {
  await browser.close();
}
console.log(JSON.stringify(verdicts, null, 1));
// Not exit(): that would cut off what a pipe has not taken yet.
process.exitCode = verdicts.some((one) => one.dialogs.length + one.reports.length + one.able.length) ? 1 : 0;
