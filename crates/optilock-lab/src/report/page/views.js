// The views. Each is {id, name, show() -> elements}; `views()` gives those that the data can fill.

const data = JSON.parse(document.getElementById("data").textContent);
const histories = data.histories.map((raw) => new History(raw));
const runs = data.summaries.flatMap((summary) =>
  summary.document.runs.map((run) => ({ ...run, from: summary.name, target: summary.document.target })));
const timelines = histories.map((history) => new Timeline(history));
let chosen = 0;

const PARTS = { throttle: "client throttle", backoff: "backoff", wait: "lock, batch or watch", read: "GET", applied: "write applied", conflict: "write refused: conflict", refused: "refused otherwise", unknown: "no answer that tells", other: "between requests" };

function views() {
  const all = [];
  if (histories.length > 0) {
    all.push({ id: "overview", name: "Overview", show: () => perHistory(overview) });
    all.push({ id: "timeline", name: "Timeline", show: () => perHistory(timeline) });
    all.push({ id: "versions", name: "Versions", show: () => perHistory(versions) });
    all.push({ id: "time", name: "Time", show: () => perHistory(time) });
    all.push({ id: "waits", name: "Latency and waits", show: () => perHistory(waits) });
    all.push({ id: "verdict", name: "Verdict", show: () => perHistory(verdict) });
  }
  if (runs.length > 0) all.push({ id: "runs", name: "Runs", show: runsView });
  if (sides().length > 1) all.push({ id: "compare", name: "Compare", show: compare });
  return all;
}

/** A view of one history, with a choice where there are several. */
function perHistory(show) {
  const content = show(histories[chosen], chosen);
  if (histories.length === 1) return content;
  const options = histories.map((history, index) => el("option", { value: index, selected: index === chosen }, history.name));
  const choose = (event) => {
    chosen = Number(event.target.value);
    route();
  };
  return [el("div", { class: "bar" }, el("label", {}, "History ", el("select", { onchange: choose }, options))), ...content];
}

function tiles(entries) {
  return el("div", { class: "tiles" }, entries.map(([name, value, title]) => el("div", { class: "tile", title }, el("b", {}, value), el("span", {}, name))));
}

/** Text, and a button that copies it. */
function copied(text) {
  const copy = (event) => navigator.clipboard?.writeText(text).then(() => (event.target.textContent = "Copied"), () => (event.target.textContent = "Not allowed here"));
  return el("div", {}, el("pre", {}, text), el("div", { class: "bar" }, el("button", { type: "button", onclick: copy }, "Copy")));
}

function banner(history) {
  const { verdict: { ok, rules } } = history;
  const names = rules.filter((rule) => rule.violated > 0).map((rule) => `${rule.rule} (${count(rule.violated)})`);
  return el("p", { class: `banner ${ok ? "good" : "bad"}` }, ok ? "✓ No update was lost or doubled." : `✗ Violated: ${names.join(", ")}`);
}

function overview(history) {
  const figures = history.figures();
  const { applied, requests } = figures;
  const parts = history.time(history.updates);
  const whole = Object.values(parts).reduce((a, b) => a + b, 0);
  const shown = [
    ["updates applied", `${count(applied)} of ${count(figures.begun)}`],
    ["conflicts", `${count(figures.conflicts)} (${percent(figures.writes ? figures.conflicts / figures.writes : null)})`, "As a share of all writes"],
    ["requests", count(requests)],
    ["requests per update", count(applied ? requests / applied : null), "One write each is the least, where nothing is combined"],
    ["took", duration(figures.took)],
    ["updates per second", count(figures.took ? applied / (figures.took / 1e9) : null)],
    ["abandoned", count(figures.abandoned)],
    ["unknown", count(figures.unknown)],
    ["longest update", duration(figures.longest)],
    ["fairness (Jain)", count(figures.jain), "1 where every worker got as many updates in as every other"],
  ];
  const { header } = history;
  const repeats = data.summaries.map((summary) => summary.document.command).filter(Boolean);
  return [
    banner(history),
    tiles(shown),
    el("h2", {}, "Where the time of the updates went"),
    stack(parts, whole, PARTS),
    legend(Object.keys(parts).filter((part) => parts[part] > 0).map((part) => [part, `${PARTS[part]}: ${duration(parts[part])} (${percent(parts[part] / whole)})`])),
    el("h2", {}, "The run"),
    el("p", {}, `${plural(history.workers, "worker")}, ${plural(history.objects.length, "object")} on ${header.target}, seed ${header.seed}${header.clock === "virtual" ? ", in virtual time" : ""}.`),
    ...(repeats.length > 0 ? [el("h2", {}, "The same again"), ...[...new Set(repeats)].map(copied)] : []),
  ];
}

