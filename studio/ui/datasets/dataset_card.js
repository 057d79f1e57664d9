// One picture of a dataset: its crop, its caption to edit, and a switch that leaves it out or takes it back.
// A caption is sent when the writer pauses or leaves the field; until the server has it, the card says so.
const PAUSE_MS = 900;
const unsaved = new Map(); // id -> text that the server does not have yet
const timers = new Map();

async function wish(action, ids, text = "") {
  try {
    return (await server.edit({ source: props.value.source, action, ids, text })).error;
  } catch {
    return "The studio does not answer; it is tried again with the next change.";
  }
}

function createCard(card) {
  const made = make("article", "dataset-card");
  made.setAttribute("role", "listitem");
  const stage = make("div", "dataset-stage");
  const image = make("img");
  image.alt = card.id;
  image.loading = "lazy";
  image.decoding = "async";
  image.draggable = false;
  stage.append(image, make("span", "dataset-waiting"), make("span", "dataset-size"));
  stage.append(make("p", "dataset-words"), makeButton("dataset-switch", "", "", () => switchOut(made.dataset.key)));
  const text = make("textarea", "dataset-caption");
  text.rows = 3;
  text.spellcheck = true;
  text.addEventListener("input", () => noteText(made, text.value));
  text.addEventListener("blur", () => saveText(made.dataset.key));
  text.addEventListener("keydown", (event) => event.key === "Enter" && moveOn(event, made));
  const foot = make("div", "dataset-foot");
  foot.append(make("span", "dataset-name"), make("span", "dataset-by"));
  const error = make("p", "dataset-error");
  error.hidden = true;
  error.setAttribute("role", "alert");
  made.append(stage, text, error, foot);
  return made;
}

function updateCard(made, card) {
  const [image, text] = [made.querySelector("img"), made.querySelector("textarea")];
  const url = card.thumbnail?.url ?? "";
  if ((image.dataset.source ?? "") !== url) {
    image.dataset.source = url;
    if (url) image.src = url;
    else image.removeAttribute("src");
  }
  image.hidden = !url;
  made.classList.toggle("left-out", card.left_out);
  const waiting = made.querySelector(".dataset-waiting");
  waiting.hidden = Boolean(url);
  waiting.textContent = card.words && !card.left_out ? card.words : "";
  waiting.classList.toggle("working", !card.words);
  made.querySelector(".dataset-size").textContent = card.trained_size || card.picture_size;
  made.querySelector(".dataset-size").title = card.trained_size
    ? `Trained at ${card.trained_size}, cut from ${card.picture_size}`
    : card.picture_size;
  const off = made.querySelector(".dataset-switch");
  off.hidden = card.final;
  off.textContent = card.left_out ? "Take back" : "Leave out";
  off.title = card.left_out ? "Train on it all the same" : "Do not train on it; the file stays";
  off.setAttribute("aria-label", `${off.textContent}: ${card.id}`);
  const words = made.querySelector(".dataset-words");
  words.textContent = card.left_out ? card.words : card.kept ? "Kept by hand" : "";
  words.hidden = !words.textContent;
  made.querySelector(".dataset-name").textContent = card.id;
  made.querySelector(".dataset-name").title = card.id;
  text.setAttribute("aria-label", `Caption of ${card.id}`);
  text.placeholder = "No caption";
  if (unsaved.get(card.id) === card.caption) unsaved.delete(card.id);
  // What somebody is typing stays as it is; the server's word comes when the field is left.
  if (!unsaved.has(card.id) && document.activeElement !== text) text.value = card.caption;
  if (!unsaved.has(card.id)) sayBy(made, card.caption_by, "");
}

function sayBy(made, words, mood) {
  const by = made.querySelector(".dataset-by");
  by.textContent = words;
  by.title = { own: "It came with the dataset", hand: "Written by hand", "": "" }[words] ?? `Written by ${words}`;
  by.dataset.mood = mood;
}

function noteText(made, text) {
  const id = made.dataset.key;
  unsaved.set(id, text);
  sayBy(made, "writing", "waiting");
  clearTimeout(timers.get(id));
  timers.set(id, setTimeout(() => saveText(id), PAUSE_MS));
}

const cardElement = (id) => [...gridOf().children].find((child) => child.dataset.key === id);

async function saveText(id) {
  clearTimeout(timers.get(id));
  if (!unsaved.has(id)) return;
  const text = unsaved.get(id);
  const error = await wish("write", [id], text);
  const made = cardElement(id);
  if (error && !made) return say(error);
  if (made) {
    made.querySelector(".dataset-error").textContent = error;
    made.querySelector(".dataset-error").hidden = !error;
  }
  if (error) return sayBy(made, "not saved", "ill");
  if (unsaved.get(id) !== text) return; // more was typed meanwhile: its own timer is running
  unsaved.delete(id);
  if (made) sayBy(made, "saved", "");
  look();
}

async function switchOut(id) {
  const card = props.value.cards.find((one) => one.id === id);
  say(await wish(card?.left_out ? "keep" : "leave-out", [id]));
  look();
}

// Enter saves and goes to the next caption; Shift + Enter does what Enter does elsewhere.
function moveOn(event, made) {
  if (event.shiftKey || event.isComposing) return;
  event.preventDefault();
  const next = made.nextElementSibling?.querySelector("textarea");
  if (next) next.focus();
  else event.target.blur();
}
