"use strict";
// What the studio's pages share. Text enters a page only as textContent.
const SERIES = 8;
async function get(path, values = {}) { // the tree; throws with what the server says
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) for (const one of [value].flat()) if (one !== "") words.append(name, one);
  const answer = await fetch(words.size ? `${path}?${words}` : path, {signal: AbortSignal.timeout(120000)});
  const text = await answer.text();
  let tree = {};
  try { tree = JSON.parse(text); } catch { tree = {said: text}; }
  if (!answer.ok) throw new Error(typeof tree.said === "string" && tree.said ? tree.said : `The server answers ${answer.status}.`);
  return tree;
}
function trouble(error) { // null: all is well again
  $("trouble").hidden = !error;
  if (error) $("trouble").textContent = error.name === "TypeError" ? "The server does not answer. It is asked again." : error.message;
}
async function attempt(work) { try { const made = await work(); trouble(null); return made; } catch (error) { if (error.name !== "AbortError") trouble(error); return undefined; } }
const announce = text => { $("said").textContent = text; };
function linked(href, text, className) { const a = made("a", text, className); a.href = href; return a; }
const MISSING = "–";
function number(value, digits) { // three decimals below ten, fewer above
  if (value === null || value === undefined) return MISSING;
  const size = Math.abs(value);
  if (digits === undefined) digits = size && size < 0.001 ? 6 : size < 10 ? 3 : size < 100 ? 2 : size < 10000 ? 0 : 0;
  return (size && size < 1e-4 ? value.toExponential(1) : value.toLocaleString("en", {minimumFractionDigits: Math.min(digits, 3), maximumFractionDigits: digits})).replace("-", "−");
}
const signed = value => (value > 0 ? "+" : "") + number(value);
function ago(seconds) {
  if (seconds < 5) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  return "now";
}
function span(seconds) { return seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`; }
function label(metric) {
  const rouge = /^rouge(\d|Lsum|L)(.*)$/.exec(metric);
  return rouge ? `ROUGE-${rouge[1]}${rouge[2].replaceAll("_", " ")}` : metric.replaceAll("_", " ").replace(/^bleu/, "BLEU").replace(/^chrf/, "chrF");
}
const later = (work, wait) => { let timer = 0; return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), wait); }; };
function every(milliseconds, work) { // one after the other, and not while nobody looks
  let over = false;
  (async () => { while (!over) { const wait = document.hidden ? null : await work(); await new Promise(done => setTimeout(done, wait ?? milliseconds)); } })();
  return () => { over = true; };
}
const colour = place => `var(--s${place < SERIES ? place : 1 + place % (SERIES - 1)})`;
function chosenRuns(change) { // ids, kept in this tab
  let ids = [];
  try { ids = JSON.parse(kept(ofTab, "tunesmith-chosen") || "[]").filter(id => /^[0-9a-f]{16}$/.test(id)); } catch { /* none */ }
  if (change) kept(ofTab, "tunesmith-chosen", JSON.stringify(ids = change(ids).slice(0, 12)));
  return ids;
}
const compareLink = ids => "/compare?" + new URLSearchParams(ids.map(id => ["ids", id]));
function marking(element, text, words) { // the text, with the words that were looked for marked
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean), low = text.toLowerCase();
  if (!wanted.length || low.length !== text.length) { element.textContent = text; return element; }
  let at = 0;
  while (at < text.length) {
    const hits = wanted.map(word => [low.indexOf(word, at), word.length]).filter(([place]) => place >= 0).sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    if (!hits.length) break;
    element.append(text.slice(at, hits[0][0]), made("mark", text.slice(hits[0][0], hits[0][0] + hits[0][1])));
    at = hits[0][0] + hits[0][1];
  }
  element.append(text.slice(at));
  return element;
}
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const find = $("find");
  if (event.key === "Escape" && document.activeElement === find) return find.blur();
  if (isTyping() || document.querySelector("dialog[open]")) return;
  if (event.key === "?") help();
  if (event.key === "/" && find) { event.preventDefault(); find.focus(); find.select(); }
});
