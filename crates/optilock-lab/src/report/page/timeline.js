// Workers over time: their requests, waits and winners. Drawn on a canvas, of which only what can be seen is painted.

class Timeline {
  constructor(history) {
    this.history = history;
    this.from = history.from;
    this.to = history.to;
    this.marked = null;
    this.gutter = 84;
    this.axis = 22;
    this.rowHeight = Math.max(3, Math.min(22, Math.floor(640 / history.rowCount)));
    this.byRow = Array.from({ length: history.rowCount }, () => []);
    for (let op = 0; op < history.size; op++) this.byRow[history.rowOf(op)].push(op);
    // By binary search the first request that can be seen is found, if none before it reaches further.
    this.reach = this.byRow.map((ops) => {
      let most = 0;
      return Float64Array.from(ops, (op) => (most = Math.max(most, history.end[op])));
    });
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": this.words() });
    this.listen();
    this.colours();
  }

  words() {
    const { rowCount, size, to } = this.history;
    return `${count(size)} requests in ${rowCount} rows over ${duration(to)}. Arrow keys move, plus and minus zoom, 0 shows all.`;
  }

  view() {
    const button = (text, title, act) => el("button", { type: "button", title, onclick: act }, text);
    const bar = el(
      "div",
      { class: "bar" },
      button("+", "Zoom in", () => this.zoom(0.5)),
      button("−", "Zoom out", () => this.zoom(2)),
      button("◀", "Earlier", () => this.move(-0.5)),
      button("▶", "Later", () => this.move(0.5)),
      button("All", "Show all", () => this.show(this.history.from, this.history.to)),
      el("span", { class: "faint" }, "Drag to move, wheel with Ctrl or a pinch to zoom, double-click to zoom in."),
    );
    const parts = [["read", "GET"], ["applied", "write applied"], ["conflict", "write refused: conflict"], ["refused", "refused otherwise"], ["unknown", "no answer that tells"], ["throttle", "throttle"], ["backoff", "backoff"], ["wait", "lock, batch or watch"]];
    const frame = el("div", { class: "frame" }, this.canvas);
    this.observer = new ResizeObserver(() => this.paintSoon());
    this.observer.observe(frame);
    return [bar, legend(parts), frame];
  }

  colours() {
    const names = ["read", "applied", "conflict", "refused", "unknown", "throttle", "backoff", "wait", "text", "faint", "line", "ground", "accent", "raised"];
    this.palette = Object.fromEntries(names.map((name) => [name, colour(name)]));
  }

  show(from, to) {
    const { history } = this;
    const least = Math.max(1, (history.to - history.from) / 1e7);
    const width = Math.min(Math.max(to - from, least), history.to - history.from);
    this.from = Math.min(Math.max(history.from, from), history.to - width);
    this.to = this.from + width;
    this.paintSoon();
  }

  zoom(by, at = 0.5) {
    const width = this.to - this.from;
    const fixed = this.from + at * width;
    this.show(fixed - at * width * by, fixed + (1 - at) * width * by);
  }

  move(by) {
    const width = this.to - this.from;
    this.show(this.from + by * width, this.to + by * width);
  }

  /** Brings an update into view. */
  mark(update) {
    this.marked = update.id;
    const margin = Math.max((update.end - update.start) * 0.5, 1);
    this.show(update.start - margin, update.end + margin);
  }

  paintSoon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  paint() {
    const { history, canvas, palette, gutter, axis, rowHeight } = this;
    const width = canvas.parentElement?.clientWidth ?? 0;
    if (width === 0) return;
    const height = axis + history.rowCount * rowHeight + 4;
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = palette.ground;
    pen.fillRect(0, 0, width, height);
    const room = width - gutter - 6;
    const perPixel = (this.to - this.from) / room;
    this.x = (at) => gutter + (at - this.from) / perPixel;
    this.paintAxis(pen, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(gutter, 0, room, height);
    pen.clip();
    this.paintSpans(pen);
    this.painted = 0;
    for (let row = 0; row < history.rowCount; row++) this.paintRow(pen, row);
    pen.restore();
    canvas.dataset.painted = this.painted;
  }

  paintAxis(pen, width, height) {
    const { palette, gutter, axis, rowHeight, history } = this;
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const step = nice((this.to - this.from) / Math.max(1, (width - gutter) / 110));
    pen.textAlign = "center";
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = this.x(at);
      pen.fillStyle = palette.line;
      pen.fillRect(x, axis - 4, 1, height - axis + 4);
      pen.fillStyle = palette.faint;
      if (x < width - 24) pen.fillText(duration(at), x, 9);
    }
    pen.textAlign = "left";
    pen.fillStyle = palette.faint;
    const every = Math.ceil(13 / rowHeight);
    for (let row = 0; row < history.rowCount; row += every) {
      pen.fillText(history.rowName(row), 4, axis + (row + 0.5) * rowHeight);
    }
  }

