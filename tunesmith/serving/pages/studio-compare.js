"use strict";
// Some runs beside one another: scores with paired differences, settings that differ, curves over one another.
(() => {
  const given = new URLSearchParams(location.search), lives = new Map(), curves = new Curves($("plots"));
  let ids = given.getAll("ids").filter(id => /^[0-9a-f]{16}$/.test(id)), task = given.get("task") || "", baseline = given.get("baseline") || "", tree = null;
  if (!ids.length) ids = chosenRuns();
  const read = curveTools(() => paint());
  const paint = () => tree && curves.draw(tree.runs.map((run, place) => ({name: run.name, colour: colour(place), live: lives.get(run.id)})), read());
  const cells = (row, name, values) => { for (const value of values) row.append(value instanceof Node ? value : made(name, value)); return row; };
  function titled(run, place) {
    const th = made("th"), dot = made("span", undefined, "dot");
    dot.style.setProperty("background", colour(place));
    th.append(dot, " ", run.name, made("small", run.group));
    th.scope = "col";
    return th;
  }
  function who() {
    $("held").replaceChildren(...tree.runs.map((run, place) => {
      const li = made("li", undefined, "card"), dot = made("span", undefined, "dot"), away = made("button", "✕");
      dot.style.setProperty("background", colour(place));
      away.type = "button";
      away.setAttribute("aria-label", `Leave ${run.name} out`);
      away.addEventListener("click", () => { ids = ids.filter(id => id !== run.id); chosenRuns(() => ids); load(); });
      li.append(dot, linked(`/run/${run.id}`, run.name), made("span", run.state, `state ${run.state}`), away);
      return li;
    }));
  }
  function scores() {
    $("told").hidden = !tree.told;
    $("told").textContent = tree.told;
    $("task").replaceChildren(...tree.tasks.map(name => new Option(name, name, false, name === tree.task)));
    $("task").closest(".tools").hidden = !tree.tasks.length;
    $("key").hidden = !tree.scores;
    $("scores").parentElement.hidden = !tree.scores;
    if (!tree.scores) return;
    $("baseline").replaceChildren(...tree.runs.map(run => new Option(run.name, run.id, false, run.id === tree.baseline)));
    $("examples").textContent = `${tree.examples.toLocaleString("en")} examples${tree.left_out ? `, ${tree.left_out} left out (too long for one of them)` : ""}`;
    const head = made("thead"), body = made("tbody");
    head.append(cells(made("tr"), "th", ["Run", ...tree.measures.map(one => { const th = made("th", one.label); th.append(made("small", one.higher ? "more is better" : "less is better")); return th; })]));
    tree.runs.forEach((run, place) => {
      const name = made("td"), dot = made("span", undefined, "dot");
      dot.style.setProperty("background", colour(place));
      name.append(dot, " ", run.name);
      body.append(cells(made("tr"), "td", [name, ...tree.scores[place].map(one => {
        const td = made("td", number(one.value));
        td.append(made("small", `${number(one.low)} to ${number(one.high)}`));
        if (one.apart) td.append(made("small", `${signed(one.apart.value)} (${signed(one.apart.low)} to ${signed(one.apart.high)}), p ${one.apart.p}${one.apart.told ? `, ${one.apart.told}` : ""}`, one.apart.told));
        else if (run.id === tree.baseline) td.append(made("small", "held against"));
        return td;
      })]));
    });
    $("scores").replaceChildren(head, body);
  }
  function settings() {
    const head = made("thead"), body = made("tbody");
    head.append(cells(made("tr"), "th", ["Setting", ...tree.runs.map(titled)]));
    for (const one of tree.settings) body.append(cells(made("tr"), "td", [one.name, ...one.values.map(value => made("td", value || MISSING, value === one.values[0] ? "same" : ""))]));
    $("settings").replaceChildren(head, body);
    $("settings").hidden = !tree.settings.length;
    $("settings").nextElementSibling.hidden = !!tree.settings.length;
  }
  async function load() {
    $("start").hidden = !!ids.length;
    $("work").hidden = $("copy").hidden = !ids.length;
    history.replaceState(null, "", ids.length ? compareLink(ids) + (task ? `&${new URLSearchParams({task})}` : "") + (baseline ? `&${new URLSearchParams({baseline})}` : "") : "/compare");
    if (!ids.length) return;
    const found = await attempt(() => get("/api/studio/compare", {ids, task, baseline}));
    if (!found) return;
    tree = found;
    for (const run of tree.runs) if (!lives.has(run.id)) lives.set(run.id, new Live(run.id));
    who();
    scores();
    settings();
    await follow();
    paint();
  }
  const follow = async () => (await Promise.all(tree.runs.map(run => attempt(() => lives.get(run.id).more())))).some(Boolean);
  $("task").addEventListener("change", () => { task = $("task").value; load(); });
  $("baseline").addEventListener("change", () => { baseline = $("baseline").value; load(); });
  $("copy").addEventListener("click", async () => { try { await navigator.clipboard.writeText(location.href); announce("Copied"); $("copy").textContent = "Copied"; } catch { $("copy").textContent = "Not allowed here"; } });
  load().then(() => every(2000, async () => {
    if (!tree) return 2000;
    if (await follow()) paint();
    return [...lives.values()].some(live => live.state === "running") ? 2000 : 8000;
  }));
})();
