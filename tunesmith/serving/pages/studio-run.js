"use strict";
// One run: its curves while it learns, its scores and answers, what it was asked for and what it took.
(() => {
  const id = location.pathname.split("/").pop(), live = new Live(id), curves = new Curves($("plots")), MANY = 10;
  let run = null, said = {task: "", find: "", start: 0, count: 0};
  const paint = () => curves.draw([{name: run ? run.name : "", colour: "var(--accent)", live}], read()), read = curveTools(() => paint());
  const listed = (into, pairs) => into.replaceChildren(...pairs.flatMap(([name, value]) => [made("dt", name), made("dd", value === "" ? MISSING : value)]));

  function head() {
    document.title = `${run.name} · tunesmith`;
    $("title").textContent = run.name;
    $("group").replaceChildren(linked("/runs", "Runs"), " / ", linked(`/runs?${new URLSearchParams({find: run.group})}`, run.group));
    $("to-play").hidden = !run.holds;
    $("to-play").href = `/play?run=${id}`;
    $("to-data").hidden = !run.data.length;
    $("to-data").href = `/data?run=${id}`;
    standing(run.state, run.why);
  }
  function standing(state, why) {
    $("state").textContent = state;
    $("state").className = `state ${state}`;
    $("why").hidden = !why;
    $("why").textContent = why;
    const {step = [], seconds = []} = live.steps.columns, at = step.at(-1) || run.step, planned = run.planned;
    $("going").hidden = !at;
    $("going").querySelector(".bar").hidden = state === "ended";
    $("going").classList.toggle("ended", state === "ended");
    $("going").querySelector("i").style.setProperty("width", `${planned ? Math.min(100, 100 * at / planned) : state === "ended" ? 100 : 0}%`);
    const late = seconds.slice(-50), left = planned && state === "running" ? (planned - at) * late.reduce((sum, one) => sum + one, 0) / (late.length || 1) : 0;
    $("going").querySelector("span").textContent = `step ${at.toLocaleString("en")}${planned ? ` of ${planned.toLocaleString("en")}` : ""}${left > 1 ? `, about ${span(left)} to go` : ""}${run.best_step ? `, best at ${run.best_step.toLocaleString("en")}` : ""}${run.stopped_early ? ", stopped early" : ""}`;
  }
  async function about() {
    const found = await attempt(() => get("/api/studio/run", {id}));
    if (!found) return;
    const before = run;
    run = found;
    head();
    settings();
    listed($("costs"), [...run.costs, ...run.world, ...Object.entries(run.versions)]);
    $("notes").replaceChildren(...run.notes.map(note => made("li", note)));
    $("data-list").replaceChildren(...run.data.map(data));
    $("evidence").hidden = !run.pages.length;
    $("pages").replaceChildren(...run.pages.map(one => { const li = made("li"); li.append(linked(`/evidence/${one.id}`, one.name)); return li; }));
    if (!before || before.state !== run.state || before.answered.length !== run.answered.length) { scores(); answered(); }
  }
  function data(one) {
    const box = made("div", undefined, "card"), list = made("dl", undefined, "facts"), title = made("p");
    title.append(linked(`/data?${new URLSearchParams({run: id, task: one.task})}`, one.task));
    title.style.setProperty("margin", "0");
    listed(list, [...Object.entries(one.shape), ...one.wordings.map(([name, many]) => [`wording ${name}`, `${many.toLocaleString("en")} examples`])]);
    box.append(title, list);
    list.hidden = !list.children.length;
    return box;
  }
  function settings() {
    const find = $("setting").value.toLowerCase();
    listed($("setting-list"), run.settings.filter(([name, value]) => `${name} ${value}`.toLowerCase().includes(find)));
  }
  async function scores() {
    const rows = await attempt(() => get("/api/studio/scores", {id}));
    if (!rows) return;
    const table = $("score-table"), [head, body] = [made("thead"), made("tbody")];
    table.hidden = !rows.length;
    table.nextElementSibling.hidden = !!rows.length;
    table.nextElementSibling.textContent = run.state === "running" ? "There are scores once it has answered." : "It has no scores.";
    const tr = made("tr");
    for (const [text, kind] of [["Task", ""], ["Metric", ""], ["Score", "number"], ["95 % interval", ""], ["", ""], ["Answers", "number"]]) tr.append(made("th", text, kind));
    head.append(tr);
    for (const one of rows) {
      const line = made("tr"), bar = made("div", undefined, "interval"), ends = one.low !== null ? `${number(one.low)} to ${number(one.high)}` : MISSING;
      const top = Math.max(1, ...rows.filter(other => other.metric === one.metric).map(other => other.high ?? other.value ?? 0)), at = value => 100 * Math.max(0, Math.min(1, value / top));
      if (one.low !== null && one.low >= 0) {
        const reach = document.createElement("i"), mark = document.createElement("b");
        reach.style.setProperty("left", `${at(one.low)}%`);
        reach.style.setProperty("width", `${at(one.high) - at(one.low)}%`);
        mark.style.setProperty("left", `calc(${at(one.value)}% - 2px)`);
        bar.append(reach, mark);
      }
      const cell = made("td");
      if (bar.children.length) cell.append(bar);
      line.append(made("td", one.task), made("td", one.label + (one.higher ? "" : " (less is better)")), made("td", number(one.value), "number"), made("td", ends), cell, made("td", one.answers.toLocaleString("en"), "number"));
      body.append(line);
    }
    table.replaceChildren(head, body);
    $("protocol").textContent = [...new Set(rows.map(one => one.protocol).filter(Boolean))].join(" · ");
  }
  function answered() {
    $("answers").hidden = !run.answered.length;
    const first = run.answered.includes(run.task) ? [run.task, ...run.answered.filter(task => task !== run.task)] : run.answered;
    $("task").replaceChildren(...first.map(task => new Option(task, task)));
    said.task = first.includes(said.task) ? said.task : first[0] || "";
    $("task").value = said.task;
    if (said.task) answers();
  }
  async function answers() {
    const asked = {...said}, tree = await attempt(() => get("/api/studio/answers", {id, task: said.task, find: said.find, start: said.start, many: MANY}));
    if (!tree || asked.find !== said.find || asked.task !== said.task) return;
    said.count = tree.count;
    $("count").textContent = said.find ? `${tree.count.toLocaleString("en")} of ${tree.all.toLocaleString("en")} answers` : `${tree.all.toLocaleString("en")} answers`;
    $("said-rows").replaceChildren(...tree.answers.map(one => {
      const li = made("li", undefined, "card"), part = (title, text) => { const box = made("div"), p = made("p", undefined, "text"); p.dir = "auto"; marking(p, text, said.find); box.append(made("h3", title), p); return box; };
      const foot = made("footer");
      foot.append(made("span", one.example), ...Object.entries(one.stats).map(([name, value]) => made("span", `${label(name)} ${number(value)}`)), made("span", `${one.tokens} tokens`));
      if (one.logprob !== null) foot.append(made("span", `log-probability ${number(one.logprob, 2)}`));
      foot.append(...one.labels.slice(0, 6).map(([name, value]) => made("span", `${name} ${number(value)}`)));
      li.append(part("Prompt", one.prompt), part("Said", one.said || "(nothing)"), part("Target", [one.target, ...one.references].join("\nor: ")), foot);
      return li;
    }));
    $("range").textContent = tree.count > MANY ? `${said.start + 1} to ${Math.min(tree.count, said.start + MANY)} of ${tree.count.toLocaleString("en")}` : "";
    $("back").hidden = $("on").hidden = tree.count <= MANY;
    $("back").disabled = !said.start;
    $("on").disabled = said.start + MANY >= tree.count;
  }
  const turn = by => { const start = said.start + by * MANY; if (start >= 0 && start < said.count) { said.start = start; answers().then(() => $("answers").scrollIntoView()); } };
  $("setting").addEventListener("input", settings);
  $("find").addEventListener("input", later(() => { Object.assign(said, {find: $("find").value, start: 0}); answers(); }, 150));
  $("task").addEventListener("change", () => { Object.assign(said, {task: $("task").value, start: 0}); answers(); });
  $("back").addEventListener("click", () => turn(-1));
  $("on").addEventListener("click", () => turn(1));
  $("hold").addEventListener("click", () => { const ids = chosenRuns(ids => ids.includes(id) ? ids : [...ids, id]); location.href = ids.length > 1 ? compareLink(ids) : "/runs"; });
  addEventListener("keydown", event => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (by && !isTyping() && !event.defaultPrevented) turn(by);
  });
  (async () => {
    await about();
    if (!run) return;
    every(1000, async () => {
      const grown = await attempt(() => live.more());
      if (grown === undefined) return 3000;
      if (grown || !Object.keys(curves.plots).length) paint();
      if (live.state !== run.state) await about();
      standing(live.state, live.why);
      return live.state === "running" ? 1000 : 4000;
    });
    every(10000, async () => { if (run.state === "running") await about(); });
  })();
})();