function timeline(history, index) {
  return [el("h2", {}, "Who asked when, and what came of it"), ...timelines[index].view()];
}

/** A long table in pages. */
function paged(columns, rows, size = 100) {
  let page = 0;
  const box = el("div");
  const last = Math.max(0, Math.ceil(rows.length / size) - 1);
  const turn = (by) => {
    page = Math.min(last, Math.max(0, page + by));
    const part = rows.slice(page * size, (page + 1) * size);
    const bar = el("div", { class: "bar" },
      el("button", { type: "button", disabled: page === 0, onclick: () => turn(-1) }, "◀ Before"),
      el("span", { class: "faint" }, `${count(page * size + 1)}–${count(page * size + part.length)} of ${count(rows.length)}`),
      el("button", { type: "button", disabled: page === last, onclick: () => turn(1) }, "Next ▶"));
    box.replaceChildren(table(columns, part), ...(last > 0 ? [bar] : []));
  };
  turn(0);
  return box;
}

function versions(history) {
  const { versions: made } = history;
  if (made.length === 0) return [el("p", { class: "faint" }, "No write of this history made a version.")];
  const strange = made.filter((version) => !version.follows).length;
  const winner = (version) => history.rowName(history.rowOf(version.op));
  const points = made.filter((version) => history.worker[version.op] >= 0).slice(0, 2000)
    .map((version) => ({ lane: history.worker[version.op], text: history.tell(version.op), bad: !version.follows }));
  const columns = [
    { head: "object", words: true, value: (v) => history.object[v.op], show: (v) => history.objects[history.object[v.op]].name },
    { head: "base", value: (v) => history.base[v.op], show: (v) => (history.base[v.op] < 0 ? "–" : String(history.base[v.op])) },
    { head: "version", value: (v) => history.rv[v.op], show: (v) => String(history.rv[v.op]) },
    { head: "follows", words: true, long: true, value: (v) => Number(v.follows), show: (v) => (v.first ? "first here" : v.follows ? "✓" : el("span", { class: "bad" }, "not the version before")) },
    { head: "by", words: true, value: (v) => history.worker[v.op], show: winner },
    { head: "at", value: (v) => history.end[v.op], show: (v) => duration(history.end[v.op]) },
    { head: "", words: true, show: (v) => showButton(history, history.update[v.op]) },
  ];
  const about = strange === 0
    ? "Every version was made from the one before."
    : `${count(strange)} were not made from the version before in this history: others wrote in between, a write's answer was lost, or an update was. The verdict tells which.`;
  return [
    el("h2", {}, "Who made each version"),
    el("p", {}, `${count(made.length)} versions. ${about}`),
    ...(points.length > 1 ? [lanes(points, history.workerNumbers.map((number) => `w-${number}`), "The worker that made each version, in their order")] : []),
    ...(made.length > points.length && points.length === 2000 ? [el("p", { class: "faint" }, "The picture shows the first 2,000.")] : []),
    el("h2", {}, "The chain"),
    paged(columns, made),
  ];
}

function showButton(history, id) {
  const update = history.updates.find((one) => one.id === id);
  if (!update) return "";
  const show = () => {
    timelines[histories.indexOf(history)].mark(update);
    location.hash = "timeline";
  };
  return el("button", { type: "button", onclick: show }, "Show");
}

function time(history) {
  const byWorker = Array.from({ length: history.workers }, () => []);
  for (const update of history.updates) byWorker[update.worker].push(update);
  const rows = byWorker.map((updates, worker) => ({ name: history.rowName(worker), parts: history.time(updates) }))
    .map((row) => ({ ...row, whole: Object.values(row.parts).reduce((a, b) => a + b, 0) }));
  rows.sort((a, b) => b.whole - a.whole);
  const most = rows[0]?.whole ?? 0;
  const shown = rows.slice(0, 50);
  const used = Object.keys(PARTS).filter((part) => rows.some((row) => row.parts[part] > 0));
  return [
    el("h2", {}, "Where each worker's updates spent their time"),
    legend(used.map((part) => [part, PARTS[part]])),
    el("div", { class: "rows" }, shown.flatMap((row) => [el("span", {}, row.name), stack(row.parts, most, PARTS), el("span", {}, duration(row.whole))])),
    ...(rows.length > shown.length ? [el("p", { class: "faint" }, `The ${shown.length} that took longest of ${count(rows.length)}.`)] : []),
  ];
}

