"use strict";
// The fields of a form: built from what the server says, read, counted, and checked by the rules of serving/form.py.
const partsOf = value => typeof value === "string" ? [value] : value.map(one => typeof one === "string" ? one : one.content);
const wordsIn = text => (text.match(/\S+/g) || []).length;
const sizeOf = (field, text) => field.unit === "words" ? wordsIn(text) : [...text.trim()].length;
const span = (low, high) => low !== null && high !== null ? `${low} to ${high}` : low !== null ? `${low} or more` : `${high} or less`;

function orderFault(turns) {
  const roles = turns.filter(turn => turn.content.trim()).map(turn => turn.role), spoken = roles[0] === "system" ? roles.slice(1) : roles;
  if (!spoken.length || spoken.at(-1) !== "assistant") return "The assistant has the last word.";
  const turnAbout = spoken.length % 2 === 0 && spoken.every((role, at) => role === ["user", "assistant"][at % 2]);
  return turnAbout ? "" : "User and assistant take turns, and the user begins.";
}
function lengthFault(field, text) {
  const size = sizeOf(field, text);
  if (field.minimum !== null && size < field.minimum) return `At least ${field.minimum} ${field.unit}: there are ${size}.`;
  if (field.maximum !== null && size > field.maximum) return `At most ${field.maximum} ${field.unit}: there are ${size}.`;
  return "";
}
function faultOf(field, value) { // what is wrong with a field; empty where nothing is
  const said = partsOf(value).map(part => part.trim()).filter(Boolean), {minimum: low, maximum: high} = field;
  if (!said.length) return field.required ? "This is needed." : "";
  if (field.kind === "choice") return field.choices.includes(said[0]) ? "" : "Choose one of these.";
  if (field.kind === "number") {
    if (!/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(said[0])) return "This is not a number.";
    return (low !== null && +said[0] < low) || (high !== null && +said[0] > high) ? `${span(low, high)}, please.` : "";
  }
  if (typeof value !== "string") {
    if (said.length < field.least || said.length > field.most) return `${span(field.least, field.most)} of these, please.`;
    const order = field.kind === "turns" ? orderFault(value) : "";
    if (order) return order;
  }
  if (field.kind === "line" && said.some(text => /[\n\r\u2028\u2029]/.test(text))) return "This is one line.";
  return said.map(text => lengthFault(field, text)).find(Boolean) || "";
}
function faultsOf(form, values, fixed = []) { // by name, but for those that a seed fixed
  const plain = name => partsOf(values[name]).join("\n\n").trim(), found = {}, own = form.fields.filter(field => !fixed.includes(field.name));
  for (const field of own) { const told = faultOf(field, values[field.name]); if (told) found[field.name] = told; }
  for (const {name, differs_from: other} of own)
    if (other && !found[name] && plain(name) && plain(name) === plain(other))
      found[name] = `This says the same as “${form.fields.find(field => field.name === other).label}”.`;
  return found;
}

