// Follows the live stream, draws rows in batches, filters, and opens one outcome's story.
"use strict";

const KEPT = 1000; // rows remembered for the filters
const DRAWN = 300; // rows in the page
const THEMES = ["night", "red", "day"];
const VERDICTS = ["delivered", "forwarded", "withheld", "refused"];
const QUIET_S = 60; // a flow silent for longer is pointed out

const at = (id) => document.getElementById(id);
const rows = at("rows");
const hidden = new Set();
const partners = new Set();
const state = { kept: [], fresh: [], boot: "", seen: 0, paused: false, selected: null, missed: 0, due: false, flows: [] };

// ---- rows ---------------------------------------------------------------------------------------------------------

function matches(row) {
  if (hidden.has(row.event)) return false;
  if (at("kind").value && row.kind !== at("kind").value) return false;
  const partner = at("partner").value;
  if (partner && !belongs(row.source, partner) && !belongs(row.destination, partner)) return false;
  const wanted = at("find").value.trim().toLowerCase();
  return !wanted || searchable(row).includes(wanted);
}

const belongs = (unit, partner) => unit !== undefined && unit.split("/")[0] === partner;

function searchable(row) {
  const parts = [row.gist, row.source, row.destination, row.kind, row.reason, row.marking, row.caveats, row.format_in, row.format_out, row.id];
  return parts.concat(word("reason", row.reason), word("kind", row.kind)).join(" ").replaceAll("\u00a0", " ").toLowerCase();
}

function draw(row) {
  const way = make("td", "way", make("span", "from", row.source ?? ""), make("span", "to", row.destination ?? ""));
  if (!row.destination) way.lastChild.remove();
  const say = make("div", "say", ...chips(row));
  if (row.kind) say.append(make("span", "kind", word("kind", row.kind)), outside(row.gist ?? "", "gist"));
  const what = make("td", row.reason ? "what stopped" : "what", say);
  if (row.reason) what.append(make("span", "why", word("reason", row.reason)));
  const formats = make("td", "formats", make("span", "", word("format", row.format_in)), formatOut(row));
  const delay = row.latency_ms === undefined ? "" : row.latency_ms.toFixed(1);
  const line = make("tr", "", make("td", "t", row.at), make("td", "", verdictOf(row)), way, what, formats);
  line.append(make("td", "", ...label(row)), make("td", "ms", delay));
  line.dataset.seq = row.seq;
  line.dataset.verdict = row.event;
  line.tabIndex = -1;
  line.setAttribute("role", "row"); // a row that is drawn as a grid is no longer one by itself
  for (const cell of line.children) cell.setAttribute("role", "gridcell");
  line.setAttribute("aria-selected", row.seq === state.selected);
  return line;
}

function formatOut(row) {
  if (!row.format_out) return null;
  const out = make("span", "out", word("format", row.format_out));
  if (!row.losses) return out;
  const lost = make("span", "lost", `−${row.losses}`);
  lost.title = `${row.losses} ${word("ui", "loss-count")}`;
  out.append(lost);
  return out;
}

function label(row) {
  if (!row.marking) return row.kind ? [make("span", "plate none", word("ui", "unlabelled"))] : [];
  const plate = outside(row.marking, "plate");
  plate.title = [row.marking, row.caveats].filter(Boolean).join(", ");
  return row.caveats ? [plate, outside(row.caveats, "caveats")] : [plate];
}

// Newest on top. However many arrived since the last frame, no more than fit the page are ever drawn.
function drawNewest(found) {
  const lines = found.slice(-DRAWN).reverse().map(draw);
  rows.prepend(...lines);
  while (rows.children.length > DRAWN) rows.lastChild.remove();
}

function redraw() {
  rows.replaceChildren();
  drawNewest(state.kept.filter(matches));
  tellEmpty();
}

function tellEmpty() {
  at("empty").hidden = rows.children.length > 0;
  at("empty").textContent = word("ui", state.kept.length ? "nothing" : "empty");
}

function frame() {
  state.due = false;
  if (state.paused) return tellNotice();
  const fresh = state.fresh;
  state.fresh = [];
  state.kept = state.kept.concat(fresh).slice(-KEPT);
  drawNewest(fresh.filter(matches));
  tellEmpty();
  tellNotice();
}

function schedule() {
  if (state.due) return;
  state.due = true;
  requestAnimationFrame(frame);
}

function tellNotice() {
  const notes = [];
  if (state.paused) notes.push(`${word("ui", "paused")}: ${state.fresh.filter(matches).length} ${word("ui", "waiting")}.`);
  if (state.missed) notes.push(`${state.missed} ${word("ui", "missed")}.`);
  at("notice").hidden = notes.length === 0;
  if (at("notice").textContent !== notes.join(" ")) at("notice").textContent = notes.join(" ");
}

