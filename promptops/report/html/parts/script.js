"use strict";
// Which text a sentence rests on is written in the page as spans; nothing here cuts a text or makes markup of one.
(() => {
  const byId = (name) => document.getElementById(name);
  const [pane, bar, told, moves] = ["sources", "bar", "told", "moves"].map(byId);
  let lit = []; // elements that carry a class of ours
  let stops = []; // places to go to, each with its first element
  let at = 0;
  let origin = null; // what was clicked

  const mark = (elements, name) => {
    for (const element of elements) element.classList.add(name);
    lit.push(...elements);
  };

  const clear = () => {
    for (const element of lit) element.classList.remove("lit", "current", "resting");
    origin?.removeAttribute("aria-current");
    if (origin?.hasAttribute("aria-pressed")) origin.setAttribute("aria-pressed", "false");
    [lit, stops, at, origin] = [[], [], 0, null];
    moves.hidden = true;
  };

  const parse = (text) => {
    const [number, range] = text.split(":");
    const [start, end] = range.split("-").map(Number);
    return { number: Number(number), start, end };
  };

  const stretch = ({ number, start, end }) => {
    const excerpt = byId(`x${number}-${start}-${end}`);
    if (excerpt) return [excerpt];
    const parts = [];
    for (let part = byId(`s${number}-${start}`); part && Number(part.dataset.end) <= end; part = part.nextElementSibling)
      parts.push(part);
    return parts;
  };

  const show = (number) => {
    const source = byId(`s${number}`);
    if (!source || source.classList.contains("shown")) return source;
    pane.querySelector(".source.shown")?.classList.remove("shown");
    source.classList.add("shown");
    pane.scrollTop = 0;
    return source;
  };

  const nameOf = (number) => byId(`n${number}`)?.textContent ?? "";
  const figure = (number) => number.toLocaleString("en");

  const go = (index) => {
    at = (index + stops.length) % stops.length;
    const { place, parts } = stops[at];
    show(place.number);
    for (const element of lit) element.classList.remove("current");
    for (const part of parts) part.classList.add("current");
    (parts[0] ?? byId(`s${place.number}`))?.scrollIntoView({ block: "start" }); // below the bar: see scroll-margin
    const which = stops.length > 1 ? `${at + 1} of ${stops.length}: ` : "";
    const where = `characters ${figure(place.start + 1)}–${figure(place.end)}`;
    told.textContent = `${which}${nameOf(place.number)}, ${where}${parts.length ? "" : ", whose text is not shown"}`;
    for (const name of ["previous", "next"]) byId(name).hidden = stops.length < 2;
    moves.hidden = false;
  };

  const light = (from, places) => {
    clear();
    origin = from;
    stops = places.map((place) => ({ place, parts: stretch(place) }));
    mark(stops.flatMap((stop) => stop.parts), "lit");
    go(0);
  };

  const press = (sentence) => {
    const pressed = sentence.getAttribute("aria-pressed") === "true";
    if (pressed) {
      clear();
      told.textContent = "";
      return;
    }
    light(sentence, sentence.dataset.places.split(" ").map(parse));
    sentence.setAttribute("aria-pressed", "true");
  };

  const lightNode = (node) => {
    light(node, [parse(node.dataset.span)]);
    node.setAttribute("aria-current", "true");
    mark([node], "resting");
  };

  const lightDocuments = (node) => {
    clear();
    const [start, end] = node.dataset.documents.split("-").map(Number);
    const entries = Array.from({ length: end - start }, (_, index) => byId(`d${start + index}`)).filter(Boolean);
    origin = node;
    node.setAttribute("aria-current", "true");
    mark([node, ...entries], "resting");
    show(start);
    told.textContent = `Documents ${figure(start + 1)}–${figure(end)}, from ${nameOf(start)} to ${nameOf(end - 1)}`;
  };

  // The other way: from a stretch of a source to the sentences that rest on it.
  const trace = (part) => {
    const number = Number(part.closest(".source").dataset.number);
    const start = Number(part.id.split("-")[1]);
    const rests = ({ dataset }) =>
      dataset.places.split(" ").map(parse).some((place) => place.number === number && place.start <= start && start < place.end);
    const sentences = [...document.querySelectorAll(".sentence[data-places]")].filter(rests);
    clear();
    mark([part], "lit");
    mark(sentences, "resting");
    for (const sentence of sentences) sentence.closest("details.document")?.setAttribute("open", "");
    told.textContent = `${sentences.length === 1 ? "1 sentence rests" : `${figure(sentences.length)} sentences rest`} on this`;
    sentences[0]?.scrollIntoView({ block: "center" });
  };

  const back = () => {
    const from = origin;
    clear();
    told.textContent = "";
    if (!from) return;
    const target = from.matches(".sentence") ? from : from.querySelector("summary");
    target.focus();
    target.scrollIntoView({ block: "center" });
  };

  document.addEventListener("click", (event) => {
    if (!getSelection().isCollapsed) return; // somebody copies a text
    const target = event.target;
    const sentence = target.closest(".sentence[data-places]");
    const node = target.closest("summary")?.parentElement;
    const link = target.closest("a[href^='#s']");
    if (node?.open && node.matches(".node:not([aria-current])")) event.preventDefault(); // lit first, closed next time
    if (sentence) press(sentence);
    else if (node?.dataset.span) lightNode(node);
    else if (node?.dataset.documents) lightDocuments(node);
    else if (node?.dataset.number) show(node.dataset.number);
    else if (link) show(link.hash.slice(2));
    else if (target.matches(".cited[id]")) trace(target);
  });

  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
    const sentence = event.target.closest(".sentence[data-places]");
    if (sentence && (event.key === "Enter" || event.key === " ")) press(sentence);
    else if (event.key === "Escape") back();
    else if (stops.length > 1 && event.key === "n") go(at + 1);
    else if (stops.length > 1 && event.key === "p") go(at - 1);
    else return;
    event.preventDefault();
  });

  byId("next").addEventListener("click", () => go(at + 1));
  byId("previous").addEventListener("click", () => go(at - 1));
  byId("back").addEventListener("click", back);

  byId("filter")?.addEventListener("input", ({ target }) => {
    const wanted = target.value.toLowerCase();
    for (const entry of document.querySelectorAll("details.document"))
      entry.hidden = !entry.querySelector("h3").textContent.toLowerCase().includes(wanted);
  });

  addEventListener("beforeprint", () => {
    for (const entry of document.querySelectorAll("details.document")) entry.open = true;
  });

  show(/^#s\d+$/.test(location.hash) ? location.hash.slice(2) : 0);
})();
