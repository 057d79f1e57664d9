// Asks the server for its version and beats when that is another one. A server that is away is asked again.
let seen = ""; // the first answer is news: something may have changed since the page was made
let asking = false;

async function look() {
  if (!element.isConnected) return clearInterval(timer);
  if (asking || document.hidden) return;
  asking = true;
  try {
    const version = await server.current_version();
    if (version !== seen) trigger("beat", {});
    seen = version;
  } catch {
    seen = ""; // whatever it says when it is back is news
  }
  asking = false;
}

const timer = setInterval(look, 1000 * props.value.seconds);
document.addEventListener("visibilitychange", look);
