// Opens a report in every theme and width, and uses every view of it.

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import bundled from "@sparticuz/chromium";
import { chromium } from "playwright-core";

const SCREENS = [
  { name: "light-wide", colorScheme: "light", viewport: { width: 1200, height: 900 } },
  { name: "dark-wide", colorScheme: "dark", viewport: { width: 1200, height: 900 } },
  { name: "light-phone", colorScheme: "light", viewport: { width: 390, height: 844 } },
  { name: "dark-phone", colorScheme: "dark", viewport: { width: 390, height: 844 } },
];

const [file, folder] = process.argv.slice(2);
if (!file || !folder) {
  console.error("usage: node look.js PAGE.html FOLDER");
  process.exit(2);
}
await mkdir(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: await bundled.executablePath(),
  args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
});
try {
  for (const screen of SCREENS) await look(screen);
} finally {
  await browser.close();
}

async function look({ name, ...screen }) {
  const context = await browser.newContext(screen);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith("file:")) complaints.push(`asked for ${request.url()}`);
  });
  const check = async (what, act) => {
    let error = null;
    try {
      await act();
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (beyond > 0) error = `it is ${beyond} pixels too wide`;
      if (complaints.length > 0) error = complaints.splice(0).join("\n");
    } catch (thrown) {
      error = String(thrown.stack ?? thrown);
    }
    console.log(JSON.stringify({ check: `${name}: ${what}`, error }));
  };

  const started = performance.now();
  await check("opens", async () => {
    await page.goto(pathToFileURL(resolve(file)).href);
    await page.getByRole("tab").first().waitFor();
  });
  console.error(`${name} opened after ${Math.round(performance.now() - started)} ms`);

  const tabs = await page.getByRole("tab").allTextContents();
  for (const tab of tabs) {
    await check(tab, async () => {
      await page.getByRole("tab", { name: tab, exact: true }).click();
      await painted(page);
      if ((await page.locator("#view").innerText()).trim() === "") throw new Error("it is empty");
      await page.screenshot({ path: join(folder, `${name}-${tab.toLowerCase().replaceAll(" ", "-")}.png`) });
    });
  }
  if (tabs.includes("Timeline")) await check("is dragged", () => drags(page, name));
  if (tabs.includes("Timeline")) await check("moves, zooms and tells in the timeline", () => timeline(page));
  if (tabs.includes("Versions")) await check("leads from a version to the timeline", () => fromVersion(page));
  if (tabs.includes("Verdict")) await check("shows each history's verdict", () => verdicts(page));
  if (tabs.includes("Runs")) await check("sorts the runs", () => sorts(page));
  if (tabs.includes("Compare")) await check("compares what is chosen", () => compares(page));
  await context.close();
}

/** Until what was asked for has been painted. */
function painted(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));
}

async function open(page, tab) {
  await page.getByRole("tab", { name: tab, exact: true }).click();
  await painted(page);
}

function expect(holds, what) {
  if (!holds) throw new Error(what);
}

async function timeline(page) {
  await open(page, "Timeline");
  const canvas = page.locator("canvas");
  const picture = () => canvas.evaluate((one) => one.toDataURL());
  const all = await picture();
  expect(Number(await canvas.getAttribute("data-painted")) > 0, "no request is painted");
  await page.getByTitle("Zoom in").click();
  await painted(page);
  const near = await picture();
  expect(near !== all, "zooming changes nothing");
  await canvas.focus();
  await page.keyboard.press("ArrowRight");
  await painted(page);
  expect((await picture()) !== near, "an arrow key changes nothing");
  await page.keyboard.press("0");
  await painted(page);
  expect((await picture()) === all, "0 does not show all again");
  // Somewhere in the first row there is a request.
  const { width } = await canvas.boundingBox();
  for (let x = 90; x < width; x += 3) {
    await canvas.hover({ position: { x, y: 28 } });
    if (await page.locator("#tip").isVisible()) break;
  }
  const told = await page.locator("#tip").innerText();
  expect(/worker-|others/.test(told), `the pointer is told ${JSON.stringify(told)}`);
}

/** Zooms in and drags the timeline, and says how long the frames took. */
async function drags(page, name) {
  await open(page, "Timeline");
  for (let times = 0; times < 3; times++) await page.getByTitle("Zoom in").click();
  const { x, y, width } = await page.locator("canvas").boundingBox();
  await page.mouse.move(x + width - 10, y + 30);
  await page.mouse.down();
  const timed = page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const frames = [];
    let before = await frame();
    while (frames.length < 60) {
      const now = await frame();
      frames.push(now - before);
      before = now;
    }
    return frames.sort((one, other) => one - other);
  });
  for (let at = width - 10; at > 90; at -= 4) await page.mouse.move(x + at, y + 30);
  await page.mouse.up();
  const took = await timed;
  console.error(`${name} dragged: a frame took ${took[30].toFixed(1)} ms, the longest ${took[59].toFixed(1)} ms`);
  await page.keyboard.press("0");
}

async function fromVersion(page) {
  await open(page, "Versions");
  await page.getByRole("button", { name: "Show" }).first().click();
  await painted(page);
  expect((await page.getByRole("tab", { selected: true }).innerText()) === "Timeline", "it leads elsewhere");
}

async function verdicts(page) {
  await open(page, "Verdict");
  const choice = page.getByLabel("History");
  const histories = (await choice.count()) === 0 ? [null] : await choice.locator("option").allTextContents();
  for (const history of histories) {
    if (history !== null) await page.getByLabel("History").selectOption({ label: history });
    await painted(page);
    const banner = await page.locator(".banner").innerText();
    const bad = (await page.locator("section").count()) > 0;
    expect(bad === banner.startsWith("✗"), `${history}: the banner says ${banner}`);
  }
}

async function sorts(page) {
  await open(page, "Runs");
  const column = () => page.locator("table tbody tr td:nth-child(2)").allInnerTexts();
  await page.getByRole("button", { name: "workers", exact: true }).click();
  const rising = (await column()).map((text) => Number(text.replaceAll(",", "")));
  expect(rising.every((value, at) => at === 0 || rising[at - 1] <= value), `the order is ${rising}`);
}

async function compares(page) {
  await open(page, "Compare");
  const head = () => page.locator("table thead").innerText();
  const before = await head();
  const second = page.getByLabel("Second");
  const last = (await second.locator("option").count()) - 1;
  await second.selectOption({ index: last === 1 ? 0 : last });
  expect((await head()) !== before, "another choice changes nothing");
}
