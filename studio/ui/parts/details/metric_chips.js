// Chips of numbers; the card of the one under the pointer, or with the focus, floats beside the rail.
const section = element.querySelector(".metric-chips");
const card = section.querySelector(".metric-card");

function showCard(chip, content) {
  if (!content) return;
  const rows = make("dl");
  for (const [name, text] of content.rows) rows.append(make("dt", "", name), make("dd", "", text));
  card.replaceChildren(make("strong", "", content.title), make("p", "", content.definition), rows);
  card.hidden = false;
  // Fixed, since the rail scrolls; in lengths of its own zoom, and never beyond the window.
  const zoom = section.currentCSSZoom ?? 1;
  const [rail, at, own] = [section, chip, card].map((one) => one.getBoundingClientRect());
  const beside = rail.left - own.width - 16;
  const left = beside > 8 ? beside : Math.max(8, Math.min(at.left, innerWidth - own.width - 8));
  const top = beside > 8 ? at.top : at.bottom + 6;
  card.style.left = `${left / zoom}px`;
  card.style.top = `${Math.max(8, Math.min(top, innerHeight - own.height - 8)) / zoom}px`;
}

const hideCard = () => (card.hidden = true);

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.chips.length && !value.note;
  section.querySelector("h2").textContent = value.heading;
  section.querySelector(".section-head").hidden = !value.heading;
  section.querySelector(".metric-note").textContent = value.note;
  section.querySelector(".chips").hidden = !value.chips.length;
  hideCard();
  section.querySelector(".chips").replaceChildren(
    ...value.chips.map((one) => {
      const chip = make("button", `chip${one.mood ? ` ${one.mood}` : ""}`);
      chip.type = "button";
      chip.dataset.metric = one.name;
      chip.append(make("span", "", `${one.title} ${one.arrow}`.trim()), make("b", "", one.text));
      if (one.unit) chip.lastElementChild.append(make("i", "", one.unit));
      for (const event of ["pointerenter", "focus"]) chip.addEventListener(event, () => showCard(chip, one.card));
      for (const event of ["pointerleave", "blur"]) chip.addEventListener(event, hideCard);
      return chip;
    }),
  );
}

section.addEventListener("keydown", (event) => event.key === "Escape" && hideCard());
watch("value", refresh);
refresh();