  paintSpans(pen) {
    const { history, palette, axis, rowHeight } = this;
    const { spans } = history;
    for (let span = 0; span < spans.size; span++) {
      const what = history.whats[spans.what[span]];
      if (what === "server" || spans.end[span] < this.from || spans.start[span] > this.to) continue;
      const left = this.x(spans.start[span]);
      const wide = this.x(spans.end[span]) - left;
      if (wide < 0.3) continue;
      pen.fillStyle = palette[what] ?? palette.wait;
      const top = axis + history.rowOf(spans.op[span]) * rowHeight;
      pen.fillRect(left, top + rowHeight * 0.35, wide, Math.max(1, rowHeight * 0.3));
    }
  }

  paintRow(pen, row) {
    const { history, palette, axis, rowHeight } = this;
    const ops = this.byRow[row];
    const top = axis + row * rowHeight + (rowHeight > 5 ? 2 : 0);
    const tall = rowHeight - (rowHeight > 5 ? 4 : 1);
    // Of requests that share a pixel the one that tells most is painted.
    let pixel = -1;
    let shown = -1;
    for (let index = firstAtLeast(this.reach[row], this.from); index < ops.length; index++) {
      const op = ops[index];
      if (history.start[op] > this.to) break;
      if (history.end[op] < this.from) continue;
      const left = this.x(history.start[op]);
      const wide = this.x(history.end[op]) - left;
      const part = history.part(op);
      if (wide < 1) {
        const rank = RANKS[part];
        if (Math.floor(left) === pixel && rank <= shown) continue;
        shown = Math.floor(left) === pixel ? Math.max(rank, shown) : rank;
        pixel = Math.floor(left);
      }
      pen.fillStyle = palette[part];
      pen.fillRect(wide < 1 ? Math.floor(left) : left, top, Math.max(1, wide - (wide > 3 ? 1 : 0)), tall);
      this.painted++;
      if (history.update[op] === this.marked) {
        pen.strokeStyle = palette.text;
        pen.lineWidth = 2;
        pen.strokeRect(left, top, Math.max(2, wide), tall);
      } else if (part === "applied" && wide > 60 && rowHeight > 12 && history.rv[op] >= 0) {
        pen.fillStyle = palette.ground;
        pen.textAlign = "left";
        pen.fillText(`${history.rv[op]}`, left + 4, top + tall / 2 + 1, wide - 8);
      }
    }
  }

  /** The request under a point of the canvas. */
  at(x, y) {
    const { history } = this;
    const row = Math.floor((y - this.axis) / this.rowHeight);
    if (row < 0 || row >= history.rowCount || !this.x) return null;
    const perPixel = (this.to - this.from) / (this.canvas.clientWidth - this.gutter - 6);
    const time = this.from + (x - this.gutter) * perPixel;
    const ops = this.byRow[row];
    let best = null;
    let distance = 3 * perPixel;
    for (let index = firstAtLeast(this.reach[row], time - distance); index < ops.length; index++) {
      const op = ops[index];
      if (history.start[op] > time + distance) break;
      const away = Math.max(0, history.start[op] - time, time - history.end[op]);
      if (away < distance) [best, distance] = [op, away];
    }
    return best;
  }

  listen() {
    const { canvas } = this;
    const fingers = new Map();
    const part = (x) => Math.min(1, Math.max(0, (x - this.gutter) / (canvas.clientWidth - this.gutter - 6)));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY / 300), part(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoom(0.25, part(event.offsetX)));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event.offsetX);
    });
    const up = (event) => fingers.delete(event.pointerId);
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => tip.hide());
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) {
        const op = this.at(event.offsetX, event.offsetY);
        if (op === null) tip.hide();
        else tip.show(event, this.history.tell(op));
        return;
      }
      const room = canvas.clientWidth - this.gutter;
      if (fingers.size === 2) {
        const [[, other]] = [...fingers].filter(([id]) => id !== event.pointerId);
        const apart = Math.max(8, Math.abs(before - other));
        this.zoom(apart / Math.max(8, Math.abs(event.offsetX - other)), part((event.offsetX + other) / 2));
      } else {
        this.move((before - event.offsetX) / room);
      }
      fingers.set(event.pointerId, event.offsetX);
    });
    canvas.addEventListener("keydown", (event) => {
      const acts = { ArrowLeft: () => this.move(-0.1), ArrowRight: () => this.move(0.1), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.show(this.history.from, this.history.to) };
      const act = acts[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }
}

const RANKS = { read: 0, applied: 1, conflict: 2, refused: 3, unknown: 4 };

/** The first index of a sorted column whose value is at least this. */
function firstAtLeast(column, value) {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A step for an axis near this width: 1, 2 or 5 times a power of ten. */
function nice(width) {
  const power = 10 ** Math.floor(Math.log10(Math.max(width, 1e-9)));
  return power * ([1, 2, 5, 10].find((step) => step * power >= width) ?? 10);
}
