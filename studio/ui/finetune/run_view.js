// The chosen run: what it does, how far it is, what can be done with it. Deleting asks by a second press.
const section = element.querySelector(".run");
const none = element.querySelector(".run-none");
const actions = section.querySelector(".run-actions");
const words = {
  use: ["Draw with it", "Put it into Generate, beside the model without it"],
  stop: ["Stop", "Save a checkpoint and stop after this step"],
  stop_now: ["Stop now", "End its process without saving; the last checkpoint stands"],
  save: ["Save now", "Write a checkpoint after this step"],
  sample: ["Sample now", "Draw the sample prompts after this step"],
  resume: ["Resume", "Go on from the newest checkpoint, exactly"],
  duplicate: ["Duplicate", "Put its settings into the form, for a new run"],
  delete: ["Delete", "Move it to the trash"],
};
let drawn = "";
let armed = null;

function act(action, step = null) {
  const name = props.value.name;
  trigger({ duplicate: "copy", use: "use" }[action] ?? "act", { action, name, step });
}

function button(action, state) {
  let [text, hint] = words[action];
  if (action === "resume" && ["new", "trial"].includes(state)) [text, hint] = ["Start", "Put it in the queue"];
  if (action === "stop" && state === "waiting") [text, hint] = ["Take out of the queue", "It has not begun"];
  const made = makeButton(`run-button ${action}`, text, hint, () => {
    if (action !== "delete" || armed === made) return act(action);
    armed = made;
    made.textContent = "Press again to delete";
    setTimeout(() => {
      made.textContent = text;
      armed = null;
    }, 6000);
  });
  made.dataset.action = action;
  made.disabled = state === "stopping" && action === "stop";
  return made;
}

function continuing(checkpoints) {
  const box = make("span", "run-continue");
  const steps = make("select");
  steps.setAttribute("aria-label", "Checkpoint to continue from");
  steps.append(...[...checkpoints].reverse().map((step) => new Option(`step ${step}`, step)));
  const go = makeButton("run-button", "Continue from", "Go on from this checkpoint; later ones are set aside", () =>
    act("continue", Number(steps.value)),
  );
  box.append(go, steps);
  return box;
}

function chip(one) {
  const made = make("div", "run-chip");
  made.title = one.hint;
  made.append(make("dt", "", one.name), make("dd", "", one.value));
  return made;
}

function refresh() {
  const value = props.value;
  if (!value) return;
  section.hidden = !value.name;
  none.hidden = Boolean(value.name);
  section.dataset.state = value.state;
  section.querySelector("h2").textContent = value.name;
  section.querySelector(".runs-state").textContent = value.state;
  section.querySelector(".run-parent").textContent = value.parent ? `from ${value.parent}` : "";
  section.querySelector(".run-sentence").textContent = value.sentence;
  section.querySelector(".run-progress").textContent = value.progress;
  section.querySelector(".run-bar i").style.width = `${100 * value.fraction}%`;
  section.querySelector(".run-chips").replaceChildren(...value.chips.map(chip));
  const wanted = JSON.stringify([value.name, value.state, value.actions, value.checkpoints]);
  if (wanted === drawn) return; // a list that is open, or a button that is armed, stays
  drawn = wanted;
  actions.replaceChildren(
    ...value.actions.map((action) => (action === "continue" ? continuing(value.checkpoints) : button(action, value.state))),
  );
}

watch("value", refresh);
refresh();
