// The side, dark or light, that this browser chose: before the first paint, and again whenever Gradio sets its own.
(() => {
  if (new URLSearchParams(location.search).has("__theme")) return;
  function apply() {
    const chosen = localStorage.getItem("d4k-theme");
    if (chosen && document.body.classList.contains("dark") !== (chosen === "dark")) document.body.classList.toggle("dark");
  }
  function begin() {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }
  if (document.body) begin();
  else {
    new MutationObserver((_, waiting) => {
      if (!document.body) return;
      waiting.disconnect();
      begin();
    }).observe(document.documentElement, { childList: true });
  }
})();
