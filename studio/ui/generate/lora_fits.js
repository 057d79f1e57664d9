// How each LoRA fits the model: one line, and behind it the keys that change nothing, with the reason.
const list = element.querySelector(".lora-fits");

function refresh() {
  list.replaceChildren(
    ...(props.value?.lines ?? []).map((line) => {
      const item = make("li", line.mood);
      const words = line.title ? `${line.title}: ${line.words}` : line.words;
      if (line.unused.length) {
        const more = make("details");
        more.append(make("summary", "", words), ...line.unused.map((sentence) => make("p", "", sentence)));
        item.append(more);
      } else item.textContent = words;
      return item;
    }),
  );
  list.hidden = !list.children.length;
}

watch("value", refresh);
refresh();
