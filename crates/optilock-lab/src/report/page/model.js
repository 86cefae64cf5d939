// The histories, as Rust has written them: a column for each field, so that 100,000 operations stay small.

const VERBS = ["create", "get", "update", "patch", "delete"];
const OUTCOMES = ["applied", "conflict", "refused", "unknown"];
const GET = 1;
const [APPLIED, CONFLICT, , UNKNOWN] = [0, 1, 2, 3];

/** A history with its columns as typed arrays, its times in nanoseconds, and what follows from them. */
class History {
  constructor(raw) {
    this.name = raw.name;
    this.header = raw.header;
    this.verdict = raw.verdict;
    this.objects = raw.objects;
    this.workerNumbers = raw.workers;
    this.workers = raw.workers.length;
    this.opIds = raw.op_ids;
    this.whats = raw.whats;
    const { ops, spans, unit_ns: unit } = raw;
    this.size = ops.start.length;
    this.verb = Uint8Array.from(ops.verb);
    this.outcome = Uint8Array.from(ops.outcome);
    this.worker = Int32Array.from(ops.worker);
    this.object = Int32Array.from(ops.object);
    this.update = Int32Array.from(ops.update);
    this.base = Float64Array.from(ops.base);
    this.rv = Float64Array.from(ops.rv);
    this.line = Int32Array.from(ops.line);
    this.start = new Float64Array(this.size);
    this.end = new Float64Array(this.size);
    let clock = 0;
    for (let op = 0; op < this.size; op++) {
      clock += ops.start[op] * unit;
      this.start[op] = clock;
      this.end[op] = clock + ops.took[op] * unit;
    }
    this.spans = {
      size: spans.op.length,
      op: Int32Array.from(spans.op),
      what: Uint8Array.from(spans.what),
      start: Float64Array.from(spans.start, (at) => at * unit),
      end: Float64Array.from(spans.start, (at, index) => (at + spans.took[index]) * unit),
    };
    this.from = 0;
    this.to = this.end.reduce((most, end) => Math.max(most, end), 1);
    this.updates = this.gather();
    this.versions = this.chain();
    this.rowsOf();
  }

  /** The updates of workers: those that mean to change something. */
  gather() {
    const known = new Map();
    for (let op = 0; op < this.size; op++) {
      if (this.worker[op] < 0) continue;
      let update = known.get(this.update[op]);
      if (!update) {
        update = { id: this.update[op], worker: this.worker[op], start: this.start[op], end: this.end[op], ops: [], spans: [], writes: 0, conflicts: 0, requested: 0, state: "abandoned" };
        known.set(this.update[op], update);
      }
      update.ops.push(op);
      update.start = Math.min(update.start, this.start[op]);
      update.end = Math.max(update.end, this.end[op]);
      update.requested += this.end[op] - this.start[op];
      if (this.verb[op] === GET) continue;
      update.writes++;
      if (this.outcome[op] === CONFLICT) update.conflicts++;
      if (this.outcome[op] === APPLIED) update.state = "applied";
      else if (this.outcome[op] === UNKNOWN && update.state !== "applied") update.state = "unknown";
    }
    // A wait before the first request is part of the update.
    for (let span = 0; span < this.spans.size; span++) {
      const update = known.get(this.update[this.spans.op[span]]);
      if (!update) continue;
      update.spans.push(span);
      update.start = Math.min(update.start, this.spans.start[span]);
    }
    return [...known.values()].filter((update) => update.writes > 0);
  }

  /** The versions that acknowledged writes made, by object and in their order. */
  chain() {
    const made = [];
    for (let op = 0; op < this.size; op++) {
      const done = this.verb[op] !== GET && this.outcome[op] === APPLIED;
      if (done && this.rv[op] >= 0 && this.rv[op] !== this.base[op]) made.push(op);
    }
    made.sort((a, b) => this.object[a] - this.object[b] || this.rv[a] - this.rv[b]);
    return made.map((op, index) => {
      const before = made[index - 1];
      const first = before === undefined || this.object[before] !== this.object[op];
      return { op, first, follows: first || this.base[op] < 0 || this.base[op] === this.rv[before] };
    });
  }

