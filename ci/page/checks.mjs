// The checks of ci/page/check.mjs. Each gets the night that crates/report/examples/nightly.rs makes
// up, throws where something is wrong, and may return a figure to print.

import assert from "node:assert/strict";
import { join } from "node:path";

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 320, height: 640 };

// Least contrast of text (WCAG 2.2, success criterion 1.4.3).
const CONTRAST = 4.5;

// Most milliseconds until a page is there, so that ten thousand commits are no burden.
const LOAD_MS = 3000;

// Most milliseconds until something that a check waits for is there.
const TIMEOUT_MS = 10_000;

const series = (name) => (page) => page.startsWith(name);
const regression = ({ pages }) => `series/${pages.find(series("gpt-nano-epyc"))}`;
const long = ({ pages }) => `series/${pages.find(series("gpt-nano-h100"))}`;

// Opens a page, does something with it, and fails on any message, error or request to elsewhere.
const open = async (night, file, options, act) => {
  const context = await night.browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const wrong = [];
  page.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith("file:") && url !== "data:,") wrong.push(`asks for ${url}`);
  });
  try {
    await page.goto(night.url(file));
    const note = await act(page, wrong);
    assert.deepEqual(wrong, [], file);
    return note;
  } finally {
    await context.close();
  }
};

const shoot = async (night, page, name) => {
  if (night.shots) await page.screenshot({ path: join(night.shots, `${name}.png`), fullPage: name.startsWith("index") });
};

const rows = (page) => page.locator("#series tbody tr:visible");
const tip = (page) => page.locator(".tip:visible");
const plot = (page) => page.locator(".plot:visible");

// The window of a phone grows with its content, so the width that was asked for counts.
const assertFits = async (page, name) => {
  const content = await page.evaluate(() => document.documentElement.scrollWidth);
  const window = page.viewportSize().width;
  assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`);
};

// Text and links on the page whose contrast is too low, and the lowest contrast.
const contrasts = (page) => page.evaluate((least) => {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parse(colour).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parse(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let lowest = Infinity;
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText || element.closest("script") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.closest("svg") ? style.fill : style.color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    lowest = Math.min(lowest, ratio);
    if (ratio < least) low.push(`${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return { low, lowest, paper: light(behind(document.body)) };
}, CONTRAST);

