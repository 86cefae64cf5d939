// Tabs: the view is in the address, so that a link leads to it.

const all = views();
const tabs = document.getElementById("tabs");
const view = document.getElementById("view");

function route() {
  const current = all.find((one) => `#${one.id}` === location.hash) ?? all[0];
  tip.hide();
  tabs.replaceChildren(...all.map((one) => el("button", {
    type: "button",
    role: "tab",
    "aria-selected": String(one === current),
    tabindex: one === current ? "0" : "-1",
    onclick: () => (location.hash = one.id),
  }, one.name)));
  view.replaceChildren(...(current ? current.show() : [el("p", {}, "Nothing to show.")]));
}

tabs.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const now = all.findIndex((one) => `#${one.id}` === location.hash);
  location.hash = all[(Math.max(now, 0) + step + all.length) % all.length].id;
  requestAnimationFrame(() => tabs.querySelector('[aria-selected="true"]').focus());
});

// A sweep has too many to name: the views have a list of them.
const sources = [...(histories.length > 4 ? [{ name: `${histories.length} histories` }] : histories), ...data.summaries];
document.getElementById("about").textContent = sources.map((one) => one.name).join(", ");
addEventListener("hashchange", route);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  timelines.forEach((one) => {
    one.colours();
    one.paint();
  });
});
route();
