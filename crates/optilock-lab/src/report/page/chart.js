// Charts in SVG: bars of a distribution, and lines over a logarithmic ground.

// A phone gets a narrower chart and not a smaller one: its words have to be read.
const WIDE = Math.max(320, Math.min(640, document.documentElement.clientWidth - 32));
const HIGH = 250;
const EDGE = { left: 56, right: 14, top: 14, bottom: 42 };
/** The height of the three lines of words above a histogram. */
const WORDS = 44;

function ground(label, high = HIGH) {
  return svg("svg", { viewBox: `0 0 ${WIDE} ${high}`, role: "img", "aria-label": label, preserveAspectRatio: "xMidYMid meet", style: "max-width: 46rem" });
}

/** A histogram of times in nanoseconds over a logarithmic axis, with its percentiles. */
function histogram(times, label) {
  const sorted = Float64Array.from(times).sort();
  if (sorted.length === 0) return el("p", { class: "faint" }, "Nothing to show.");
  const rank = (share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  const low = Math.floor(Math.log10(Math.max(1, sorted[0])) * 8) / 8;
  const high = Math.max(low + 0.5, Math.ceil(Math.log10(Math.max(1, sorted.at(-1))) * 8 + 0.01) / 8);
  const bins = new Array(Math.round((high - low) * 8)).fill(0);
  for (const time of sorted) bins[Math.min(bins.length - 1, Math.floor((Math.log10(Math.max(1, time)) - low) * 8))]++;
  const most = Math.max(...bins);
  const x = (log) => EDGE.left + ((log - low) / (high - low)) * (WIDE - EDGE.left - EDGE.right);
  const floor = HIGH - EDGE.bottom;
  const y = (amount) => floor - (amount / most) * (floor - EDGE.top - WORDS);
  const chart = ground(`${label}: ${sorted.length} values, median ${duration(rank(0.5))}, longest ${duration(sorted.at(-1))}`);
  bins.forEach((amount, bin) => {
    const left = x(low + bin / 8);
    const text = `${count(amount)} between ${duration(10 ** (low + bin / 8))} and ${duration(10 ** (low + (bin + 1) / 8))}`;
    const hover = { onpointermove: (event) => tip.show(event, text), onpointerleave: tip.hide };
    chart.append(svg("rect", { x: left + 1, y: y(amount), width: Math.max(1, x(low + (bin + 1) / 8) - left - 2), height: floor - y(amount), fill: "var(--series-0)", ...hover }));
  });
  logAxis(chart, x, low, high, floor, duration);
  chart.append(svg("text", { x: EDGE.left - 8, y: y(most) + 4, "text-anchor": "end" }, count(most)));
  chart.append(svg("text", { x: EDGE.left - 8, y: y(most) + 18, "text-anchor": "end" }, "updates"));
  const words = [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]].map(([name, share], index) => {
    const at = x(Math.log10(Math.max(1, rank(share))));
    // Each line begins below the words of the one before.
    chart.append(svg("line", { x1: at, x2: at, y1: EDGE.top + index * 14 - (index ? 8 : 0), y2: floor, stroke: "var(--text)", "stroke-dasharray": "3 3" }));
    const left = at > WIDE - 70;
    return svg("text", { x: at + (left ? -4 : 4), y: EDGE.top + 2 + index * 14, "text-anchor": left ? "end" : "start" }, `${name} ${duration(rank(share))}`);
  });
  // Above all lines, which would cross them out.
  chart.append(...words);
  return chart;
}

/** Marks at these values, with their words as long as they don't run into each other. */
function ticks(chart, x, values, floor, show) {
  let free = 0;
  for (const value of values) {
    const at = x(Math.log10(value));
    chart.append(svg("line", { x1: at, x2: at, y1: floor, y2: floor + 5, stroke: "var(--faint)" }));
    const words = show(value);
    const half = words.length * 3.6;
    const middle = Math.min(at, WIDE - half - 2);
    if (middle - half < free) continue;
    free = middle + half + 4;
    chart.append(svg("text", { x: middle, y: floor + 18, "text-anchor": "middle" }, words));
  }
}

/** The round values between two powers of ten, more of them the closer the two are. */
function roundValues(low, high) {
  const sets = [[1.4, [1]], [0.7, [1, 2, 5]], [0.35, [1, 1.5, 2, 3, 4, 5, 7]], [0, [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9]]];
  const [, steps] = sets.find(([width]) => high - low > width);
  const values = [];
  for (let power = Math.floor(low); power <= high; power++) values.push(...steps.map((step) => step * 10 ** power));
  return values.filter((value) => Math.log10(value) > low - 1e-9 && Math.log10(value) < high + 1e-9);
}

/** An axis with round values. */
function logAxis(chart, x, low, high, floor, show) {
  ticks(chart, x, roundValues(low, high), floor, show);
  chart.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: floor, y2: floor, stroke: "var(--faint)" }));
}

