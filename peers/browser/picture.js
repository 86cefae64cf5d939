// Takes a picture of the chart of a page of `optilock report` that shows runs.

import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

import bundled from "@sparticuz/chromium";
import { chromium } from "playwright-core";

const [file, colorScheme, picture] = process.argv.slice(2);
if (!file || !["light", "dark"].includes(colorScheme) || !picture) {
  console.error("usage: node picture.js PAGE.html light|dark PICTURE.png");
  process.exit(2);
}

const browser = await chromium.launch({
  executablePath: await bundled.executablePath(),
  args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
});
try {
  const page = await browser.newPage({ colorScheme, viewport: { width: 760, height: 900 }, deviceScaleFactor: 2 });
  await page.goto(pathToFileURL(resolve(file)).href);
  await page.getByRole("tab", { name: "Runs", exact: true }).click();
  await page.locator("#view .legend").first().waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const chart = await page.locator("#view svg").first().boundingBox();
  const legend = await page.locator("#view .legend").first().boundingBox();
  const margin = 8;
  const [left, top] = [Math.min(chart.x, legend.x) - margin, chart.y - margin];
  const width = Math.max(chart.x + chart.width, legend.x + legend.width) + margin - left;
  await page.screenshot({ path: picture, clip: { x: left, y: top, width, height: legend.y + legend.height + margin - top } });
} finally {
  await browser.close();
}
