// Settings of the compared pictures: those that differ in the open, the others folded away.
const section = element.querySelector(".settings-table");

function lines(table, rows) {
  table.replaceChildren(
    ...rows.map((row) => {
      const line = make("tr");
      line.append(make("th", "", row.name), ...row.values.map((value) => make("td", "", value || "–")));
      return line;
    }),
  );
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.lines.length && !value.place;
  section.querySelector(".settings-place").textContent = value.place;
  section.querySelector(".settings-words").replaceChildren(
    ...value.words.flatMap(([word, fresh]) => [make(fresh ? "mark" : "span", "", word), " "]),
  );
  const [differing, equal] = section.querySelectorAll("tbody");
  const same = value.lines.filter((row) => !row.differs);
  lines(differing, value.lines.filter((row) => row.differs));
  lines(equal, same.map((row) => ({ ...row, values: row.values.slice(0, 1) })));
  section.querySelector("details").hidden = !same.length;
  section.querySelector("summary").textContent = `${same.length} equal settings`;
}

watch("value", refresh);
refresh();