class Sheet { // a form on the page
  constructor(form, box, prefix, typed) {
    Object.assign(this, {form, prefix, typed, fields: {}, touched: new Set()});
    box.replaceChildren(...form.fields.map(field => this.build(field)));
  }
  build(field) {
    const id = `${this.prefix}-${field.name}`, grouped = ["choice", "references", "turns"].includes(field.kind);
    const box = made(grouped ? "fieldset" : "div", undefined, "field"), label = made(grouped ? "legend" : "label", field.label);
    if (!grouped) label.htmlFor = id;
    if (!field.required) label.append(" ", made("span", "(optional)", "note"));
    const helped = made("p", field.help, "note"), given = made("p", undefined, "text given"), holder = made("div", undefined, "holder");
    const fault = made("span", "", "fault"), count = made("span", "", "count note"), near = made("p", undefined, "near"), under = made("p", undefined, "under");
    helped.id = `${id}-help`; fault.id = `${id}-fault`; count.id = `${id}-count`;
    fault.setAttribute("aria-live", "polite");
    given.dir = "auto"; given.hidden = near.hidden = true; helped.hidden = !field.help;
    under.append(fault, count);
    box.append(label, helped, given, holder, under, near);
    box.dataset.name = field.name;
    this.fields[field.name] = {...field, field, id, box, holder, given, fault, count, near, value: ""};
    box.addEventListener("input", () => this.changed(field.name));
    box.addEventListener("focusout", event => { if (!box.contains(event.relatedTarget)) this.leave(field.name); });
    return box;
  }
  describe(element, one) {
    element.setAttribute("aria-describedby", `${one.id}-help ${one.id}-fault ${one.id}-count`);
    if (one.required) element.setAttribute("aria-required", "true");
    return element;
  }
  area(one, text, rows) {
    const area = this.describe(made("textarea"), one);
    Object.assign(area, {value: text, rows, dir: "auto", spellcheck: true});
    return area;
  }
  draw(one, value) { // the controls that hold this value
    if (one.kind === "choice") return one.choices.map((choice, at) => {
      const label = made("label", undefined, "option"), radio = this.describe(made("input"), one);
      Object.assign(radio, {type: "radio", name: one.id, value: choice, checked: choice === value, id: at ? `${one.id}-${at}` : one.id});
      label.append(radio, " ", choice);
      return label;
    });
    if (one.kind === "references" || one.kind === "turns") return this.many(one, value);
    const control = one.kind === "text" ? this.area(one, value, 4) : this.describe(made("input"), one);
    if (one.kind !== "text") Object.assign(control, {type: "text", value, dir: "auto", autocomplete: "off"});
    if (one.kind === "number") control.inputMode = "decimal";
    control.id = one.id;
    return [control];
  }
  many(one, value) { // a list of texts, each of which may be taken away, and a button for one more
    const turns = one.kind === "turns", shown = value.length ? value : [""], noun = turns ? "turn" : "answer";
    const list = shown.map((part, at) => {
      const line = made("div", undefined, `part ${part.role || ""}`), area = this.area(one, turns ? part.content : part, turns ? 3 : 1);
      area.setAttribute("aria-label", `${one.label} ${at + 1}`);
      area.id = at ? `${one.id}-${at}` : one.id;
      if (turns) {
        const role = made("select");
        role.setAttribute("aria-label", `Who speaks in turn ${at + 1}`);
        role.append(...["system", "user", "assistant"].map(name => Object.assign(made("option", name), {selected: name === part.role})));
        role.addEventListener("change", () => this.changed(one.name, true));
        line.append(role);
      }
      const away = made("button", "✕", "away");
      away.type = "button";
      away.setAttribute("aria-label", `Take ${noun} ${at + 1} away`);
      away.addEventListener("click", () => this.redraw(one, this.read(one).filter((_, number) => number !== at)));
      line.append(area, away);
      return line;
    });
    const more = made("button", `Add ${turns ? "a turn" : "an answer"}`, "more-of");
    more.type = "button";
    more.addEventListener("click", () => {
      const now = this.read(one), last = turns && now.length ? now.at(-1).role : "";
      this.redraw(one, [...now, turns ? {role: last === "user" ? "assistant" : "user", content: ""} : ""]);
      one.holder.querySelectorAll("textarea")[now.length]?.focus();
    });
    more.disabled = shown.length >= one.most;
    return [...list, more];
  }
  redraw(one, value) { one.holder.replaceChildren(...this.draw(one, value)); this.changed(one.name); }
  read(one) {
    if (one.fixed) return one.value;
    if (one.kind === "choice") return one.holder.querySelector(":checked")?.value || "";
    const texts = [...one.holder.querySelectorAll("textarea, input")].map(control => control.value);
    if (one.kind === "references") return texts;
    if (one.kind === "turns") return texts.map((content, at) => ({role: one.holder.querySelectorAll("select")[at].value, content}));
    return texts[0];
  }
  fill(values, fixed = [], locked = false) { // fixed: names that are shown and not changed; locked: all are
    this.touched.clear();
    for (const one of Object.values(this.fields)) {
      one.value = values[one.name];
      one.fixed = locked || fixed.includes(one.name);
      one.given.hidden = !one.fixed; one.holder.hidden = one.fixed;
      one.given.replaceChildren(...this.plainly(one));
      one.holder.replaceChildren(...(one.fixed ? [] : this.draw(one, one.value)));
    }
    for (const one of Object.values(this.fields)) this.look(one);
    this.near({});
  }
  plainly(one) {
    if (typeof one.value === "string") return [one.value || made("span", "(empty)", "note")];
    return one.value.map(part => {
      const line = made("span", undefined, "given-part");
      if (part.role) line.append(made("b", part.role));
      line.append(made("span", part.role ? part.content : part));
      return line;
    });
  }
  changed(name, quiet) {
    const one = this.fields[name];
    if (quiet) this.touched.add(name);
    this.look(one);
    this.typed(name);
  }
  leave(name) { this.touched.add(name); this.look(this.fields[name]); }
  look(one, told) { // counter and fault
    const value = this.read(one), size = partsOf(value).reduce((sum, part) => sum + sizeOf(one, part), 0), counted = !["choice", "number"].includes(one.kind);
    const several = typeof value !== "string" && value.length > 1;
    const limit = one.minimum === null && one.maximum === null ? "" : one.minimum === null ? ` (up to ${one.maximum})` : ` (${span(one.minimum, one.maximum)})`;
    one.count.textContent = counted ? `${size} ${one.unit}${several ? " in all" : limit}` : "";
    one.box.classList.toggle("fixed", one.fixed);
    const fault = one.fixed ? "" : told ?? this.faults()[one.name] ?? "", over = fault.startsWith("At most");
    one.count.classList.toggle("over", over);
    one.fault.textContent = this.touched.has(one.name) || over ? fault : "";
    for (const control of one.holder.querySelectorAll("input, textarea")) control.setAttribute("aria-invalid", String(!!one.fault.textContent));
  }
  values() { return Object.fromEntries(Object.values(this.fields).map(one => [one.name, this.read(one)])); }
  faults() { return faultsOf(this.form, this.values(), Object.values(this.fields).filter(one => one.fixed).map(one => one.name)); }
  show(faults) { // faults by name, of this page or of the server; the first gets the focus
    for (const one of Object.values(this.fields)) { this.touched.add(one.name); this.look(one, faults[one.name] || ""); }
    const first = this.form.fields.find(field => faults[field.name]);
    if (first) (this.fields[first.name].holder.querySelector("input, textarea") || this.fields[first.name].box).focus();
  }
  check() { // whether all is well; else the first fault is shown
    const found = this.faults();
    if (Object.keys(found).length) this.show(found);
    return !Object.keys(found).length;
  }
  near(found) { // what stands already and is much like a field
    for (const one of Object.values(this.fields)) {
      const like = found[one.name];
      one.near.hidden = !like;
      one.near.replaceChildren(...(like ? [made("b", `Much like one that stands (${Math.round(100 * like.score)} %): `), made("span", like.text)] : []));
    }
  }
  focus() { this.form.fields.map(field => this.fields[field.name]).find(one => !one.fixed)?.holder.querySelector("input, textarea")?.focus({preventScroll: true}); }
}
