// Asks the server for the version of the watched runs while they are seen, and tells of another one.
const mark = element.querySelector(".run-pulse");
let seen = "";
let again = false; // what is shown may be of a state that came and went between two looks
let asking = false;

async function look() {
  if (!element.isConnected) return clearInterval(timer);
  if (asking || document.hidden || !mark.getClientRects().length) return;
  asking = true;
  const pressed = again;
  again = false; // a press while the server is asked is for the next look
  try {
    const version = await server.runs_version({ runs: props.value.runs });
    if (version !== seen || pressed) trigger("news", {});
    seen = version;
  } catch {
    seen = ""; // whatever it says when it is back is news
  }
  asking = false;
}

// A press of a button is news, too. All news goes one way, so that an older look never overwrites a newer one.
function poke() {
  if (!element.isConnected) return window.removeEventListener("d4k-runs", poke);
  again = true;
  trigger("news", {});
}
window.addEventListener("d4k-runs", poke);
const timer = setInterval(look, 1000 * props.value.seconds);
document.addEventListener("visibilitychange", look);
