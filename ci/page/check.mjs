#!/usr/bin/env node
// Opens the nightly page in headless Chromium: it loads without console errors and from nowhere
// else, filter, hover and keyboard work, in a wide and a narrow window, light and dark, printed, and
// without a script.
//
//   node ci/page/check.mjs                    # of the made-up night of crates/report
//   node ci/page/check.mjs --shots FOLDER     # and keeps a picture of each page there
//   node ci/page/check.mjs --site FOLDER      # of that night, written to FOLDER before
//
// Needs: chromium, node, playwright-core. Install them from the system's packages and with npm.
// CHROMIUM names the browser where it is not on the PATH; playwright-core is found beside this file,
// in a folder above it, or by NODE_PATH. Where one is missing, nothing is checked; that is said, and
// the exit code is 0. It is 1 where a check fails.

import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checks } from "./checks.mjs";

// Without these the browser asks hosts of its maker, which a test must not need.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

const notChecked = (why) => {
  console.log(`NOT CHECKED: the nightly page in a browser: ${why}`);
  process.exit(0);
};

const isProgram = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const findBrowser = () => {
  if (process.env.CHROMIUM) return isProgram(process.env.CHROMIUM) ? process.env.CHROMIUM : undefined;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
};

const findPlaywright = () => {
  try {
    return createRequire(import.meta.url)("playwright-core");
  } catch {
    return undefined;
  }
};

const writeSite = (folder) => {
  const run = ["run", "--release", "--locked", "--quiet", "-p", "outpace-report", "--example", "nightly", "--", folder];
  execFileSync("cargo", run, { stdio: ["ignore", "ignore", "inherit"] });
};

const main = async () => {
  const executablePath = findBrowser();
  if (!executablePath) notChecked("there is no Chromium");
  const playwright = findPlaywright();
  if (!playwright) notChecked("playwright-core is not installed");
  const scratch = mkdtempSync(join(tmpdir(), "outpace-page-"));
  const site = resolve(option("--site") ?? join(scratch, "site"));
  if (!option("--site")) writeSite(site);
  const shots = option("--shots");
  if (shots) mkdirSync(shots, { recursive: true });

  const browser = await playwright.chromium.launch({ executablePath, args: FLAGS });
  const pages = readdirSync(join(site, "series")).filter((name) => name.endsWith(".html")).sort();
  const night = { browser, shots, pages, url: (file) => pathToFileURL(join(site, file)).href };
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      const note = await check(night);
      console.log(`ok      ${name}${note ? `: ${note}` : ""}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${error.message}`);
    }
  }
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
  console.log(`${Object.keys(checks).length} checks, ${failed} failed`);
  process.exit(failed ? 1 : 0);
};

await main();
