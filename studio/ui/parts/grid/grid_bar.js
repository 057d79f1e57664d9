// What stands above the gallery's grid: order, model and size of what is listed, and how large thumbnails are drawn.
const bar = element.querySelector(".gallery-narrow");
const menus = ["order", "model", "size"].map((name) => bar.querySelector(`.gallery-${name}`));
const [, modelMenu, sizeMenu] = menus;

menus.forEach((menu) =>
  menu.addEventListener("change", () => {
    const [order, model, size] = menus.map((one) => one.value);
    trigger("narrow", { order, model, size });
  }),
);

// What the list is narrowed to stays on offer, also when no picture is left of it.
function fill(menu, every, kinds, chosen, name) {
  const counted = kinds.some(([kind]) => kind === chosen) || !chosen ? kinds : [...kinds, [chosen, 0]];
  const options = [["", every], ...counted.map(([kind, number]) => [kind, `${name(kind)} (${number})`])];
  const made = JSON.stringify(options);
  if (menu.dataset.made !== made) {
    menu.dataset.made = made;
    menu.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", "", text), { value })));
  }
  menu.value = chosen;
  menu.closest("label").hidden = counted.length < 2 && !chosen;
}

function offerKinds({ order, model, size, models, sizes }) {
  menus[0].value = order;
  fill(modelMenu, "every model", models, model, (kind) => kind);
  fill(sizeMenu, "every size", sizes, size, (kind) => kind.replace("x", " × "));
}

// How large thumbnails are is the reader's own matter: kept in the browser, never sent.
const thumbs = bar.querySelector(".gallery-thumbs");
const KEPT = "d4k-thumbnails";
const shelfOfThumbs = element.querySelector(".gallery-grid");
const scale = (side) => shelfOfThumbs.style.setProperty("--thumbnail", `${side}px`);
thumbs.value = localStorage.getItem(KEPT) ?? 200;
if (localStorage.getItem(KEPT)) scale(thumbs.value);
thumbs.addEventListener("input", () => {
  scale(thumbs.value);
  localStorage.setItem(KEPT, thumbs.value);
});
