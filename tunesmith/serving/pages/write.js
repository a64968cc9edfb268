"use strict";
// Writing and reviewing rows. What is typed is kept in this browser at once, and on the server's disk a moment later.
(() => {
  const SOON = 300, AGAIN = 1000, IDLE = 30000, PAUSE = 700; // milliseconds
  const VIEWS = ["write", "mine", "review"], STATES = {draft: "Draft", submitted: "Submitted", "sent back": "Sent back", accepted: "Accepted", discarded: "Discarded"};
  let name = "", form = null, longest = 0, sheet = null, reviewed = null, view = "", row = null, other = null, mine = [], counts = {}, busy = false;
  let dirty = false, sending = null, timer = 0, pause = 0, number = Date.now(), seconds = 0, active = 0, asked = 0;
  // A tab that is doubled takes a name of its own: the name lies in the store only while no page has it.
  const tab = kept(ofTab, "tunesmith-tab") || fresh();
  kept(ofTab, "tunesmith-tab", null);
  addEventListener("pagehide", () => { kept(ofTab, "tunesmith-tab", tab); leave(); });
  addEventListener("pageshow", () => kept(ofTab, "tunesmith-tab", null));
  document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); });

  // --- what the server says -------------------------------------------------------------------------------------------
  const who = () => ({person: name, tab});
  async function call(path, body = {}) { // the answer, or null where there is none; what is wrong is told
    if (busy) return null;
    busy = true;
    try {
      const {status, tree} = await ask(path, {...who(), ...body});
      calm();
      if (tree.counts) take(tree);
      if (status === 200) return tree;
      if (!tree.faults) trouble(tree.said || `The server refuses this (${status}).`, null);
      return {...tree, refused: true};
    } catch {
      trouble("The server does not answer.", () => call(path, body));
      return null;
    } finally { busy = false; }
  }
  function trouble(text, remedy, called = "Try again") {
    $("trouble-text").textContent = text;
    $("trouble").hidden = false;
    $("again").hidden = !remedy;
    $("again").textContent = called;
    $("again").onclick = remedy;
  }
  const calm = () => { $("trouble").hidden = true; };
  const say = text => { $("said").textContent = text; };
  function take(tree) {
    ({mine, counts, person: name} = tree);
    $("name").textContent = name;
    $("count-mine").textContent = mine.filter(one => one.state === "sent back").length || "";
    $("count-review").textContent = counts.waiting || "";
    $("tab-review").hidden = !counts.reviewer;
    listMine();
  }

  // --- drafts: typed, kept here, saved there --------------------------------------------------------------------------
  const unsent = id => `tunesmith-unsent:${id}`;
  const body = () => ({...who(), row: row.row, version: row.version, number: number = Math.max(Date.now(), number + 1), fields: sheet.values(), seconds});
  function typed() {
    if (!row) return;
    dirty = true;
    active = performance.now();
    const made = body(), size = Object.values(made.fields).reduce((sum, value) => sum + partsOf(value).reduce((all, part) => all + [...part].length, 0), 0);
    kept(lasting, unsent(row.row), JSON.stringify(made));
    if (size > longest) return saved(`Too long: a row has at most ${longest} characters. Not saved.`);
    saved("Saving …");
    clearTimeout(pause);
    pause = setTimeout(alike, PAUSE);
    if (!timer && !sending) timer = setTimeout(save, SOON);
  }
  const saved = text => { $("saved").textContent = text; };
  function save() {
    clearTimeout(timer);
    timer = 0;
    if (sending || !row || !dirty) return sending;
    sending = send(row, body()).finally(() => {
      sending = null;
      if (dirty && row && !timer) timer = setTimeout(save, $("trouble").hidden ? SOON : AGAIN);
    });
    return sending;
  }
  async function send(of, made) {
    dirty = false;
    try {
      const {status, tree} = await ask("/api/write/save", made);
      if (row !== of) return;
      if (status === 200) {
        of.version = tree.version;
        calm();
        if (!dirty) { kept(lasting, unsent(of.row), null); saved("Saved"); }
      } else if (tree.changed) {
        saved("Not saved");
        trouble(tree.said, keepMine, "Keep what stands here");
      } else {
        saved("Not saved");
        trouble(tree.said || `The server refuses this (${status}).`, null);
      }
    } catch {
      dirty = true;
      saved("Not saved yet");
      trouble("Not saved yet: the server does not answer. Your text is kept in this browser, and is sent again.", save);
    }
  }
  async function keepMine() { // what is in this tab replaces what was written elsewhere
    const values = sheet.values(), found = await call("/api/write/open", {row: row.row});
    if (!found || found.refused) return;
    write(found.row);
    sheet.fill(values, row.fixed);
    typed();
  }
  async function settled() { // all that was typed is on the server's disk
    if (sending) await sending;
    if (dirty) await save();
    return !dirty;
  }
  function leave() { // the page may be gone in a moment
    if (!row || !dirty) return;
    const made = asJson(body());
    if (made.body.length < 60000) fetch("/api/write/save", {...made, keepalive: true}).catch(() => {});
  }
  async function sendUnsent() { // what this browser could not send before, as it would have been sent
    let keys = [];
    try { keys = Object.keys(localStorage).filter(key => key.startsWith(unsent(""))); } catch { /* nothing is kept */ }
    for (const key of keys) {
      const made = JSON.parse(kept(lasting, key));
      if (made.person !== name) continue;
      const {status, tree} = await ask("/api/write/save", made);
      if (status === 200) kept(lasting, key, null);
      else if (status === 409) {
        const text = Object.values(made.fields).flatMap(partsOf).join(" · ");
        trouble(`${tree.said} This was typed here and could not be saved: ${text}`, () => { kept(lasting, key, null); calm(); }, "Forget it");
      }
    }
  }
  async function alike() {
    if (!row || view !== "write") return;
    const mark = ++asked, of = row;
    try {
      const {status, tree} = await ask("/api/write/alike", body());
      if (status === 200 && mark === asked && row === of) sheet.near(tree.alike);
    } catch { /* the next letter asks again */ }
  }
  setInterval(() => {
    if (row && view === "write" && !document.hidden && performance.now() - active < IDLE) seconds += 1;
  }, 1000);
  setInterval(() => { // what somebody has before them stays theirs
    if (document.hidden || busy || !name) return;
    if (view === "write" && row && !dirty && performance.now() - active < 10 * 60000) ask("/api/write/save", body()).catch(() => {});
    if (view === "review" && other) ask("/api/review/next", who()).catch(() => {});
  }, 60000);

  // --- views ----------------------------------------------------------------------------------------------------------
  function see(wanted, over) {
    view = wanted;
    $("enter").hidden = true;
    for (const id of ["work", "tabs", "who"]) $(id).hidden = false;
    for (const one of VIEWS) {
      $(`view-${one}`).hidden = one !== view || !!over;
      if (one === view) $(`tab-${one}`).setAttribute("aria-current", "page"); else $(`tab-${one}`).removeAttribute("aria-current");
    }
    $("over").hidden = !over;
    $("undo").hidden = view !== "review";
    if (over) { [$("over-title").textContent, $("over-text").textContent] = over; $("over-title").focus(); say(over[0]); }
  }
  async function go(wanted, id) {
    if (!name || busy || (view === "write" && row && !await settled())) return;
    if (wanted === "write") {
      const found = id ? await call("/api/write/open", {row: id}) : row ? {row} : await begin();
      if (found && !found.refused) write(found.row);
    } else if (wanted === "mine") {
      const found = await call("/api/write/form");
      if (found) { see("mine"); $("mine-title").focus(); }
    } else await review();
  }
  const begin = () => { // the draft that was left last, or an empty one
    const draft = mine.find(one => one.state === "draft");
    return draft ? call("/api/write/open", {row: draft.row}) : call("/api/write/next");
  };
  function write(found) {
    clearTimeout(pause);
    row = found;
    dirty = false;
    if (!row) return see("write", ["There is nothing left to write.", "Every prompt has its rows. Everything is saved; you can close the page, or review."]);
    see("write");
    seconds = row.seconds;
    active = performance.now();
    sheet.fill(row.fields, row.fixed);
    $("returned").hidden = !row.comment;
    $("returned-text").textContent = row.comment;
    $("another").hidden = row.state !== "draft";
    $("discard").firstChild.textContent = row.fixed.length ? "Not this one" : "Discard";
    saved("");
    scrollTo({top: 0});
    sheet.focus();
    say(row.comment ? `Sent back: ${row.comment}` : $("title").textContent);
  }
  async function another() {
    if (!row || busy || !await settled()) return;
    const found = await call("/api/write/next");
    if (found) write(found.row);
  }
  async function submit() {
    if (!row || busy || !sheet.check()) return say("Some fields need another look.");
    clearTimeout(timer);
    timer = 0;
    if (sending) await sending;
    const of = row, id = of.submitting ||= fresh(), found = await call("/api/write/submit", {...body(), id});
    if (!found) return;
    if (found.faults) { of.submitting = ""; return sheet.show(found.faults); }
    if (found.refused) return;
    kept(lasting, unsent(of.row), null);
    dirty = false;
    row = null;
    const more = await call("/api/write/next");
    if (more) { write(more.row); say(`Submitted. ${$("title").textContent}`); saved("Submitted"); }
  }
  async function discard() {
    if (!row || busy) return;
    if (sending) await sending;
    const of = row, found = await call("/api/write/discard", {row: of.row, id: of.discarding ||= fresh()});
    if (!found || found.refused) return;
    kept(lasting, unsent(of.row), null);
    dirty = false;
    const more = await call("/api/write/next");
    if (more) write(more.row);
  }
  function listMine() {
    $("mine-none").hidden = mine.length > 0;
    $("mine").replaceChildren(...mine.map(one => {
      const item = made("li", undefined, "card"), button = made("button", undefined, "text");
      button.type = "button";
      button.append(made("b", STATES[one.state], `state ${one.state.replace(" ", "-")}`), " ", made("span", one.text || "(empty)"));
      button.disabled = one.state === "accepted";
      button.addEventListener("click", () => { row = null; go("write", one.row); });
      item.append(button);
      if (one.comment) item.append(made("p", one.comment, "note text"));
      return item;
    }));
  }

  // --- review ---------------------------------------------------------------------------------------------------------
  async function review(after = "") {
    const found = await call("/api/review/next", {after});
    if (found) toReview(found.row);
  }
  function toReview(found) {
    other = found;
    if (!other) return see("review", ["Nothing waits for a review.", "Rows of other people come here when they are submitted."]);
    see("review");
    reviewed.fill(other.fields, other.fixed, true);
    reviewed.near(other.alike);
    $("mend").setAttribute("aria-pressed", "false");
    $("comment").value = "";
    $("comment-fault").textContent = "";
    $("past").hidden = other.history.length < 2;
    $("past-list").replaceChildren(...other.history.map(one =>
      made("li", `${new Date(one.ts).toLocaleString()}: ${one.kind}${one.comment ? `: ${one.comment}` : ""}`, "text")));
    scrollTo({top: 0});
    $("review-title").focus({preventScroll: true});
    say($("review-title").textContent);
  }
  function mend() {
    if (!other || !toggle($("mend"), "aria-pressed")) return other && reviewed.fill(other.fields, other.fixed, true);
    reviewed.fill(other.fields, other.fixed);
    reviewed.focus();
  }
  async function judge(verdict) {
    if (!other || busy || view !== "review") return;
    const comment = $("comment").value, mending = $("mend").getAttribute("aria-pressed") === "true";
    if (verdict === "sent back" && !comment.trim()) {
      $("comment-fault").textContent = "Say what is missing: the writer reads it.";
      return $("comment").focus();
    }
    if (verdict === "accepted" && mending) { if (!reviewed.check()) return; verdict = "mended"; }
    const fields = verdict === "mended" ? reviewed.values() : {};
    const found = await call("/api/review/judge", {row: other.row, version: other.version, id: other.judging ||= fresh(), verdict, fields, comment});
    if (!found) return;
    if (found.faults) { other.judging = ""; return reviewed.show(found.faults); }
    const told = found.refused ? found.said : {accepted: "Accepted", "sent back": "Sent back", mended: "Mended and accepted"}[verdict];
    await review();
    if (found.refused) trouble(told, null);
    say(`${told}. ${other ? $("review-title").textContent : $("over-title").textContent}`);
  }
  async function undo() {
    const found = await call("/api/review/undo", {id: fresh()});
    if (found && found.row) { toReview(found.row); say("Taken back."); } else if (found) trouble("There is no verdict of yours to take back, or its writer has gone on since.", calm, "Well");
  }

  // --- who comes, and what they press -----------------------------------------------------------------------------------
  async function enter(given) {
    name = given.trim();
    if (!name) return;
    kept(lasting, "tunesmith-name", name);
    const found = await call("/api/write/form");
    if (!found || found.refused) return found && whoIsThere();
    ({form, longest} = found);
    $("enter").hidden = true;
    sheet = new Sheet(form, $("fields"), "field", typed);
    reviewed = new Sheet(form, $("review-fields"), "review", () => {});
    row = other = null;
    await sendUnsent().catch(() => {});
    await go("write");
  }
  async function whoIsThere() {
    if (row && name && !await settled()) return;
    name = "";
    row = other = null;
    for (const id of ["work", "tabs", "who"]) $(id).hidden = true;
    $("enter").hidden = false;
    $("enter-name").value = kept(lasting, "tunesmith-name") || "";
    $("enter-name").focus();
  }
  document.querySelectorAll("[data-view]").forEach(button => button.addEventListener("click", () => go(button.dataset.view)));
  $("form").addEventListener("submit", event => { event.preventDefault(); submit(); });
  $("review").addEventListener("submit", event => event.preventDefault());
  for (const [id, does] of Object.entries({another, discard, accept: () => judge("accepted"), back: () => judge("sent back"), mend, pass: () => other && review(other.row), undo, who: whoIsThere}))
    $(id).addEventListener("click", does);
  $("enter").addEventListener("submit", event => { event.preventDefault(); enter($("enter-name").value); });
  addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("view-write").hidden) { event.preventDefault(); return submit(); }
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || $("help").open) return;
    const radio = document.activeElement.type === "radio";
    if (isTyping() && !radio) {
      if (event.key === "Escape") { event.preventDefault(); document.activeElement.blur(); $(view === "review" ? "review-title" : "title").focus({preventScroll: true}); }
      return;
    }
    const common = {w: () => go("write"), m: () => go("mine"), r: () => !$("tab-review").hidden && go("review"), g: guide, "?": help};
    const own = {write: {n: another}, review: {a: () => judge("accepted"), b: () => judge("sent back"), e: mend, s: () => other && review(other.row), u: undo}}[view];
    const does = {...common, ...own}[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (does && name) { event.preventDefault(); does(); }
  });
  const known = new URLSearchParams(location.search).get("as") || kept(lasting, "tunesmith-name");
  if (known) enter(known); else whoIsThere();
})();