/** How the nth line is drawn: there are fewer colours than lines may be. */
const SERIES = 8;
const DASHES = [null, [8, 3], [2, 2], [5, 5]];
const series = (index) => ({ colour: `series-${index % SERIES}`, dashes: DASHES[Math.floor(index / SERIES) % DASHES.length] });

/**
 * Lines over two logarithmic axes. A line is {name, points: [[x, y, text]], dashed}; `across` and `up` name the axes.
 */
function lines(all, across, up) {
  const points = all.flatMap((line) => line.points).filter(([x, y]) => x > 0 && y > 0);
  if (points.length === 0) return el("p", { class: "faint" }, "Nothing to show.");
  const high = 340;
  const range = (at) => {
    const logs = points.map((point) => Math.log10(point[at]));
    const [least, most] = [Math.min(...logs), Math.max(...logs)];
    const margin = Math.max(0.08, (most - least) * 0.05);
    return [least - margin, most + margin];
  };
  const [[left, right], [bottom, top]] = [range(0), range(1)];
  const floor = high - EDGE.bottom;
  const x = (log) => EDGE.left + ((log - left) / (right - left)) * (WIDE - EDGE.left - EDGE.right);
  const y = (log) => floor - ((log - bottom) / (top - bottom)) * (floor - EDGE.top);
  const chart = ground(`${up} against ${across}`, high);
  const places = [...new Set(points.map(([value]) => value))].sort((a, b) => a - b);
  ticks(chart, x, places, floor, count);
  chart.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: floor, y2: floor, stroke: "var(--faint)" }));
  for (const value of roundValues(bottom, top)) {
    const at = y(Math.log10(value));
    chart.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: at, y2: at, stroke: "var(--line)" }));
    chart.append(svg("text", { x: EDGE.left - 8, y: at + 4, "text-anchor": "end" }, count(value)));
  }
  chart.append(svg("text", { x: (WIDE + EDGE.left) / 2, y: high - 6, "text-anchor": "middle" }, across));
  all.forEach((line, index) => {
    const { colour, dashes } = series(index);
    const stroke = line.dashed ? "var(--faint)" : `var(--${colour})`;
    const seen = line.points.filter(([a, b]) => a > 0 && b > 0).sort((a, b) => a[0] - b[0]);
    const path = seen.map(([a, b], at) => `${at ? "L" : "M"}${x(Math.log10(a)).toFixed(1)} ${y(Math.log10(b)).toFixed(1)}`).join("");
    chart.append(svg("path", { d: path, fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": line.dashed ? "5 4" : (dashes?.join(" ") ?? null) }));
    if (line.dashed) return;
    for (const [a, b, text] of seen) {
      const hover = { onpointermove: (event) => tip.show(event, text), onpointerleave: tip.hide };
      chart.append(svg("circle", { cx: x(Math.log10(a)), cy: y(Math.log10(b)), r: 4, fill: stroke, ...hover }));
    }
  });
  return chart;
}

/** Which of the named lanes each of many points is in, in their order: who won. */
function lanes(points, names, label) {
  const high = Math.max(90, Math.min(320, 24 + names.length * 14));
  const chart = ground(label, high);
  const [top, floor] = [8, high - 22];
  const x = (at) => EDGE.left + (at / Math.max(1, points.length - 1)) * (WIDE - EDGE.left - EDGE.right);
  const y = (lane) => top + ((lane + 0.5) / names.length) * (floor - top);
  points.forEach(({ lane, text, bad }, at) => {
    const hover = { onpointermove: (event) => tip.show(event, text), onpointerleave: tip.hide };
    chart.append(svg("circle", { cx: x(at), cy: y(lane), r: points.length > 400 ? 1.6 : 3.2, fill: bad ? "var(--bad)" : "var(--applied)", ...hover }));
  });
  chart.append(svg("text", { x: EDGE.left - 8, y: y(0) + 4, "text-anchor": "end" }, names[0]));
  if (names.length > 1) chart.append(svg("text", { x: EDGE.left - 8, y: y(names.length - 1) + 4, "text-anchor": "end" }, names.at(-1)));
  chart.append(svg("text", { x: EDGE.left, y: high - 4 }, "first version"));
  chart.append(svg("text", { x: WIDE - EDGE.right, y: high - 4, "text-anchor": "end" }, "last version"));
  return chart;
}

/** Parts of a whole, side by side. `parts` is {name of colour: nanoseconds}, `whole` what the full width is. */
function stack(parts, whole, names) {
  const entries = Object.entries(parts).filter(([, value]) => value > 0);
  const words = entries.map(([name, value]) => `${names[name]} ${duration(value)}`).join("\n");
  const hover = { onpointermove: (event) => tip.show(event, words), onpointerleave: tip.hide };
  const piece = ([name, value]) => el("i", { style: `width: ${(100 * value) / Math.max(1, whole)}%; background: var(--${name})` });
  return el("div", { class: "stack", role: "img", "aria-label": words.replaceAll("\n", ", "), ...hover }, entries.map(piece));
}
