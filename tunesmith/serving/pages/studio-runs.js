"use strict";
// The list of runs: looked through, sorted and paged by the server, so that it is as quick with a thousand as with ten.
(() => {
  const MANY = 100, given = new URLSearchParams(location.search);
  const asked = {find: given.get("find") || "", state: given.get("state") || "", sort: given.get("sort") || "time", down: given.get("down") !== "false", start: Number(given.get("start")) || 0};
  const up = new Set(["name", "method", "task", "state", "loss"]); // these begin with the least
  let shown = "", count = 0, turn = 0;
  const write = () => {
    const words = new URLSearchParams(Object.entries(asked).filter(([name, value]) => value !== ({find: "", state: "", sort: "time", down: true, start: 0})[name]));
    history.replaceState(null, "", words.size ? `/runs?${words}` : "/runs");
  };
  function row(run, now) {
    const tr = document.createElement("tr"), cell = (content, className) => { const td = made("td", undefined, className); td.append(...[content].flat()); tr.append(td); };
    tr.className = run.state;
    tr.dataset.id = run.id;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.tabIndex = -1;
    box.setAttribute("aria-label", `Choose ${run.name}`);
    box.addEventListener("change", () => pick(run.id));
    cell(box, "pick");
    cell([linked(`/run/${run.id}`, run.name), made("small", run.group)], "named");
    const state = made("span", run.state, `state ${run.state}`);
    if (run.why) state.title = run.why;
    cell(state, "stands");
    cell([run.method || MISSING, made("small", run.model)], "how");
    cell(run.task || MISSING, "about");
    cell([run.score === null ? MISSING : number(run.score), made("small", run.metric && label(run.metric))], "number scored");
    const bar = made("div", undefined, "bar"), fill = document.createElement("i"), whole = run.planned || (run.state === "ended" ? run.step : 0);
    fill.style.setProperty("width", `${whole ? Math.min(100, 100 * run.step / whole) : 0}%`);
    bar.append(fill);
    const steps = run.step ? `${run.step.toLocaleString("en")}${run.planned ? ` of ${run.planned.toLocaleString("en")}` : ""}` : "";
    cell(run.step ? [bar, made("small", steps)] : MISSING, "steps");
    cell(run.step ? number(run.loss) : MISSING, "number lost");
    cell(ago(now - run.changed), "number when");
    return tr;
  }
  function picked() {
    const ids = chosenRuns();
    for (const tr of $("rows").children) {
      tr.classList.toggle("picked", ids.includes(tr.dataset.id));
      tr.querySelector("input").checked = ids.includes(tr.dataset.id);
    }
    $("chosen").hidden = !ids.length;
    $("chosen-text").textContent = `${ids.length} chosen`;
    $("compare").disabled = ids.length < 2;
  }
  const pick = id => { chosenRuns(ids => ids.includes(id) ? ids.filter(one => one !== id) : [...ids, id]); picked(); };
  const compare = () => { if (chosenRuns().length > 1) location.href = compareLink(chosenRuns()); };
  function pills(tree) {
    const all = [["", "All", tree.all], ...Object.entries(tree.states).map(([name, many]) => [name, name, many])];
    $("states").replaceChildren(...all.filter(([name,, many]) => !name || many || asked.state === name).map(([name, text, many]) => {
      const button = made("button", `${text} ${many.toLocaleString("en")}`);
      button.type = "button";
      button.setAttribute("aria-pressed", asked.state === name);
      button.addEventListener("click", () => change({state: name}));
      return button;
    }));
  }
  function sorted() {
    $("sort").value = asked.sort;
    for (const th of document.querySelectorAll("th[data-sort]")) {
      if (th.dataset.sort === asked.sort) th.setAttribute("aria-sort", asked.down ? "descending" : "ascending"); else th.removeAttribute("aria-sort");
    }
  }
  async function load() {
    const mine = ++turn, tree = await attempt(() => get("/api/studio/runs", {...asked, many: MANY}));
    if (!tree || mine !== turn) return;
    count = tree.count;
    if (asked.start && asked.start >= count) return change({start: Math.max(0, Math.floor((count - 1) / MANY) * MANY)});
    const text = JSON.stringify([tree.runs, Math.floor(tree.now / 20), asked]);
    if (text !== shown) { // what stands is left alone, so that the focus stays
      shown = text;
      const at = document.activeElement.closest?.("tr")?.dataset.id;
      $("rows").replaceChildren(...tree.runs.map(run => row(run, tree.now)));
      if (at) $("rows").querySelector(`[data-id="${at}"] a`)?.focus();
      pills(tree);
      sorted();
      picked();
    }
    $("runs").hidden = !count;
    $("none").hidden = !!count;
    $("none").textContent = tree.all ? "No run has all of these words." : "There are no runs here yet. `tunesmith train` or `tunesmith compare` makes some.";
    $("range").textContent = count > MANY ? `${asked.start + 1} to ${Math.min(count, asked.start + MANY)} of ${count.toLocaleString("en")}` : "";
    $("back").hidden = $("on").hidden = count <= MANY;
    $("back").disabled = !asked.start;
    $("on").disabled = asked.start + MANY >= count;
  }
  function change(what) {
    Object.assign(asked, {start: 0}, what);
    write();
    return load();
  }
  const page = by => { const start = asked.start + by * MANY; if (start >= 0 && start < count) { change({start}); scrollTo({top: 0}); } };
  const sortBy = name => change({sort: name, down: asked.sort === name ? !asked.down : !up.has(name)});
  function step(by) {
    const links = [...document.querySelectorAll("#rows .named a")], at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))]?.focus();
  }
  $("find").value = asked.find;
  $("find").addEventListener("input", later(() => change({find: $("find").value}), 150));
  $("sort").addEventListener("change", () => sortBy($("sort").value));
  for (const th of document.querySelectorAll("th[data-sort]")) th.addEventListener("click", () => sortBy(th.dataset.sort));
  $("back").addEventListener("click", () => page(-1));
  $("on").addEventListener("click", () => page(1));
  $("compare").addEventListener("click", compare);
  $("clear").addEventListener("click", () => { chosenRuns(() => []); picked(); });
  addEventListener("keydown", event => {
    if (isTyping() && document.activeElement.type !== "checkbox" || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === "Enter" && document.activeElement === $("find")) step(0);
      return;
    }
    const keys = {j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), c: compare, ArrowLeft: () => page(-1), ArrowRight: () => page(1),
      x: () => { const id = document.activeElement.closest("tr")?.dataset.id; if (id) pick(id); }};
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  attempt(async () => {
    const pages = await get("/api/studio/pages");
    $("evidence").hidden = !pages.length;
    $("pages").replaceChildren(...pages.slice(0, 60).map(one => { const li = made("li"); li.append(linked(`/evidence/${one.id}`, one.name), made("span", ` ${one.group}`, "note small")); return li; }));
  });
  every(3000, load);
})();
