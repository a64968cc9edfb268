"use strict";
// Examples as a model reads them: every token, with those that are learnt and those with a meaning of their own marked.
(() => {
  const given = new URLSearchParams(location.search), run = /^[0-9a-f]{16}$/.test(given.get("run") || "") ? given.get("run") : "", MANY = 10;
  let tasks = [], asked = {task: 0, split: "train", find: "", start: 0}, count = 0, tree = null, turn = 0;
  function text(pieces, marks) {
    const p = made("p", undefined, "text"), whites = $("whites").checked, edges = $("edges").checked;
    p.dir = "auto";
    let open = null; // neighbours that look alike stand in one element, unless single tokens are wanted
    for (const [piece, weight] of pieces) {
      const kind = marks[piece] || "", look = [weight > 0 ? "learnt" : "", kind, edges ? "piece" : ""].filter(Boolean).join(" ");
      if (!open || open.look !== look || edges || kind === "special") {
        open = {look, element: made("span", undefined, look)};
        p.append(open.element);
      }
      if (edges) open.element.title = `“${piece}”${weight > 0 ? ", learnt" : ""}`;
      white(open.element, piece, whites || !piece.trim() && piece.includes("\n"));
      if (weight > 0 && weight !== 1) open.element.append(made("span", `×${weight}`, "weight"));
    }
    return p;
  }
  function white(into, piece, shown) {
    if (!shown) return into.append(piece);
    for (const part of piece.split(/( |\n|\t|\r)/)) if (part) into.append({" ": made("span", "·", "white"), "\n": made("span", "↵\n", "white"), "\t": made("span", "⇥\t", "white"), "\r": made("span", "␍", "white")}[part] || part);
  }
  function paint() {
    if (!tree) return;
    $("rows").classList.toggle("edges", $("edges").checked);
    $("rows").replaceChildren(...tree.rows.map(one => {
      const li = made("li", undefined, "card"), head = made("header"), learnt = one.pieces.filter(([, weight]) => weight > 0).length;
      head.append(made("b", one.id), made("span", `${(one.source.length + one.pieces.length).toLocaleString("en")} tokens, ${learnt} learnt`));
      li.append(head);
      if (one.source.length) { const p = text(one.source.map(piece => [piece, 0]), tree.marks); p.classList.add("source"); li.append(p); }
      li.append(text(one.pieces, tree.marks));
      return li;
    }));
  }
  async function load() {
    const mine = ++turn, slow = setTimeout(() => { $("waiting").hidden = false; }, 300);
    const found = await attempt(() => get("/api/studio/rows", {id: run, many: MANY, ...asked}));
    clearTimeout(slow);
    if (mine !== turn) return;
    $("waiting").hidden = true;
    if (!found) { $("rows").replaceChildren(); return; }
    tree = found;
    count = tree.count;
    $("split").replaceChildren(...tree.splits.map(split => new Option(split, split, false, split === asked.split)));
    $("about").hidden = false;
    $("about").replaceChildren(...[tree.shape, `Read by ${tree.model}.`, tree.wordings.length ? `Wordings: ${tree.wordings.join(", ")}.` : ""].filter(Boolean).map(line => made("p", line)));
    $("none").hidden = !!count;
    $("none").textContent = asked.find ? "No example has all of these words." : "This split has no examples.";
    const end = Math.min(count, asked.start + MANY);
    $("range").textContent = count ? `${asked.start + 1} to ${end} of ${count.toLocaleString("en")}${tree.more ? " (the first that were looked at)" : ""}` : "";
    $("back").disabled = !asked.start;
    $("on").disabled = end >= count;
    paint();
    announce($("range").textContent);
  }
  const change = what => { Object.assign(asked, {start: 0}, what); return load(); };
  const page = by => { const start = asked.start + by * MANY; if (start >= 0 && start < count) { change({start}); scrollTo({top: 0}); } };
  $("task").addEventListener("change", () => change({task: Number($("task").value), split: "train"}));
  $("split").addEventListener("change", () => change({split: $("split").value}));
  $("find").addEventListener("input", later(() => change({find: $("find").value}), 200));
  for (const name of ["whites", "edges"]) $(name).addEventListener("change", paint);
  $("back").addEventListener("click", () => page(-1));
  $("on").addEventListener("click", () => page(1));
  addEventListener("keydown", event => {
    if (isTyping() && document.activeElement.type !== "checkbox" || event.ctrlKey || event.metaKey || event.altKey) return;
    const flip = name => { $(name).checked = !$(name).checked; paint(); };
    ({ArrowLeft: () => page(-1), ArrowRight: () => page(1), w: () => flip("whites"), t: () => flip("edges")})[event.key]?.();
  });
  attempt(async () => {
    const known = await get("/api/studio/tasks", {id: run});
    tasks = known.tasks;
    $("whose").replaceChildren(...(run ? ["as ", linked(`/run/${run}`, known.run), " learns from it", ...(known.given.length ? [" · ", linked("/data", "the data that was named")] : [])] : []));
    $("task").replaceChildren(...tasks.map((task, place) => new Option(task, place)));
    asked.task = Math.max(0, tasks.indexOf(given.get("task") || tasks[0]));
    $("task").value = String(asked.task);
    if (tasks.length) return load();
    for (const element of document.querySelectorAll(".tools, .legend-text, .pager")) element.hidden = true;
    $("none").hidden = false;
    $("none").replaceChildren("No data was named. Start the studio with ", made("code", "--data FILE"), ", or open “Its data” on the page of a ", linked("/runs", "run"), ".");
  });
})();
