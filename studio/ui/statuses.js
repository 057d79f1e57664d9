// Gradio tells the inputs of every event that has ended of its status too, though only those of streams show one, and of
// all components that it ever told it tells again at each step of any event: thousands of walks over the whole page while
// it opens, and dozens at every beat. Here an event that has ended has no stream: its outputs are told, as before.
(() => {
  const MODULE = /\/statustracker-[\w-]+\.js$/;
  const classes = (names) => Object.values(names).flatMap((one) => (one?.LoadingStatus ? [one.LoadingStatus] : []));

  function quieten(Statuses) {
    const usual = Statuses.prototype.resolve_args;
    Statuses.prototype.resolve_args = function (told) {
      return usual.call(this, { ...told, stream_state: null });
    };
  }

  const seen = new PerformanceObserver((list) => {
    const found = list.getEntries().find(({ name }) => MODULE.test(name));
    if (!found) return;
    seen.disconnect();
    import(found.name).then((names) => classes(names).forEach(quieten));
  });
  seen.observe({ type: "resource", buffered: true });
})();