function waits(history) {
  const applied = history.updates.filter((update) => update.state === "applied");
  const most = applied.reduce((a, update) => Math.max(a, update.writes), 0);
  const attempts = new Array(most + 1).fill(0);
  for (const update of applied) attempts[update.writes]++;
  const rows = attempts.map((amount, tries) => ({ tries, amount })).filter((row) => row.amount > 0);
  const columns = [
    { head: "writes", value: (row) => row.tries },
    { head: "updates", value: (row) => row.amount },
    { head: "share", value: (row) => row.amount, show: (row) => percent(row.amount / applied.length) },
  ];
  return [
    el("h2", {}, "How long applied updates took"),
    histogram(applied.map((update) => update.end - update.start), "Latency"),
    el("h2", {}, "How much of it was no request"),
    el("p", { class: "faint" }, "Throttle, backoff, locks and whatever else lay between the requests of an update."),
    histogram(applied.map((update) => Math.max(0, update.end - update.start - update.requested)).filter((wait) => wait > 0), "Waits"),
    el("h2", {}, "How often they had to write"),
    table(columns, rows),
  ];
}

function verdict(history) {
  const { rules, violations, totals } = history.verdict;
  const columns = [
    { head: "rule", words: true, value: (row) => row.rule, show: (row) => row.rule },
    { head: "checked", value: (row) => row.checked },
    { head: "violated", value: (row) => row.violated, show: (row) => (row.violated ? el("b", { class: "bad" }, count(row.violated)) : "0") },
  ];
  const excerpt = (violation) => violation.excerpt.map(({ line, record }) => `line ${line}: ${JSON.stringify(record)}`).join("\n");
  const ids = (violation) => (history.opIds ? violation.op_ids.map((id) => history.opIds.indexOf(id)) : []);
  const found = violations.map((violation) => el("section", {},
    el("h2", {}, violation.rule),
    el("p", { class: "bad" }, violation.message),
    el("pre", {}, excerpt(violation)),
    el("div", { class: "bar" }, ids(violation).slice(0, 1).map((id) => showButton(history, id)))));
  return [
    banner(history),
    el("p", {}, `${count(totals.operations)} operations on ${plural(totals.objects, "object")}: ${count(totals.writes)} writes, ${count(totals.reads)} reads, ${count(totals.conflicts)} conflicts, ${count(totals.refused)} refused, ${count(totals.unknown)} unknown; ${count(totals.watch_events)} watch events.`),
    ...found,
    el("h2", {}, "The rules"),
    table(columns, rules),
  ];
}

const RUN_COLUMNS = [
  { head: "strategy", words: true, value: (run) => run.strategy, show: (run) => el("span", { title: run.parameters }, run.strategy) },
  { head: "workers", value: (run) => run.workers },
  { head: "applied", value: (run) => run.updates.applied, show: (run) => `${count(run.updates.applied)} of ${count(run.updates.begun)}` },
  { head: "lost", title: "Acknowledged updates that the counter lacks", value: (run) => run.counter.lost, show: (run) => alarm(run.counter.lost) },
  { head: "doubled", title: "Updates in the counter beyond those that were asked for", value: (run) => run.counter.excess, show: (run) => alarm(run.counter.excess) },
  { head: "requests per update", value: (run) => run.requests_per_update },
  { head: "conflicts", title: "As a share of all writes", value: (run) => run.conflict_rate, show: (run) => percent(run.conflict_rate) },
  { head: "took", value: (run) => run.took_ns, show: (run) => duration(run.took_ns) },
  { head: "updates/s", value: (run) => rate(run) },
  { head: "p50", value: (run) => run.latency?.p50_ns, show: (run) => duration(run.latency?.p50_ns) },
  { head: "p99", value: (run) => run.latency?.p99_ns, show: (run) => duration(run.latency?.p99_ns) },
  { head: "longest wait", value: (run) => run.longest_wait_ns, show: (run) => duration(run.longest_wait_ns) },
  { head: "Jain", value: (run) => run.jain },
  { head: "verdict", words: true, long: true, value: (run) => Number(run.verdict.ok), show: (run) => (run.verdict.ok ? "✓" : el("span", { class: "bad" }, `✗ ${run.verdict.violated.map((one) => one.rule).join(", ")}`)) },
];

function alarm(value) {
  return value ? el("b", { class: "bad" }, count(value)) : "0";
}

function rate(run) {
  return run.took_ns ? run.updates.applied / (run.took_ns / 1e9) : null;
}

