// Draws one outcome's whole story, and the small pieces that rows share. Text from outside only ever becomes a text node.
"use strict";

const WORDS = JSON.parse(document.getElementById("words").textContent);

function word(table, code) {
  const words = WORDS[table];
  return words && Object.hasOwn(words, code) ? words[code] : String(code ?? "");
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

// Text from outside stands in its own bidirectional island, so that it cannot reorder what is around it.
function outside(text, className) {
  return make("bdi", className, text);
}

const MARKED = new Set(["delivered", "forwarded", "withheld", "refused", "acknowledged", "escalated", "not-acknowledged"]); // all else is about the gateway itself

function mark(event) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#mark-${MARKED.has(event) ? event : "gateway"}`);
  svg.append(use);
  return svg;
}

function verdictOf(row) {
  const element = make("span", "verdict", mark(row.event), word("event", row.event));
  element.dataset.verdict = row.event;
  return element;
}

function chips(row) {
  const found = [];
  if (row.precedence >= 2) {
    const chip = make("span", "chip", word("precedence", row.precedence));
    chip.dataset.precedence = row.precedence;
    found.push(chip);
  }
  if (row.mode && row.mode !== "operation" && row.mode !== "unstated") {
    const chip = make("span", "chip", word("mode", row.mode));
    chip.dataset.mode = row.mode;
    found.push(chip);
  }
  return found;
}

function block(title, className, ...children) {
  return make("div", `block ${className}`, make("h3", "", title), ...children);
}

function facts(section) {
  const list = make("dl", "facts");
  for (const fact of section.facts) {
    list.append(make("dt", "", fact.name), make("dd", fact.strong ? "strong" : "", outside(fact.value)));
  }
  return block(section.title, section.style ?? "list", list);
}

function headline(story, close) {
  const { row, verdict } = story;
  const head = make("div", "headline", mark(row.event), make("h2", "", verdict.title));
  const button = make("button", "quiet", word("ui", "close"));
  button.type = "button";
  button.addEventListener("click", close);
  const way = [row.source, row.destination].filter(Boolean).join(" → ");
  const kind = row.kind ? `${word("kind", row.kind)}  ` : "";
  head.append(button, make("p", "", ...chips(row), kind, way, make("br"), story.at));
  return head;
}

function reason(verdict) {
  const box = make("div", "reason", make("strong", "", verdict.why ?? verdict.means));
  if (verdict.hint) box.append(make("small", "", verdict.hint));
  const codes = [verdict.reason, verdict.agreement && `${word("ui", "agreement")} ${verdict.agreement}`].filter(Boolean);
  if (codes.length) box.append(make("small", "", make("code", "", codes.join("  ·  "))));
  return box;
}

function marking(story) {
  const { marking: label } = story;
  if (!label) return block(word("ui", "label"), "", make("p", "good", word("ui", "label-none")));
  const list = make("dl", "facts");
  for (const [type, tag, values] of label.categories ?? []) {
    list.append(make("dt", "", outside(tag)), make("dd", "", outside(values.join(", ")), ` (${type})`));
  }
  const plate = make("p", "plate-line", outside(label.classification, "big"), make("span", "tag", outside(label.policy)));
  return block(word("ui", "label"), "", plate, list);
}

function losses(story) {
  const list = make("ul", "ledger");
  for (const loss of story.losses ?? []) {
    const text = loss.approximated ? `${loss.text} (${word("ui", "approximated")})` : loss.text;
    list.append(make("li", "", make("code", "", outside(loss.field)), make("small", "", text)));
  }
  if (list.children.length) return block(word("ui", "losses"), "losses", list);
  return block(word("ui", "losses"), "losses", make("p", "good", word("ui", "no-losses")));
}

function derived(story) {
  const list = make("ul", "ledger");
  for (const each of story.derived ?? []) {
    const how = make("small", "", `${word("ui", "from-field")} `, outside(each.source), ": ", outside(each.rule));
    list.append(make("li", "", make("code", "", outside(each.field)), how));
  }
  return list.children.length ? block(word("ui", "derived"), "derived", list) : null;
}

// What another table of routes and agreements means, or why it was not taken.
function changes(story) {
  const list = make("ul", "ledger");
  for (const line of story.changes ?? []) list.append(make("li", "", make("code", "", outside(line))));
  return list.children.length ? block(word("ui", "changes"), "", list) : null;
}

function journey(story, select) {
  const rows = story.journey ?? [];
  if (rows.length < 2) return null;
  const list = make("ul", "ledger journey");
  for (const row of rows) {
    const item = make("li", row.seq === story.row.seq ? "here" : "", verdictOf(row), make("span", "", row.destination ?? row.source ?? ""));
    item.append(make("span", "formats", word("format", row.format_out)));
    if (row.reason) item.append(make("small", "", word("reason", row.reason)));
    item.addEventListener("click", () => select(row.seq));
    list.append(item);
  }
  return block(word("ui", "journey"), "", list);
}

function measures(story) {
  const { row } = story;
  const list = make("dl", "facts");
  const add = (name, value) => list.append(make("dt", "", word("ui", name)), make("dd", "", value));
  const formats = [row.format_in, row.format_out].filter(Boolean).map((name) => word("format", name)).join(" → ");
  if (formats) add("formats", formats);
  if (row.latency_ms !== undefined) add("delay", `${row.latency_ms} ms`);
  if (story.age_ms !== undefined) add("age", `${story.age_ms} ms`);
  if (story.bytes_out !== undefined) add("bytes", `${story.bytes_out} B`);
  return list.children.length ? block(word("ui", "measures"), "", list) : null;
}

// Everything about one outcome: the verdict and why, the label, what it says, what was lost, and what others got.
function drawStory(place, story, { close, select }) {
  const ofTheGateway = !MARKED.has(story.row.event);
  const received = story.received
    ? block(word("ui", "received-as"), "", make("pre", "received", outside(story.received)))
    : null;
  const sections = (story.sections ?? []).map(facts);
  if (!sections.length && !ofTheGateway) sections.push(make("p", "block good", word("ui", "no-meaning")));
  const known = story.sections ? [losses(story), derived(story)] : [];
  const label = story.sections || story.marking ? marking(story) : null;
  const parts = [headline(story, close), reason(story.verdict), label, changes(story), ...sections.slice(0, -2)];
  parts.push(...known, journey(story, select), measures(story), received, ...sections.slice(-2));
  place.replaceChildren(...parts.filter(Boolean));
  place.dataset.verdict = story.row.event;
}