// ---- the stream ---------------------------------------------------------------------------------------------------

function follow() {
  const stream = new EventSource("/events");
  stream.addEventListener("update", (event) => take(event.lastEventId, JSON.parse(event.data)));
  stream.addEventListener("open", () => tellLine("live"));
  stream.addEventListener("error", () => {
    tellLine("lost");
    // A browser gives up for good after an answer such as 503; we do not.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

function take(place, update) {
  const boot = place.split("-")[0];
  if (boot !== state.boot) forget(boot);
  const fresh = (update.rows ?? []).filter((row) => row.seq > state.seen);
  if (fresh.length) state.seen = fresh[fresh.length - 1].seq;
  state.fresh = state.fresh.concat(fresh).slice(-KEPT);
  state.missed += update.missed ?? 0;
  state.flows = update.flows;
  for (const verdict of VERDICTS) at(`total-${verdict}`).textContent = (update.totals[verdict] ?? 0).toLocaleString("en");
  fresh.forEach(learnPartners);
  if (fresh.length) askWaiting();
  schedule();
}

// The gateway started anew: its numbers begin again, and what was shown belongs to another run.
function forget(boot) {
  Object.assign(state, { boot, kept: [], fresh: [], seen: 0, missed: 0 });
  rows.replaceChildren();
  closeStory();
}

function learnPartners(row) {
  for (const unit of [row.source, row.destination]) {
    const partner = unit?.split("/")[0];
    if (!partner || partners.has(partner)) continue;
    partners.add(partner);
    const option = make("option", "", partner);
    option.value = partner;
    const after = [...at("partner").options].slice(1).find((each) => each.value > partner);
    at("partner").insertBefore(option, after ?? null);
  }
}

function tellLine(line) {
  at("line").dataset.line = line;
  at("line-text").textContent = word("ui", line);
}

function drawFlows() {
  const now = Date.now();
  at("flows").replaceChildren(...state.flows.map((flow) => drawFlow(flow, now)));
}

function drawFlow(flow, now) {
  const silence = flow.last === null ? null : Math.max(0, Math.round((now - Date.parse(flow.last)) / 1000));
  const quiet = silence !== null && silence > QUIET_S;
  const last = silence === null ? word("ui", "never") : `${span(silence)} ${word("ui", "ago")}`;
  const stopped = make("td", flow.stopped ? "num" : "num zero", String(flow.stopped));
  const way = make("td", "way", make("span", "from", flow.source), make("span", "to", flow.destination));
  return make("tr", "", way, make("td", "num", flow.passed.toLocaleString("en")), stopped, make("td", quiet ? "num quiet-flow" : "num", last));
}

function span(seconds) {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

// ---- what waits for acknowledgement -------------------------------------------------------------------------------

const desk = { token: "", waiting: [], more: 0, asking: false, again: false };

// Asked for when something passed, so that silence costs nothing; at most once a second.
async function askWaiting() {
  if (desk.asking) return void (desk.again = true);
  desk.asking = true;
  desk.again = false;
  try {
    const response = await fetch("/waiting");
    if (response.ok) Object.assign(desk, await response.json());
    drawWaiting();
  } catch {
    tellTimes(); // the gateway is away; the line at the top says so, and what was known stays
  }
  setTimeout(() => {
    desk.asking = false;
    if (desk.again) askWaiting();
  }, 1000);
}

// What waits already keeps its place and its button, so that a click is never lost to a redraw.
function drawWaiting() {
  const known = new Map([...at("waiting").children].map((line) => [line.dataset.step, line]));
  const lines = desk.waiting.map((each) => known.get(step(each)) ?? drawAsked(each));
  if (lines.length !== known.size || lines.some((line, index) => line !== at("waiting").children[index])) {
    at("waiting").replaceChildren(...lines);
  }
  at("waiting-panel").hidden = lines.length === 0;
  at("waiting-count").textContent = desk.more ? `${lines.length} + ${desk.more} ${word("ui", "more")}` : String(lines.length);
  tellTimes();
}

const step = (each) => [each.key, ...each.asked].join(" ");

function tellTimes() {
  for (const until of at("waiting").querySelectorAll(".until")) {
    const left = Math.round((Date.parse(until.dataset.due) - Date.now()) / 1000);
    until.classList.toggle("late", left < 0);
    const waited = `${word("ui", "waits")} ${span(Math.max(0, Math.round((Date.now() - Date.parse(until.dataset.since)) / 1000)))}`;
    until.textContent = `${waited}, ${left < 0 ? word("ui", "overdue") : `${span(left)} ${word("ui", "left")}`}`;
  }
}

function drawAsked(each) {
  const unit = each.asked[each.asked.length - 1];
  const way = make("div", "way", make("span", "from", each.source ?? ""), make("span", "to", unit));
  const steps = each.asked.length > 1 ? [make("span", "chip", word("ui", "gone-on"))] : [];
  const say = make("div", "say", ...steps, ...chips(each), make("span", "kind", word("kind", each.kind)), outside(each.gist, "gist"));
  const until = make("span", "until");
  until.dataset.due = each.due;
  until.dataset.since = each.since;
  const button = make("button", "", word("ui", "acknowledge"));
  button.type = "button";
  button.dataset.key = each.key;
  button.setAttribute("aria-label", `${word("ui", "acknowledge")}: ${unit}, ${word("kind", each.kind)}`);
  const line = make("li", "", make("div", "", way, say), button, until);
  line.dataset.step = step(each);
  return line;
}

async function acknowledge(button) {
  button.disabled = true;
  try {
    const headers = { "x-comity-token": desk.token };
    await fetch(`/waiting/${encodeURIComponent(button.dataset.key)}`, { method: "POST", headers });
  } catch {
    button.disabled = false; // the gateway is away; it still waits, and the line at the top says so
  }
  askWaiting();
}

// ---- one story ----------------------------------------------------------------------------------------------------

async function select(seq) {
  state.selected = seq;
  for (const line of rows.children) line.setAttribute("aria-selected", Number(line.dataset.seq) === seq);
  let story = null;
  let answer = "failed";
  try {
    const response = await fetch(`/records/${seq}`);
    if (response.ok) story = await response.json();
    if (response.status === 404) answer = "gone";
  } catch {
    answer = "failed"; // the gateway is away; the line at the top says so too
  }
  if (state.selected !== seq) return;
  if (story) drawStory(at("story"), story, { close: closeStory, select });
  else at("story").replaceChildren(make("p", "block", word("ui", answer)));
  at("story").hidden = false;
  at("flows-panel").hidden = true;
  at("side").scrollTop = 0;
}

function closeStory() {
  state.selected = null;
  for (const line of rows.children) line.setAttribute("aria-selected", false);
  at("story").hidden = true;
  at("story").replaceChildren();
  at("flows-panel").hidden = false;
}

function move(step) {
  const lines = [...rows.children];
  if (!lines.length) return;
  const here = lines.findIndex((line) => Number(line.dataset.seq) === state.selected);
  const next = lines[Math.min(lines.length - 1, Math.max(0, here + step))];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  select(Number(next.dataset.seq));
}

// ---- controls -----------------------------------------------------------------------------------------------------

function pause(paused) {
  state.paused = paused;
  at("pause").setAttribute("aria-pressed", paused);
  at("pause-text").textContent = word("ui", paused ? "resume" : "pause");
  schedule();
}

function toggle(verdict) {
  const button = document.querySelector(`.tally[data-verdict="${verdict}"]`);
  const show = hidden.has(verdict);
  if (show) hidden.delete(verdict);
  else hidden.add(verdict);
  button.setAttribute("aria-pressed", show);
  redraw();
}

function dress(theme) {
  const known = THEMES.includes(theme) ? theme : THEMES[0];
  document.documentElement.dataset.theme = known;
  at("theme").value = known;
  try {
    localStorage.setItem("comity-theme", known);
  } catch {
    return; // a browser that keeps nothing still shows the theme
  }
}

function remembered() {
  try {
    return localStorage.getItem("comity-theme");
  } catch {
    return null;
  }
}

const KEYS = {
  " ": () => pause(!state.paused),
  p: () => pause(!state.paused),
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "/": () => at("find").focus(),
  t: () => dress(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]),
  "?": () => at("help").showModal(),
  Escape: closeStory,
};

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || at("help").open) return;
  const typing = event.target.closest("input, select");
  if (typing && event.key === "Escape") return typing.blur();
  if (typing || (event.key === " " && event.target.closest("button"))) return;
  const verdict = VERDICTS[Number(event.key) - 1];
  const act = verdict ? () => toggle(verdict) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

rows.addEventListener("click", (event) => {
  const line = event.target.closest("tr");
  if (line) select(Number(line.dataset.seq));
});
for (const verdict of VERDICTS) {
  document.querySelector(`.tally[data-verdict="${verdict}"]`).addEventListener("click", () => toggle(verdict));
}
at("waiting").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  acknowledge(button);
});
for (const id of ["kind", "partner"]) at(id).addEventListener("change", redraw);
at("find").addEventListener("input", redraw);
at("pause").addEventListener("click", () => pause(!state.paused));
at("theme").addEventListener("change", () => dress(at("theme").value));
at("help-open").addEventListener("click", () => at("help").showModal());
document.addEventListener("keydown", press);

function tick() {
  at("clock").textContent = `${new Date().toISOString().slice(11, 19)}Z`;
  drawFlows();
  tellTimes();
}

dress(remembered());
tick();
setInterval(tick, 1000);
askWaiting();
follow();