function runsView() {
  const names = [...new Set(runs.map((run) => run.strategy))];
  const point = (run) => [run.workers, run.requests_per_update, `${run.strategy}, ${run.workers} workers: ${count(run.requests_per_update)} requests per update, ${percent(run.conflict_rate)} conflicts`];
  const curves = names.map((name) => ({ name, points: runs.filter((run) => run.strategy === name && run.requests_per_update).map(point) }));
  const least = { name: "least", dashed: true, points: runs.map((run) => [run.workers, run.least.requests_per_update]) };
  const parts = { throttle: "throttle_ns", backoff: "backoff_ns", wait: "wait_ns", read: "get_ns", applied: "write_ns", other: "other_ns" };
  const split = (run) => Object.fromEntries(Object.entries(parts).map(([name, field]) => [name, run.time[field]]));
  const sum = (run) => Object.values(split(run)).reduce((a, b) => a + b, 0);
  const words = { ...PARTS, applied: "writes" };
  return [
    el("h2", {}, "Requests per update against the number of writers"),
    lines([...curves, ...(names.length === 1 ? [least] : [])], "writers", "requests per update"),
    legend(names.map((name, index) => [series(index).colour, name, series(index).dashes])),
    el("h2", {}, "All runs"),
    table(RUN_COLUMNS, runs),
    el("h2", {}, "Where the time went"),
    legend(Object.keys(parts).map((part) => [part, words[part]])),
    el("div", { class: "rows" }, runs.flatMap((run) => [el("span", {}, `${run.strategy} × ${run.workers}`), stack(split(run), sum(run), words), el("span", {}, duration(sum(run) / Math.max(1, run.updates.begun)) + " each")])),
    el("h2", {}, "The same again"),
    ...data.summaries.map((summary) => copied(summary.document.command)),
  ];
}

/** What can be set side by side: runs of summaries, else whole histories. */
function sides() {
  if (runs.length > 1) {
    return runs.map((run) => ({ name: `${run.strategy} × ${run.workers}${data.summaries.length > 1 ? ` (${run.from})` : ""}`, figures: [
      ["updates applied", run.updates.applied], ["abandoned", run.updates.abandoned], ["lost", run.counter.lost], ["doubled", run.counter.excess],
      ["requests", run.requests.get + run.requests.update + run.requests.patch + run.requests.other], ["requests per update", run.requests_per_update],
      ["conflict rate", run.conflict_rate, percent], ["took", run.took_ns, duration], ["updates per second", rate(run)],
      ["latency p50", run.latency?.p50_ns, duration], ["latency p99", run.latency?.p99_ns, duration], ["longest wait", run.longest_wait_ns, duration], ["fairness (Jain)", run.jain]] }));
  }
  return histories.map((history) => {
    const figures = history.figures();
    return { name: history.name, figures: [
      ["updates applied", figures.applied], ["abandoned", figures.abandoned], ["unknown", figures.unknown], ["requests", figures.requests],
      ["requests per update", figures.applied ? figures.requests / figures.applied : null], ["conflict rate", figures.writes ? figures.conflicts / figures.writes : null, percent],
      ["took", figures.took, duration], ["updates per second", figures.took ? figures.applied / (figures.took / 1e9) : null], ["longest update", figures.longest, duration], ["fairness (Jain)", figures.jain]] };
  });
}

function compare() {
  const all = sides();
  const box = el("div");
  let picked = [0, 1];
  const ratio = (row) => (row.a && row.b !== null && row.b !== undefined ? row.b / row.a : null);
  const fill = () => {
    const [a, b] = picked.map((index) => all[index]);
    const rows = a.figures.map(([name, value, show = count], at) => ({ name, a: value, b: b.figures[at][1], show }));
    const columns = [
      { head: "", words: true, show: (row) => row.name },
      { head: a.name, show: (row) => row.show(row.a) },
      { head: b.name, show: (row) => row.show(row.b) },
      { head: "second : first", show: (row) => (ratio(row) === null ? "–" : `${count(ratio(row))} ×`) },
    ];
    box.replaceChildren(table(columns, rows));
  };
  const choice = (side, label) => {
    const options = all.map((one, index) => el("option", { value: index, selected: index === picked[side] }, one.name));
    const choose = (event) => {
      picked[side] = Number(event.target.value);
      fill();
    };
    return el("label", {}, `${label} `, el("select", { onchange: choose }, options));
  };
  fill();
  return [el("h2", {}, "Two runs side by side"), el("div", { class: "bar" }, choice(0, "First"), choice(1, "Second")), box];
}