  /** The rows of the timeline: a worker each, and one for requests around them where there are any. */
  rowsOf() {
    const alone = this.worker.includes(-1);
    this.rowCount = this.workers + (alone ? 1 : 0);
    this.rowOf = (op) => (this.worker[op] < 0 ? this.workers : this.worker[op]);
    this.rowName = (row) => (row === this.workers ? "others" : `worker-${this.workerNumbers[row]}`);
  }

  /** What a run comes to, as far as requests tell it. */
  figures() {
    const figures = { begun: this.updates.length, applied: 0, abandoned: 0, unknown: 0, requests: 0, gets: 0, writes: 0, conflicts: 0 };
    const perWorker = new Float64Array(this.workers);
    for (const update of this.updates) {
      figures[update.state]++;
      if (update.state === "applied") perWorker[update.worker]++;
    }
    let first = Infinity;
    let last = 0;
    for (let op = 0; op < this.size; op++) {
      if (this.worker[op] < 0) continue;
      figures.requests++;
      if (this.verb[op] === GET) figures.gets++;
      else figures.writes++;
      if (this.outcome[op] === CONFLICT) figures.conflicts++;
      first = Math.min(first, this.start[op]);
      last = Math.max(last, this.end[op]);
    }
    figures.took = last > first ? last - first : 0;
    const sum = perWorker.reduce((a, b) => a + b, 0);
    const squares = perWorker.reduce((a, b) => a + b * b, 0);
    figures.jain = this.workers > 1 && squares > 0 ? (sum * sum) / (this.workers * squares) : null;
    figures.longest = this.updates.reduce((most, update) => Math.max(most, update.end - update.start), 0);
    return figures;
  }

  /** Which part of the time a request belongs to; also the name of its colour. */
  part(op) {
    return this.verb[op] === GET ? "read" : OUTCOMES[this.outcome[op]];
  }

  /** Where the time of these updates went, in nanoseconds. */
  time(updates) {
    const parts = { throttle: 0, backoff: 0, wait: 0, read: 0, applied: 0, conflict: 0, refused: 0, unknown: 0, other: 0 };
    for (const update of updates) {
      let known = 0;
      for (const op of update.ops) {
        const took = this.end[op] - this.start[op];
        parts[this.part(op)] += took;
        known += took;
      }
      parts.other += Math.max(0, update.end - update.start - known);
    }
    for (const span of updates.flatMap((update) => update.spans)) {
      const op = this.spans.op[span];
      const what = this.whats[this.spans.what[span]];
      if (what === "server") continue;
      const took = this.spans.end[span] - this.spans.start[span];
      const inside = Math.max(0, Math.min(this.spans.end[span], this.end[op]) - Math.max(this.spans.start[span], this.start[op]));
      parts[what === "throttle" || what === "backoff" ? what : "wait"] += took;
      parts[this.part(op)] -= inside;
      parts.other = Math.max(0, parts.other - (took - inside));
    }
    return parts;
  }

  tell(op) {
    const id = this.opIds ? this.opIds[this.update[op]] : `#${this.update[op]}`;
    const version = this.verb[op] === GET ? `, version ${this.rv[op]}` : `, base ${this.base[op]}${this.rv[op] >= 0 ? `, made ${this.rv[op]}` : ""}`;
    const known = this.base[op] >= 0 || this.rv[op] >= 0 ? version.replace("base -1", "no base").replace("version -1", "no version") : "";
    return `${this.rowName(this.rowOf(op))}: ${VERBS[this.verb[op]]} ${OUTCOMES[this.outcome[op]]}${known}\n${duration(this.end[op] - this.start[op])} from ${duration(this.start[op])}\nupdate ${id}, line ${this.line[op]}`;
  }
}