export const checks = {
  "every page loads without a message and from nowhere else": async (night) => {
    let slowest = 0;
    for (const file of ["index.html", ...night.pages.map((page) => `series/${page}`)]) {
      await open(night, file, {}, async (page) => {
        const ms = await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd);
        slowest = Math.max(slowest, ms);
        assert.ok(ms > 0 && ms < LOAD_MS, `${file} took ${ms} ms`);
        assert.equal(await page.locator("h1").count(), 1, file);
      });
    }
    return `${night.pages.length + 1} pages, the slowest in ${slowest.toFixed(0)} ms`;
  },

  "the filter chooses by workload, class, state and time": (night) => open(night, "index.html", {}, async (page) => {
    const shows = async (n) => {
      assert.equal(await rows(page).count(), n);
      assert.equal(await page.locator("#shown").textContent(), `${n} of 7 series`);
    };
    await shows(7);
    await page.selectOption("[name=workload]", "gpt-nano");
    await shows(3);
    await page.selectOption("[name=class]", "epyc-7b13-x2-9ac41d20");
    await shows(1);
    assert.match(await rows(page).first().textContent(), /regression/);
    await page.selectOption("[name=workload]", "");
    await shows(3);
    await page.selectOption("[name=state]", "pending");
    await shows(1);
    await page.reload();
    await shows(1);
    await page.selectOption("[name=state]", "accepted");
    await shows(0);
    assert.ok(await page.locator("#nothing").isVisible() && !await page.locator("#series").isVisible());
    await page.click("button[type=reset]");
    await shows(7);
    assert.ok(!page.url().includes("#"), page.url());
    const course = rows(page).first().locator(".course svg:visible");
    const all = await course.innerHTML();
    await page.selectOption("[name=days]", "7");
    await shows(6);
    assert.equal(await course.count(), 1);
    assert.notEqual(await course.innerHTML(), all, "the small picture is of these days");
  }),

  "without a script everything is there": (night) => open(night, "index.html", { javaScriptEnabled: false }, async (page) => {
    assert.equal(await rows(page).count(), 7);
    assert.ok(!await page.locator("#filter").isVisible(), "what cannot work is not shown");
    assert.equal(await rows(page).first().locator(".course svg:visible").count(), 1);
    await rows(page).first().locator("a").click();
    assert.equal(await plot(page).locator("svg").count(), 1);
    assert.ok(!await page.locator("#tip-help").isVisible());
  }),

  "rows lead to their series and back": (night) => open(night, "index.html", {}, async (page) => {
    await rows(page).first().locator("a").click();
    assert.equal(await page.locator("h1").textContent(), "gpt-nano");
    const table = page.locator("a[href$='.csv']");
    const file = await table.getAttribute("href");
    assert.equal(file.replace(/csv$/, "html"), page.url().split("/").pop());
    await page.click("text=← all series");
    assert.equal(await rows(page).count(), 7);
  }),

  "hover shows the commit": (night) => open(night, regression(night), {}, async (page) => {
    assert.equal(await tip(page).count(), 0);
    const box = await plot(page).boundingBox();
    await page.mouse.move(box.x + 300, box.y + 200);
    const text = await tip(page).innerText();
    assert.match(text, /^[0-9a-f]{9}\nkernels: change number \d+/);
    assert.match(text, /\n[+-]?\d+\.\d %\nbetween .* %\n[\d,]+ tokens\/s\n2026-\d\d-\d\d$/);
    await page.mouse.move(box.x + 600, box.y + 200);
    assert.notEqual(await tip(page).innerText(), text);
    const ring = await page.locator(".ring:visible").boundingBox();
    assert.ok(Math.abs(ring.x + ring.width / 2 - box.x - 600) < 4, "the ring is at the pointer");
    await page.mouse.move(box.x + 300, box.y - 100);
    assert.equal(await tip(page).count(), 0);
  }),

  "many commits are told as columns": (night) => open(night, long(night), {}, async (page) => {
    await plot(page).hover({ position: { x: 400, y: 200 } });
    assert.match(await tip(page).innerText(), /^[0-9a-f]{9} to [0-9a-f]{9}\n25 commits\nmedian .* %\nfrom .* % to .* %\n/);
    const nodes = await page.locator("*").count();
    assert.ok(nodes < 8000, `${nodes} elements`);
    return `${nodes} elements for 10,000 commits`;
  }),

  "the keyboard reaches every point in order": (night) => open(night, regression(night), {}, async (page, wrong) => {
    for (let i = 0; i < 20 && !await plot(page).evaluate((e) => e === document.activeElement); i += 1) await page.keyboard.press("Tab");
    const outline = await plot(page).evaluate((e) => getComputedStyle(e).outlineStyle);
    assert.equal(outline, "solid", "the focus is visible");
    const n = await page.evaluate(() => JSON.parse(document.getElementById("points").textContent).wide.at.length);
    assert.equal(n, 260);
    await page.keyboard.press("Home");
    const seen = [];
    for (let i = 0; i < n; i += 1) {
      seen.push(Number(/change number (\d+)/.exec(await tip(page).innerText())[1]));
      await page.keyboard.press("ArrowRight");
    }
    assert.deepEqual(seen, [...Array(n).keys()]);
    await page.keyboard.press("ArrowLeft");
    assert.match(await tip(page).innerText(), /change number 258 /);
    await page.keyboard.press("Escape");
    assert.equal(await tip(page).count(), 0);
    await page.keyboard.press("End");
    await page.route(/^https:/, (route) => route.abort());
    const [request] = await Promise.all([page.waitForRequest(/^https:/), page.keyboard.press("Enter")]);
    assert.match(request.url(), /^https:\/\/git\.example\/outpace-dev\/outpace\/commit\/[0-9a-f]{40}$/);
    // That request is the one that was asked for.
    wrong.length = 0;
    return `${n} points`;
  }),

  "a phone shows everything without scrolling sideways": async (night) => {
    for (const file of ["index.html", ...night.pages.map((page) => `series/${page}`)]) {
      await open(night, file, { viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
        await assertFits(page, file);
        const cut = await page.evaluate(() => [...document.querySelectorAll("#series td")]
          .filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent));
        assert.deepEqual(cut, [], "no cell reaches into the next");
        if (file === "index.html") await shoot(night, page, "index-phone");
        if (file !== regression(night)) return;
        assert.match(await plot(page).getAttribute("class"), /narrow/);
        await plot(page).tap({ position: { x: 250, y: 150 } });
        const box = await tip(page).boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= PHONE.width, "the tip is inside");
        await shoot(night, page, "series-phone");
      });
    }
  },

  "light and dark can be read": async (night) => {
    const lowest = [];
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, file] of [["index", "index.html"], ["series", regression(night)], ["long", long(night)]]) {
        await open(night, file, { colorScheme }, async (page) => {
          const found = await contrasts(page);
          assert.deepEqual(found.low, [], `${name}, ${colorScheme}`);
          assert.equal(found.paper < 0.1, colorScheme === "dark", `the paper of ${name}, ${colorScheme}`);
          lowest.push(found.lowest);
          if (name !== "index") await plot(page).hover({ position: { x: 300, y: 200 } });
          await shoot(night, page, `${name}-${colorScheme}`);
        });
      }
    }
    return `contrast at least ${Math.min(...lowest).toFixed(1)}`;
  },

  "paper shows no controls": (night) => open(night, "index.html", { colorScheme: "dark" }, async (page) => {
    await page.emulateMedia({ media: "print" });
    assert.ok(!await page.locator("#filter").isVisible());
    assert.equal((await contrasts(page)).paper, 1, "paper is white");
    await shoot(night, page, "index-print");
  }),

  "no other script may run": (night) => open(night, "index.html", {}, async (page, wrong) => {
    const hasRun = await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.hasRun = true";
      document.body.append(script);
      return window.hasRun === true;
    });
    assert.ok(!hasRun, "the policy of the page stops it");
    assert.ok(wrong.length > 0 && wrong.every((message) => message.includes("Content Security Policy")), wrong.join());
    wrong.length = 0;
  }),
};
