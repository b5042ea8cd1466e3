"use strict";
(() => {
  const source = document.getElementById("points");
  if (!source) return;
  const points = JSON.parse(source.textContent);
  const svgName = "http://www.w3.org/2000/svg";

  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };

  for (const plot of document.querySelectorAll(".plot")) {
    const { at } = points[plot.dataset.layout];
    const texts = points[plot.dataset.layout].texts ?? points.wide.texts;
    const svg = plot.querySelector("svg");
    if (!at.length) continue;
    const ring = document.createElementNS(svgName, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", "70");
    const tip = element("div", "tip", "");
    tip.setAttribute("role", "status");
    tip.hidden = true;
    plot.append(tip);
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-roledescription", "picture with points");
    plot.setAttribute("aria-label", `${at.length} points; the arrow keys go from one to the next`);
    let now = -1;

    const hide = () => {
      ring.remove();
      tip.hidden = true;
    };
    const show = (index) => {
      now = Math.max(0, Math.min(at.length - 1, index));
      const [x, y] = at[now];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      svg.append(ring);
      const [title, subject, ratio, bounds, speed, date] = texts[now];
      const lines = [element("b", "", title), element("span", "subject", subject),
        element("span", "ratio", ratio), element("span", "", bounds), element("span", "", speed), element("span", "", date)];
      tip.replaceChildren(...lines.filter((line) => line.textContent));
      tip.hidden = false;
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      const left = x * scale < box.width / 2 ? x * scale + 14 : x * scale - 14 - tip.offsetWidth;
      const top = y * scale - tip.offsetHeight - 14;
      tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, left))}px`;
      tip.style.top = `${Math.max(0, top < 0 ? y * scale + 14 : top)}px`;
    };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      let [best, least] = [0, Infinity];
      at.forEach(([px, py], i) => {
        // Sideways counts most: the eye follows the commits.
        const distance = Math.abs(px - x) + 0.05 * Math.abs(py - y);
        if (distance < least) [best, least] = [i, distance];
      });
      return best;
    };
    const open = () => {
      const id = now < 0 ? "" : texts[now][6];
      if (points.base && id) location.href = `${points.base}/commit/${id}`;
    };
    const keys = {
      ArrowRight: () => now + 1, ArrowLeft: () => (now < 0 ? at.length : now) - 1, Home: () => 0, End: () => at.length - 1,
      PageDown: () => now + 20, PageUp: () => now - 20,
    };

    plot.addEventListener("pointermove", (event) => show(nearest(event)));
    plot.addEventListener("pointerdown", (event) => show(nearest(event)));
    // A finger that is lifted leaves too; what it showed stays until another place is touched.
    plot.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch" && document.activeElement !== plot) hide();
    });
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(now < 0 ? at.length - 1 : now); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (keys[event.key]) {
        event.preventDefault();
        show(keys[event.key]());
      } else if (event.key === "Escape") {
        hide();
      } else if (event.key === "Enter") {
        open();
      }
    });
  }
  document.getElementById("tip-help").hidden = false;
})();
