"use strict";
// One prompt to several adapters side by side. Each answer is a stream of its own, of the API that everybody asks (/v1).
(() => {
  const given = new URLSearchParams(location.search).get("run"), BASE = "", LIKELY = 5;
  let state = {standing: "none", runs: []}, chosen = [BASE], wanted = /^[0-9a-f]{16}$/.test(given || "") ? given : null, stops = [], known = new Map();
  const voices = new Map(); // run -> {element, text, tokens}

  // --- the model ------------------------------------------------------------------------------------------------------
  async function look() {
    const tree = await attempt(() => get("/api/studio/play", {find: $("find").value, ids: [...chosen.filter(Boolean), ...(wanted ? [wanted] : [])].filter((one, place, all) => all.indexOf(one) === place)}));
    if (!tree) return;
    const before = state.standing + state.model;
    state = tree;
    for (const run of tree.runs) known.set(run.id, run);
    if (before !== state.standing + state.model) {
      chosen = chosen.filter(id => !id || known.get(id)?.fits && known.get(id)?.holds === "adapter");
      if (!chosen.includes(BASE)) chosen.unshift(BASE);
      announce(said());
    }
    if (wanted && known.has(wanted) && state.standing !== "loading") {
      const run = known.get(wanted);
      if (!run.fits) load(run.id);
      else { if (run.holds === "adapter" && !chosen.includes(run.id)) chosen.push(run.id); wanted = null; }
    }
    paint();
  }
  const said = () => ({none: "No model is loaded: choose a run below", loading: `Loading ${state.model} … ${Math.round(state.seconds || 0)} s`, ready: `${state.model} is loaded`, failed: `${state.model} could not be loaded: ${state.said}`})[state.standing];
  async function load(run) {
    const {status, tree} = await ask("/api/studio/play/load", {run});
    if (status !== 200) { wanted = null; return trouble(new Error(tree.said)); }
    state.standing = "loading";
    await look();
  }
  function paint() {
    $("standing").textContent = said();
    $("standing").className = `state ${state.standing}`;
    $("send").disabled = state.standing !== "ready";
    $("chat-box").hidden = !state.chats;
    const ready = state.standing === "ready", colours = new Map(chosen.map((id, place) => [id, colour(place)]));
    for (const [id, voice] of voices) if (!chosen.includes(id)) { voice.element.remove(); voices.delete(id); }
    for (const id of chosen) {
      const voice = voices.get(id) || box(id);
      voice.element.querySelector("h3").textContent = id ? known.get(id)?.name || id : state.model ? `${state.model}, untuned` : "The model";
      if (!id && state.standing === "ready" && !known.size) voice.element.querySelector("h3").textContent = state.model;
      voice.element.style.setProperty("border-top-color", colours.get(id));
      $("voices").append(voice.element);
    }
    $("voices").hidden = !ready && ![...voices.values()].some(one => one.text);
    const rows = state.runs.map(run => {
      const li = made("li"), button = made("button", undefined, run.fits ? "" : "off"), on = chosen.includes(run.id) && run.fits;
      button.type = "button";
      button.append(made("b", run.name), made("span", run.score === null ? "" : `${number(run.score)}`, "note"), made("small", run.holds === "model" ? `${run.method} · a whole network · ${run.group}` : `${run.method} on ${run.base} · ${run.group}`));
      if (run.fits && run.holds === "adapter") button.setAttribute("aria-pressed", on);
      else button.append(made("small", run.fits ? "is loaded" : `load ${run.base}, and let it answer`));
      button.disabled = state.standing === "loading" || run.fits && run.holds === "model";
      button.addEventListener("click", () => {
        if (!run.fits) { wanted = run.id; load(run.id); return; }
        chosen = on ? chosen.filter(id => id !== run.id) : [...chosen, run.id];
        paint();
      });
      li.append(button);
      return li;
    });
    const at = [...$("runs").querySelectorAll("button")].indexOf(document.activeElement);
    $("runs").replaceChildren(...rows);
    if (at >= 0) $("runs").querySelectorAll("button")[at]?.focus();
    if (!state.runs.length) $("runs").append(made("li", $("find").value ? "No run that can speak is called so." : "No run of the list holds an adapter or a network yet.", "note"));
  }
  function box(id) {
    const element = made("article", undefined, "card voice"), head = made("header"), away = made("button", "✕");
    away.type = "button";
    away.setAttribute("aria-label", "Leave this one out");
    away.addEventListener("click", () => { chosen = chosen.filter(one => one !== id); paint(); });
    head.append(made("h3"), away);
    const text = made("p", undefined, "text");
    text.dir = "auto";
    element.append(head, text, made("footer"));
    const voice = {element, text: "", tokens: []};
    voices.set(id, voice);
    return voice;
  }

  // --- answers --------------------------------------------------------------------------------------------------------
  async function say(id, body, stop) {
    const voice = voices.get(id), [text, foot] = [voice.element.querySelector(".text"), voice.element.querySelector("footer")], began = performance.now();
    Object.assign(voice, {text: "", tokens: []});
    text.replaceChildren();
    foot.textContent = "";
    foot.className = "";
    voice.element.classList.add("busy");
    let reason = "", first = 0, count = 0;
    try {
      const {status, tree} = await ask("/api/studio/play/stand", {run: id}); // its adapter as it is now
      if (status !== 200) throw new Error(tree.said);
      const {path, ...asked} = body, answer = await fetch(path, {...asJson({...asked, model: tree.model, user: id}), signal: stop.signal});
      if (!answer.ok) { const said = await answer.text(); throw new Error(said.startsWith("{") ? JSON.parse(said).error?.message || "The server refuses this." : said); }
      for await (const event of events(answer.body)) {
        if (event.error) throw new Error(event.error.message);
        count = event.usage?.completion_tokens ?? count;
        const [choice] = event.choices;
        if (!choice) continue;
        voice.tokens.push(...weighed(choice.logprobs));
        if (!first && voice.tokens.length) first = performance.now() - began;
        voice.text += choice.delta ? choice.delta.content || "" : choice.text;
        reason = choice.finish_reason || reason;
        show(voice);
      }
    } catch (error) {
      reason = error.name === "AbortError" ? "stopped" : "";
      if (!reason) { foot.textContent = error.name === "TypeError" ? "The server does not answer." : error.message; foot.className = "fault"; }
    }
    voice.element.classList.remove("busy");
    if (foot.className) return;
    const seconds = (performance.now() - began) / 1000, sum = voice.tokens.reduce((all, one) => all + one.worth, 0);
    count ||= voice.tokens.length; // of an answer that was stopped
    foot.textContent = [`${count} tokens`, count > 4 ? `${number(count / seconds, 1)} a second` : "", first ? `first after ${Math.round(first)} ms` : "", voice.tokens.length ? `mean probability ${number(Math.exp(sum / voice.tokens.length), 2)}` : "", {length: "cut at its length", stop: "", stopped: "stopped"}[reason]].filter(Boolean).join(" · ");
    if (!voice.text && reason === "stop") foot.textContent = `It said nothing. ${foot.textContent}`;
  }
  function weighed(told) { // tokens with what else was likely in the place of each, of a conversation or of a completion
    if (told?.content) return told.content.map(one => ({token: one.token, worth: one.logprob, likely: one.top_logprobs.map(other => [other.token, other.logprob])}));
    return (told?.tokens || []).map((token, place) => ({token, worth: told.token_logprobs[place], likely: Object.entries(told.top_logprobs[place] || {})}));
  }
  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) if (part.startsWith("data: ") && part !== "data: [DONE]") yield JSON.parse(part.slice(6));
    }
  }
  function show(voice) {
    const text = voice.element.querySelector(".text");
    if (!$("shown").checked) { text.textContent = voice.text; return; }
    if (text.children.length > voice.tokens.length || !text.children.length) text.replaceChildren();
    for (const one of voice.tokens.slice(text.children.length)) {
      const p = Math.exp(one.worth), span = made("span", one.token.replaceAll("\n", "↵\n"), p > 0.9 ? "p5" : p > 0.6 ? "p4" : p > 0.3 ? "p3" : p > 0.1 ? "p2" : "p1");
      if (/^<[^<>\s]+>$/.test(one.token)) span.className += " special";
      span.tabIndex = 0;
      span.addEventListener("pointerenter", () => alternatives(span, one));
      span.addEventListener("focus", () => alternatives(span, one));
      for (const kind of ["pointerleave", "blur"]) span.addEventListener(kind, () => { $("likely").hidden = true; });
      text.append(span);
    }
  }
  function alternatives(span, one) {
    const table = made("table"), rows = [...one.likely];
    if (!rows.some(([token]) => token === one.token)) rows.push([one.token, one.worth]);
    for (const [token, worth] of rows) {
      const tr = made("tr", undefined, token === one.token ? "taken" : ""), bar = made("div", undefined, "bar"), fill = document.createElement("i"), cell = made("td"), share = Math.exp(worth);
      fill.style.setProperty("width", `${100 * share}%`);
      bar.append(fill);
      cell.append(bar);
      tr.append(made("td", token.replaceAll(" ", "·").replaceAll("\n", "↵")), cell, made("td", share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`, "number"));
      table.append(tr);
    }
    const tip = $("likely"), at = span.getBoundingClientRect();
    tip.replaceChildren(table);
    tip.hidden = false;
    tip.style.setProperty("left", `${Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, at.left))}px`);
    tip.style.setProperty("top", `${at.bottom + tip.offsetHeight + 12 > innerHeight ? at.top - tip.offsetHeight - 6 : at.bottom + 6}px`);
  }
  async function send() {
    const prompt = $("prompt").value;
    if (!prompt.trim() || state.standing !== "ready" || !$("ask").reportValidity()) return;
    halt();
    const stop = new AbortController();
    stops.push(stop);
    $("stop").hidden = false;
    const chat = $("chat").value === "true" || state.family !== "causal";
    const put = chat ? {path: "/v1/chat/completions", messages: [{role: "user", content: prompt}], logprobs: true, top_logprobs: LIKELY} : {path: "/v1/completions", prompt, logprobs: LIKELY};
    const body = {...put, max_tokens: Number($("tokens").value), temperature: Number($("temperature").value), top_p: Number($("top-p").value), seed: Number($("seed").value), stream: true, stream_options: {include_usage: true}};
    await Promise.all(chosen.map(id => say(id, body, stop)));
    stops = stops.filter(one => one !== stop);
    $("stop").hidden = stops.length > 0 ? $("stop").hidden : true;
    announce("All have answered.");
  }
  const halt = () => { for (const stop of stops) stop.abort(); stops = []; $("stop").hidden = true; };
  $("ask").addEventListener("submit", event => { event.preventDefault(); send(); });
  $("stop").addEventListener("click", halt);
  $("shown").addEventListener("change", () => { $("scale").hidden = !$("shown").checked; for (const voice of voices.values()) { voice.element.querySelector(".text").replaceChildren(); show(voice); } });
  $("find").addEventListener("input", later(look, 200));
  addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
    if (event.key === "Escape" && stops.length) halt();
  });
  every(2000, async () => { await look(); return state.standing === "loading" ? 500 : 5000; });
})();
