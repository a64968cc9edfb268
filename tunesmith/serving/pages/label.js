"use strict";
// Shows a pair, takes a verdict. Text enters the page only as textContent: what an answer says is never run.
(() => {
  const choices = [...document.querySelectorAll("[data-choice]")];
  const told = {left: "Answer 1 is better", right: "Answer 2 is better", tie: "Equally good", bad: "Both bad", skip: "Skipped"};
  const keys = {"1": "left", ArrowLeft: "left", "2": "right", ArrowRight: "right", t: "tie", b: "bad"};
  const TOO_SOON = 250; // milliseconds in which a key still belongs to the pair before
  let name = "", pair = null, shownAt = 0, busy = false, timer = 0, pace = {since: 0, done: 0};
  let tab = kept(ofTab, "tunesmith-tab");
  if (!tab) kept(ofTab, "tunesmith-tab", tab = fresh());

  // --- what the server says -------------------------------------------------------------------------------------------
  async function send(path, body, said) {
    // What is on its way is written down: after a fault or a reload it is sent again under the same id, and counts once.
    if (busy) return;
    busy = true;
    choices.forEach(button => button.disabled = true);
    if (body.id) kept(ofTab, "tunesmith-pending", JSON.stringify({path, body, said}));
    try {
      const {status, tree} = await ask(path, body);
      const mayCome = [401, 403, 421].includes(status); // e.g. with the right link, in this tab
      if (!mayCome) kept(ofTab, "tunesmith-pending", null);
      if (status !== 200 && status !== 409) return trouble(tree.said || `The server refuses this (${status}).`, null);
      $("trouble").hidden = true;
      show(tree, tree.said || (tree.undone === false ? "There is nothing to undo." : said));
    } catch {
      trouble(body.id ? "Not saved yet: the server does not answer. Your verdict is kept here, and is sent again."
        : "The server does not answer.", {path, body, said});
    } finally {
      busy = false;
      choices.forEach(button => button.disabled = !pair);
    }
  }
  function trouble(text, request) {
    $("trouble-text").textContent = text;
    $("trouble").hidden = false;
    $("again").hidden = !request;
    $("again").onclick = () => request && send(request.path, request.body, request.said);
    clearTimeout(timer);
    if (request) timer = setTimeout($("again").onclick, 3000);
  }
  const next = said => send("/api/label/next", {annotator: name, tab}, said);

  // --- what is shown --------------------------------------------------------------------------------------------------
  function show(tree, said) {
    const {progress} = tree;
    if (tree.annotator) $("name").textContent = name = tree.annotator;
    const changed = tree.pair && (!pair || pair.key !== tree.pair.key);
    pair = tree.pair;
    count(progress);
    $("who").hidden = $("progress").hidden = false;
    $("enter").hidden = true;
    $("work").hidden = !pair;
    $("over").hidden = !!pair;
    clearTimeout(timer);
    if (!pair) return over(progress, said);
    if (changed) {
      $("prompt").replaceChildren(...pair.prompt.map((turn, _, all) => {
        const element = made("div", undefined, `turn ${turn.role === "assistant" ? "assistant" : "other"}`);
        if (all.length > 1 || turn.role !== "user") element.append(made("b", turn.role));
        element.append(made("p", turn.content, "text"));
        element.lastChild.dir = "auto";
        return element;
      }));
      answers();
      $("note").value = pair.note;
      note(!!pair.note);
      shownAt = performance.now();
      scrollTo({top: 0});
      $("prompt").scrollTop = $("prompt").scrollHeight;
      $("title").focus({preventScroll: true});
    }
    say(`${said ? said + ". " : ""}Pair ${progress.done + 1} of ${progress.done + progress.left}.`);
  }
  function over(progress, said) {
    const waits = progress.drawing || progress.left > 0;
    $("over-title").textContent = waits ? "Wait a moment" : "That was the last pair. Thank you!";
    $("over-text").textContent = !waits ? `You have judged ${progress.done}. Everything is saved; you can close the page.`
      : progress.drawing ? "More answers are being drawn." : "Somebody else has the last pairs before them.";
    $("over-undo").hidden = !progress.done;
    if (!waits) $("over-title").focus();
    say(`${said ? said + ". " : ""}${$("over-title").textContent}`);
    if (waits) timer = setTimeout(() => next(""), 3000);
  }
  function count(progress) {
    if (!pace.since) pace = {since: performance.now(), done: progress.done};
    const all = progress.done + progress.left, since = (performance.now() - pace.since) / 60000, made = progress.done - pace.done;
    const minutes = made >= 5 && progress.left ? Math.ceil(progress.left * since / made) : 0;
    $("count").textContent = `${progress.done} of ${all}` + (minutes ? ` · about ${minutes} min left` : "");
    $("bar").max = Math.max(1, all);
    $("bar").value = progress.done;
  }
  function say(text) { $("said").textContent = text; }

  // --- words that only one answer has: the longest common subsequence of words ----------------------------------------------
  function answers() {
    if (!pair) return;
    const texts = {left: pair.left, right: pair.right}, marked = $("apart").getAttribute("aria-pressed") === "true";
    const common = marked ? shared(pair.left, pair.right) : null;
    for (const side of ["left", "right"]) {
      $(side).classList.toggle("nothing", !texts[side].trim());
      if (!common) { $(side).textContent = texts[side]; continue; }
      $(side).replaceChildren(...pieces(texts[side]).map((piece, at) =>
        !piece.trim() || common[side].has(at) ? document.createTextNode(piece) : made("mark", piece)));
    }
  }
  const pieces = text => text.split(/(\s+)/).filter(piece => piece !== "");
  function shared(left, right) {
    const words = text => pieces(text).map((piece, at) => [piece, at]).filter(([piece]) => piece.trim());
    const a = words(left), b = words(right), wide = b.length + 1;
    if (a.length * b.length > 4e6) return null;
    const best = new Uint16Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) {
      const at = i * wide + j;
      best[at] = a[i][0] === b[j][0] ? best[at + wide + 1] + 1 : Math.max(best[at + wide], best[at + 1]);
    }
    const found = {left: new Set(), right: new Set()};
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i][0] === b[j][0]) { found.left.add(a[i++][1]); found.right.add(b[j++][1]); }
      else if (best[(i + 1) * wide + j] >= best[i * wide + j + 1]) i++; else j++;
    }
    return found;
  }

  // --- what a person does ---------------------------------------------------------------------------------------------
  function vote(choice, reason = "") {
    if (!pair || busy || !$("trouble").hidden || performance.now() - shownAt < TOO_SOON) return;
    const seconds = (performance.now() - shownAt) / 1000;
    send("/api/label/vote", {annotator: name, tab, id: fresh(), pair: pair.key, choice, reason, note: $("note").value, seconds}, told[choice]);
  }
  const undo = () => name && $("trouble").hidden && send("/api/label/undo", {annotator: name, tab, id: fresh()}, "Taken back");
  function note(open) {
    $("note-box").hidden = !open;
    $("note-open").setAttribute("aria-expanded", String(open));
  }
  function writeNote() { note(true); $("note").focus(); }
  const apart = () => { toggle($("apart"), "aria-pressed"); answers(); };
  const skip = () => pair && !$("skipping").open && $("skipping").showModal();
  function enter(given) {
    name = given.trim();
    if (!name) return;
    kept(lasting, "tunesmith-name", name);
    pace = {since: 0, done: 0};
    pair = null;
    next("");
  }
  function whoIsThere() {
    name = "";
    pair = null;
    clearTimeout(timer);
    for (const id of ["work", "over", "who", "progress"]) $(id).hidden = true;
    $("enter").hidden = false;
    $("enter-name").value = kept(lasting, "tunesmith-name") || "";
    $("enter-name").focus();
  }

  choices.forEach(button => button.addEventListener("click", () => vote(button.dataset.choice)));
  $("skip").addEventListener("click", skip);
  $("skipping").addEventListener("close", () => {
    const reason = $("skipping").returnValue;
    $("skipping").returnValue = "";
    if (reason) vote("skip", reason);
  });
  $("undo").addEventListener("click", undo);
  $("over-undo").addEventListener("click", undo);
  $("note-open").addEventListener("click", () => $("note-box").hidden ? writeNote() : note(false));
  $("apart").addEventListener("click", apart);
  $("who").addEventListener("click", whoIsThere);
  $("enter").addEventListener("submit", event => { event.preventDefault(); enter($("enter-name").value); });
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if ($("skipping").open) {
      const reasons = $("skipping").querySelectorAll(".reasons button"), at = "123456789".indexOf(event.key);
      if (at >= 0 && reasons[at]) { event.preventDefault(); reasons[at].click(); }
      return;
    }
    if ($("help").open) return;
    if (isTyping()) {
      if (event.key === "Escape") { event.preventDefault(); document.activeElement.blur(); $("title").focus({preventScroll: true}); }
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const does = {s: skip, u: undo, n: writeNote, d: apart, g: guide, "?": help}[key];
    if (keys[key] && pair) { event.preventDefault(); vote(keys[key]); }
    else if (does && name && (pair || key === "u")) { event.preventDefault(); does(); }
  });
  setInterval(() => { // the pair stays this person's while it is looked at
    if (pair && !busy && !document.hidden) ask("/api/label/next", {annotator: name, tab}).catch(() => {});
  }, 60000);

  // --- who comes: by link (?as=Ann), or as last time ------------------------------------------------------------------
  const linked = new URLSearchParams(location.search).get("as"), known = linked || kept(lasting, "tunesmith-name");
  if (!known) whoIsThere();
  else {
    name = known.trim();
    const pending = JSON.parse(kept(ofTab, "tunesmith-pending") || "null");
    if (pending && pending.body.annotator === name) send(pending.path, pending.body, pending.said); else enter(name);
  }
})();
