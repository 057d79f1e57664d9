// Checks before a start: a mark, a name, what was found.
const section = element.querySelector(".ft-checks");
const marks = { ok: "✓", warning: "!", problem: "✕" };

function refresh() {
  const value = props.value;
  if (!value) return;
  section.querySelector("ul").replaceChildren(
    ...value.lines.map((line) => {
      const row = make("li");
      row.dataset.level = line.level;
      const mark = make("i", "", marks[line.level]);
      mark.title = line.level;
      row.append(mark, make("b", "", line.name), make("span", "", line.words));
      return row;
    }),
  );
  const forecast = section.querySelector(".ft-forecast");
  forecast.textContent = value.forecast;
  forecast.hidden = !value.forecast;
}

watch("value", refresh);
refresh();
