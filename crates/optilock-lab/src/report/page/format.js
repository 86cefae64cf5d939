// Words and numbers for people, and the elements that hold them.

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Between a number and its unit, which stay on one line. */
const TIED = "\u00a0";

/** A count, or a ratio with three digits. */
function count(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return number.format(value);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** So many of something. */
function plural(amount, one) {
  return `${count(amount)} ${one}${amount === 1 ? "" : "s"}`;
}

/** Nanoseconds, as Go writes durations but with three digits. */
function duration(ns) {
  if (ns === null || ns === undefined) return "–";
  if (ns === 0) return "0";
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (Math.abs(ns) >= size) return `${count(ns / size)}${TIED}${unit}`;
  }
  return `${count(ns)}${TIED}ns`;
}

function percent(share) {
  return share === null || share === undefined ? "–" : `${count(100 * share)}${TIED}%`;
}

/** An element; children are elements, or text, which is never read as HTML. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return filled(made, attributes, children);
}

/** The same for the elements of SVG. */
function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return filled(made, attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The value of a colour of the style sheet, for canvases. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** What the pointer is on, told beside it. */
const tip = {
  show(event, text) {
    const box = document.getElementById("tip");
    box.textContent = text;
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - width - 8);
    const above = event.clientY + 18 + height > innerHeight;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${above ? Math.max(8, event.clientY - height - 12) : event.clientY + 18}px`;
  },
  hide() {
    document.getElementById("tip").hidden = true;
  },
};

/** A row of coloured words. */
function legend(entries) {
  const paint = (name, dashes) => (dashes ? `repeating-linear-gradient(90deg, var(--${name}) 0 ${dashes[0]}px, transparent 0 ${dashes[0] + dashes[1]}px)` : `var(--${name})`);
  const item = ([name, text, dashes]) => el("li", {}, el("i", { style: `background: ${paint(name, dashes)}` }), text);
  return el("ul", { class: "legend" }, entries.map(item));
}

/**
 * A table that is sorted by a click on a column's head. A column is {head, words, long, value(row), show(row), title}; `show`
 * may give an element, and what is long may have several lines.
 */
function table(columns, rows) {
  let by = null;
  let up = true;
  const body = el("tbody");
  const fill = () => {
    const order = [...rows];
    if (by) {
      const place = (row) => by.value(row) ?? -Infinity;
      order.sort((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0) * (up ? 1 : -1));
    }
    const kind = ({ words, long }) => [words && "words", long && "long"].filter(Boolean).join(" ") || null;
    const cell = (column, row) => el("td", { class: kind(column) }, (column.show ?? ((r) => count(column.value(r))))(row));
    body.replaceChildren(...order.map((row) => el("tr", {}, columns.map((column) => cell(column, row)))));
  };
  const heads = columns.map((column) => {
    const sort = () => {
      up = by === column ? !up : true;
      by = column;
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[columns.indexOf(column)].setAttribute("aria-sort", up ? "ascending" : "descending");
      fill();
    };
    const head = column.value ? el("button", { onclick: sort }, column.head) : column.head;
    return el("th", { scope: "col", title: column.title, class: column.words ? "words" : null }, head);
  });
  fill();
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), body));
}
