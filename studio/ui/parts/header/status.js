// The status line above the stage: one sentence, one bar, one way to stop.
const line = element.querySelector(".status-line");
const find = (name) => line.querySelector(`.status-${name}`); // notices.js uses it too
find("cancel").addEventListener("click", () => trigger("act", { action: "cancel", id: props.value.job }));
find("show").addEventListener("click", () => trigger("act", { action: "watch", id: props.value.job }));

// A screen reader is told of each stage once, and not of each step.
function tell(value) {
  const stage = value.text.split(value.state === "running" ? "," : "  ·")[0];
  if (find("told").textContent !== stage) find("told").textContent = stage;
}

// The browser tab tells how far a job is, and, until somebody looks, that it ended while nobody did.
const TITLE = document.title.split(" · ").at(-1);
const ENDED = { done: "✓", failed: "✗" };
let running = 0; // the job that runs

function entitle({ state, fraction, job, text }) {
  if (state === "running") document.title = `${Math.round(100 * fraction)} % · ${TITLE}`;
  else if (running) {
    document.title = document.hidden && ENDED[state] ? `${ENDED[state]} · ${TITLE}` : TITLE;
    giveNotice(job === running ? text : "What was running has ended; the queue says how.");
  }
  running = state === "running" ? job : 0;
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !running) document.title = TITLE;
});

function refresh() {
  const value = props.value;
  if (!value) return;
  entitle(value);
  line.dataset.state = value.state;
  find("text").textContent = value.text;
  find("text").title = value.text;
  tell(value);
  find("bar").hidden = value.state !== "running";
  find("bar").firstElementChild.style.width = `${100 * value.fraction}%`;
  find("notice").hidden = find("cancel").hidden = value.state !== "running";
  find("show").hidden = value.state !== "running" || value.watched;
}

watch("value", refresh);
refresh();
