"use strict";
// What every served page does: the theme that was chosen stands before anything is drawn, and requests are JSON to this server.
const root = document.documentElement, $ = id => document.getElementById(id);
function kept(store, name, value) { // reads, or writes where a value is given; a browser may forbid both
  try {
    if (value === undefined) return store().getItem(name);
    if (value === null) store().removeItem(name); else store().setItem(name, value);
  } catch { /* then it is forgotten */ }
  return null;
}
const lasting = () => localStorage, ofTab = () => sessionStorage;
if (["dark", "light"].includes(kept(lasting, "tunesmith-theme"))) root.dataset.theme = kept(lasting, "tunesmith-theme");
addEventListener("DOMContentLoaded", () => $("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  kept(lasting, "tunesmith-theme", root.dataset.theme);
}));
function fresh() { // a name that nobody else makes; randomUUID is there only where the page is called safe
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
}
const asJson = body => ({method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
async function ask(path, body) { // {status, tree}; throws where the server does not answer
  const answer = await fetch(path, {...asJson(body), signal: AbortSignal.timeout(20000)});
  if (answer.status >= 500) throw new Error(`the server answers ${answer.status}`);
  const text = await answer.text();
  return {status: answer.status, tree: text.startsWith("{") ? JSON.parse(text) : {said: text}};
}
function made(name, text, className) { // an element with text in it, which is never read as HTML
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}
function toggle(button, attribute) { // whether it is on now
  const on = button.getAttribute(attribute) !== "true";
  button.setAttribute(attribute, String(on));
  return on;
}
const guide = () => { if ($("guide")) $("guide").hidden = !toggle($("guide-open"), "aria-expanded"); };
const help = () => $("help").showModal();
const isTyping = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
addEventListener("DOMContentLoaded", () => {
  if ($("guide")) $("guide-open").addEventListener("click", guide);
  if ($("guide") && matchMedia("(max-width: 760px)").matches) guide();
  if ($("help-open")) $("help-open").addEventListener("click", help);
});
