"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("#series tbody tr")];
  const fields = ["workload", "class", "days", "state"];
  const read = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      const field = form.elements[name];
      field.value = wanted.get(name) ?? "";
      if (field.selectedIndex < 0) field.value = "";
    }
  };
  const apply = () => {
    const { workload, class: machine, days, state } = Object.fromEntries(new FormData(form));
    let n = 0;
    for (const row of rows) {
      const data = row.dataset;
      const recent = !days || (data.age !== undefined && Number(data.age) < Number(days));
      row.hidden = !((!workload || data.workload === workload) && (!machine || data.class === machine)
        && (!state || data.state === state) && recent);
      if (!row.hidden) n += 1;
    }
    document.getElementById("series").dataset.days = days;
    document.getElementById("series").hidden = n === 0;
    document.getElementById("nothing").hidden = n !== 0;
    document.getElementById("shown").textContent = `${n} of ${rows.length} series`;
  };
  const keep = () => {
    const set = [...new FormData(form)].filter(([, value]) => value);
    const hash = new URLSearchParams(set).toString();
    // A page from a file may not change its address everywhere; the filter works without.
    try { history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search); } catch { /* it stays */ }
  };
  form.hidden = false;
  form.addEventListener("change", () => { apply(); keep(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { apply(); keep(); }));
  addEventListener("hashchange", () => { read(); apply(); });
  read();
  apply();
})();
