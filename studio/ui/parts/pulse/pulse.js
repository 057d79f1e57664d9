// Asks the server for its version and beats when that is another one. A server that is away is asked again, and the page
// is told ("d4k-link", true or false), so that no state is shown as the present one that is not.
const FAILURES = 2; // in a row: one may be a page that is being left
const SILENT_MS = 15_000; // a server that is busy answers later than that, if at all
const UNSEEN_MS = 5_000; // between questions of a tab that nobody looks at: its title tells how far a job is
let seen = ""; // the first answer is news: something may have changed since the page was made
let again = false; // what is shown may be older than what was seen
let lookedAt = -UNSEEN_MS;
let askedAt = 0; // while a question is open
let failures = 0;
let linked = true;

function tell(isLinked) {
  if (isLinked === linked) return;
  linked = isLinked;
  window.dispatchEvent(new CustomEvent("d4k-link", { detail: linked }));
}

async function look() {
  if (!element.isConnected) return clearInterval(timer);
  if (document.hidden && performance.now() - lookedAt < UNSEEN_MS) return;
  lookedAt = performance.now();
  if (askedAt) {
    if (performance.now() - askedAt > SILENT_MS) tell(false);
    return;
  }
  askedAt = performance.now();
  try {
    const version = await server.current_version();
    if (version === undefined) throw new Error("no answer"); // Gradio turns a request that failed into nothing
    failures = 0;
    tell(true);
    if (version !== seen || again) trigger("beat", {});
    again = false;
    seen = version;
  } catch {
    seen = ""; // whatever it says when it is back is news
    failures += 1;
    if (failures >= FAILURES) tell(false);
  }
  askedAt = 0;
}

const timer = setInterval(look, 1000 * props.value.seconds);
document.addEventListener("visibilitychange", look);
const lookAgain = () => (element.isConnected ? (again = true) : window.removeEventListener("d4k-look", lookAgain));
window.addEventListener("d4k-look", lookAgain);
