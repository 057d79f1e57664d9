// Tells of the end of work in a tab that nobody looks at: by a notification where the browser allows one, else by two tones.
// It is a part of status.js, which says when. What is wanted is kept in the browser.
const bell = find("notice");
const WANTED = "d4k-notice";
const TONES_HZ = [660, 880];
const isWanted = () => localStorage.getItem(WANTED) === "on";
const mayNotify = () => "Notification" in window && Notification.permission === "granted";

function drawBell() {
  bell.setAttribute("aria-pressed", isWanted());
  const how = mayNotify() ? "A notification" : "Two tones (this browser lets no notification through here)";
  bell.title = isWanted()
    ? `${how} when the last job has ended, if this tab is not looked at. Press to leave it out`
    : "A notification or a sound when the last job has ended, if this tab is not looked at";
}

bell.addEventListener("click", async () => {
  localStorage.setItem(WANTED, isWanted() ? "off" : "on");
  drawBell();
  if (isWanted() && "Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
    drawBell();
  }
});

function giveNotice(words) {
  if (!isWanted() || (!document.hidden && document.hasFocus())) return;
  if (mayNotify()) {
    try {
      const notice = new Notification(TITLE, { body: words, tag: "d4k" });
      notice.onclick = () => (window.focus(), notice.close());
      return;
    } catch {
      // Phones take notifications from service workers alone: tones, then.
    }
  }
  const sound = new AudioContext();
  TONES_HZ.forEach((hertz, i) => {
    const [tone, loudness, start] = [sound.createOscillator(), sound.createGain(), sound.currentTime + 0.18 * i];
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.12, start);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + 0.4);
    tone.connect(loudness).connect(sound.destination);
    tone.start(start);
    tone.stop(start + 0.4);
    tone.onended = i === TONES_HZ.length - 1 ? () => sound.close() : null;
  });
}

drawBell();
