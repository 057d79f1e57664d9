// The Models panel: a dialog over the page. The server decides everything; buttons only send their action.
const dialog = element.querySelector(".models");
const part = (name) => dialog.querySelector(`.models-${name}`);
const act = (action, id = "") => trigger("act", { action, id });
const WORDS = { pull: "Download", stop: "Stop", remove: "Remove" };

window.addEventListener("d4k-models", () => {
  if (dialog.open) return dialog.close();
  trigger("show", {});
  dialog.showModal();
});
part("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
part("free").addEventListener("click", () => act("free"));
part("test").addEventListener("click", () => act("test"));
part("pull").addEventListener("click", () => {
  const id = part("id").value.trim();
  if (id) act("pull", id);
});

function create(card) {
  const item = make("li", "models-card");
  const head = make("div", "models-head");
  const gate = make("a", "models-gate", "Licence page");
  Object.assign(gate, { target: "_blank", rel: "noopener noreferrer" });
  head.append(make("b"), gate, make("span", "models-actions"));
  const bar = make("div", "models-bar");
  bar.append(make("i"));
  item.append(head, make("div", "models-facts"), make("p", "models-advice"), make("p", "models-state"), bar);
  return item;
}

function update(item, card) {
  const find = (name) => item.querySelector(name);
  item.dataset.mood = card.mood;
  find("b").textContent = card.title;
  find(".models-gate").hidden = !card.gate_url;
  find(".models-gate").href = card.gate_url || "#";
  find(".models-facts").textContent = card.facts.join("  ·  ");
  find(".models-advice").textContent = card.advice;
  find(".models-state").textContent = card.state;
  find(".models-bar").hidden = card.mood !== "busy";
  find(".models-bar i").style.width = `${100 * card.fraction}%`;
  const actions = card.actions.join(" ");
  if (item.dataset.actions === actions) return;
  item.dataset.actions = actions;
  find(".models-actions").replaceChildren(
    ...card.actions.map((action) =>
      makeButton("plain-button", WORDS[action], `${WORDS[action]} ${card.title}`, () => {
        if (action !== "remove" || confirm(`Remove ${card.title} from this machine?`)) act(action, card.id);
      }),
    ),
  );
}

function refresh() {
  const value = props.value;
  if (!value) return;
  part("memory").textContent = value.memory;
  part("account").textContent = value.account;
  part("tools").hidden = value.hosted;
  reconcile(part("cards"), value.cards, create, update);
  part("others").querySelector("ul").replaceChildren(...value.not_offered.map((text) => make("li", "", text)));
}

watch("value", refresh);
refresh();
