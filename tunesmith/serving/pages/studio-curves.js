"use strict";
// Curves as SVG, drawn anew when numbers come: axes, lines, and a cross that tells the values, by mouse or by the arrow keys.
const SVG = "http://www.w3.org/2000/svg";
function drawn(name, given, className) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(given)) element.setAttribute(key, value);
  if (className) element.setAttribute("class", className);
  return element;
}
function roundTicks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 2.5, 5, 10].find(one => one * power >= rough * (1 - 1e-9)) * power;
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) ticks.push(at * step);
  return ticks;
}
function logTicks(low, high) { // values are powers of ten already
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) for (const one of [1, 2, 5]) { const at = power + Math.log10(one); if (at >= low && at <= high) ticks.push(at); }
  return ticks.length > 8 ? ticks.filter(at => Math.abs(at - Math.round(at)) < 1e-9) : ticks;
}
const compact = value => Math.abs(value) >= 1e4 ? Intl.NumberFormat("en", {notation: "compact"}).format(value) : value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0).replace("-", "−") : String(Number(value.toPrecision(4))).replace("-", "−");
function smoothed(ys, weight) { // an exponential mean, of which the beginning is not drawn towards nought
  let sum = 0, all = 0;
  return ys.map(y => { if (y === null) return null; sum = weight * sum + (1 - weight) * y; all = weight * all + (1 - weight); return sum / all; });
}
class Plot {
  constructor(parent, title, {first = false, unit = ""} = {}) {
    this.box = made("figure", undefined, "card plot" + (first ? " first" : ""));
    this.box.style.setProperty("margin", "0");
    const head = made("h3", title);
    head.append(made("span", unit, "note"));
    this.svg = drawn("svg", {role: "img", tabindex: "0", "aria-label": `${title}: left and right arrow tell the values`});
    this.tip = made("div", undefined, "tip");
    this.tip.hidden = true;
    this.box.append(head, this.svg, this.tip);
    parent.append(this.box);
    this.series = [];
    this.options = {};
    new ResizeObserver(() => this.paint()).observe(this.box);
    this.svg.addEventListener("pointermove", event => this.point(event.clientX - this.svg.getBoundingClientRect().left));
    this.svg.addEventListener("pointerleave", () => this.leave());
    this.svg.addEventListener("blur", () => this.leave());
    this.svg.addEventListener("keydown", event => {
      const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (by) { event.preventDefault(); event.stopPropagation(); this.step(by); }
    });
  }
  // series: [{name, colour, xs, ys, raw (faint, and not told), points}]; options: {log}
  draw(series, options = {}) { this.series = series; this.options = options; this.paint(); }
  paint() {
    const width = this.svg.clientWidth, height = this.svg.clientHeight, log = this.options.log;
    this.svg.replaceChildren();
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const lines = this.series.map(one => ({...one, ...this.cut(one, width, log)})), xs = lines.flatMap(one => one.xs);
    const told = lines.filter(one => !one.raw), ys = (told.some(one => one.ys.length) ? told : lines).flatMap(one => one.ys);
    if (!ys.length) { this.svg.append(this.word(width / 2, height / 2, "nothing yet", "middle")); this.lines = []; return; }
    const faint = lines.filter(one => one.raw).flatMap(one => one.ys).sort((a, b) => a - b), part = share => faint[Math.floor(share * (faint.length - 1))];
    if (faint.length) ys.push(part(0.02), part(0.98));
    let [low, high] = [Math.min(...ys), Math.max(...ys)], [left, right] = [Math.min(...xs), Math.max(...xs)];
    if (high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high))) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    if (left === right) [left, right] = [left - 1, right + 1];
    [low, high] = [low - (high - low) * 0.05, high + (high - low) * 0.05];
    const ticks = log ? logTicks(low, high) : roundTicks(low, high, 5), texts = ticks.map(at => compact(log ? 10 ** at : at));
    const from = 10 + 6.6 * Math.max(...texts.map(text => text.length), 2), to = width - 8, top = 8, floor = height - 22;
    this.x = value => from + (to - from) * (value - left) / (right - left);
    this.y = value => floor - (floor - top) * (value - low) / (high - low);
    ticks.forEach((at, place) => {
      this.svg.append(drawn("line", {x1: from, x2: to, y1: this.y(at), y2: this.y(at)}, "grid"), this.word(from - 6, this.y(at) + 4, texts[place], "end"));
    });
    for (const at of roundTicks(left, right, Math.max(2, width / 110)).filter(at => Number.isInteger(at))) this.svg.append(this.word(this.x(at), height - 6, compact(at), this.x(at) > to - 14 ? "end" : "middle"));
    for (const one of lines) {
      const path = drawn("path", {d: one.xs.map((x, place) => `${place ? "L" : "M"}${this.x(x).toFixed(1)} ${Math.max(top, Math.min(floor, this.y(one.ys[place]))).toFixed(1)}`).join("")}, one.raw ? "raw" : "");
      path.style.setProperty("stroke", one.colour);
      if (one.dash) path.style.setProperty("stroke-dasharray", "5 4");
      this.svg.append(path);
      if (one.points && one.xs.length < 200) for (const [place, x] of one.xs.entries()) {
        const dot = drawn("circle", {cx: this.x(x), cy: this.y(one.ys[place]), r: 2.8});
        dot.style.setProperty("fill", one.colour);
        this.svg.append(dot);
      }
    }
    this.cross = drawn("line", {y1: top, y2: floor}, "cross");
    this.cross.style.setProperty("display", "none");
    this.svg.append(this.cross);
    this.lines = told.map(one => ({...one, ys: one.ys.map(y => log ? 10 ** y : y)}));
    this.steps = [...new Set(this.lines.flatMap(one => one.xs))].sort((a, b) => a - b);
    if (this.at !== undefined) this.tell(this.at);
  }
  cut({xs, ys}, width, log) { // numbers alone, and no more of them than there is room for
    const kept = [];
    for (let place = 0; place < xs.length; place++) if (ys[place] !== null && ys[place] !== undefined && (!log || ys[place] > 0)) kept.push([xs[place], log ? Math.log10(ys[place]) : ys[place]]);
    const together = Math.ceil(kept.length / Math.max(200, 1.5 * width)), parts = [];
    for (let at = 0; at < kept.length; at += together || 1) {
      const part = kept.slice(at, at + together);
      parts.push([part.at(-1)[0], part.reduce((sum, [, y]) => sum + y, 0) / part.length]);
    }
    return {xs: parts.map(([x]) => x), ys: parts.map(([, y]) => y)};
  }
  word(x, y, text, anchor) { const element = drawn("text", {x, y, "text-anchor": anchor}); element.textContent = text; return element; }
  near(xs, x) { let best = 0; for (let place = 1; place < xs.length; place++) if (Math.abs(xs[place] - x) < Math.abs(xs[best] - x)) best = place; return best; }
  point(pixel) { if (this.lines?.length) this.tell(this.steps[this.near(this.steps.map(this.x), pixel)]); }
  step(by) {
    if (!this.lines?.length) return;
    const at = this.at === undefined ? (by > 0 ? -1 : this.steps.length) : this.near(this.steps, this.at);
    this.tell(this.steps[Math.max(0, Math.min(this.steps.length - 1, at + by))]);
    announce(this.tip.innerText.replaceAll("\n", ", "));
  }
  tell(step) {
    this.at = step;
    const x = this.x(step);
    this.cross.style.removeProperty("display");
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    this.tip.replaceChildren(made("b", `step ${step.toLocaleString("en")}`), ...this.lines.filter(one => one.xs.length).map(one => {
      const place = this.near(one.xs, step), row = made("span"), dot = document.createElement("i");
      dot.style.setProperty("background", one.colour);
      row.append(dot, `${one.name} ${number(one.ys[place])}${one.points && one.xs[place] !== step ? ` (step ${one.xs[place]})` : ""}`);
      return row;
    }));
    this.tip.hidden = false;
    const room = this.box.clientWidth - this.tip.offsetWidth - 8;
    this.tip.style.setProperty("left", `${Math.max(4, Math.min(room, x + 24))}px`);
    this.tip.style.setProperty("top", "34px");
  }
  leave() { this.at = undefined; this.tip.hidden = true; this.cross?.style.setProperty("display", "none"); }
}
class Live { // the numbers of one run, to which what is new is added
  constructor(id) { this.id = id; this.steps = {columns: {}, rows: 0, generation: 0}; this.validation = {columns: {}, rows: 0, generation: 0}; }
  async more() { // whether anything is new
    const {steps, validation} = this, tree = await get("/api/studio/live", {id: this.id, steps: steps.rows, steps_of: steps.generation, validation: validation.rows, validation_of: validation.generation});
    Object.assign(this, {state: tree.state, why: tree.why});
    const grown = [this.add(steps, tree.steps), this.add(validation, tree.validation)];
    return grown.some(Boolean);
  }
  add(have, told) {
    const before = told.fresh ? 0 : have.columns.step?.length || 0;
    if (told.fresh) have.columns = {};
    const many = told.columns.step?.length || 0;
    for (const name of Object.keys(told.columns)) have.columns[name] ||= Array(before).fill(null);
    for (const [name, values] of Object.entries(have.columns)) { const more = told.columns[name] || Array(many).fill(null); for (const one of more) values.push(one); }
    Object.assign(have, {rows: told.rows, generation: told.generation});
    return told.fresh || many > 0;
  }
  column(name, of = "steps") { const {columns} = this[of]; return {xs: columns.step || [], ys: columns[name] || []}; }
  speed() { // tokens a second
    const {step = [], tokens = [], seconds = []} = this.steps.columns;
    return {xs: step, ys: step.map((_, place) => seconds[place] ? tokens[place] / seconds[place] : null)};
  }
}
class Curves { // the plots of one run or of several, laid over one another
  constructor(parent) { this.parent = parent; this.plots = {}; }
  plot(key, title, options) { return this.plots[key] ||= new Plot(this.parent, title, options); }
  draw(runs, {smooth, log}) { // runs: [{name, colour, live}]
    const alone = runs.length === 1, lines = read => runs.map(run => ({name: alone ? read.name : run.name, colour: run.colour, ...read(run.live)}));
    const eased = (name, of) => runs.flatMap(run => {
      const {xs, ys} = of(run.live), called = alone ? name : run.name;
      return smooth ? [{name: called, colour: run.colour, xs, ys, raw: true}, {name: called, colour: run.colour, xs, ys: smoothed(ys, smooth)}] : [{name: called, colour: run.colour, xs, ys}];
    });
    const has = (name, of) => runs.some(run => (run.live[of].columns[name] || []).some(value => value !== null));
    const judged = runs.map(run => ({name: alone ? "validation" : `${run.name}, validation`, colour: alone ? colour(2) : run.colour, points: true, dash: !alone, ...run.live.column("loss", "validation")}));
    this.plot("loss", "Loss", {first: true, unit: alone ? "training and validation" : "training; validation dashed"}).draw([...eased("training", live => live.column("loss")), ...judged], {log});
    if (has("score", "validation")) this.plot("score", "Score at validation").draw(lines(Object.assign(live => ({...live.column("score", "validation"), points: true}), {})).map(one => ({...one, name: one.name || "score"})));
    this.plot("rate", "Learning rate").draw(runs.map(run => ({name: alone ? "rate" : run.name, colour: run.colour, ...run.live.column("learning_rate")})));
    this.plot("speed", "Tokens a second").draw(eased("tokens a second", live => live.speed()));
    if (has("gradient_norm", "steps")) this.plot("norm", "Gradient norm").draw(eased("norm", live => live.column("gradient_norm")));
    for (const of of ["steps", "validation"]) {
      const names = new Set(runs.flatMap(run => Object.keys(run.live[of].columns)).filter(name => name.startsWith("shown ")));
      for (const name of names) this.plot(of + name, name.slice(6), {unit: of === "steps" ? "training" : "validation"}).draw(of === "steps" ? eased(name.slice(6), live => live.column(name)) : runs.map(run => ({name: run.name, colour: run.colour, points: true, ...run.live.column(name, of)})));
    }
  }
}
function curveTools(redraw) { // what the two controls say
  const read = () => ({smooth: Number($("smooth").value) / 100, log: $("log").checked});
  $("smooth").addEventListener("input", () => redraw(read()));
  $("log").addEventListener("change", () => redraw(read()));
  return read;
}
