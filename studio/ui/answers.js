// Answers to queued events come on one stream, which the server ends with a word when it owes none. An event that is sent
// before the page has read that word is answered on a stream that nobody opens: its answer would never come. Here the
// stream goes on with a new request instead, as long as an answer is owed.
// A stream is read to its very end. Gradio's page drops it at that word, and a server that notices this too early takes
// it for a closed tab: it forgets the events that the tab has sent since.
(() => {
  const COMPLETED = /^data: {"msg":"process_completed","event_id":"([^"]+)"/;
  const END = 'data: {"msg":"close_stream"';
  const usual = window.fetch;
  const owed = new Set(); // ids of events
  const early = new Set(); // answered before their id was known
  let joining = 0; // events on their way

  async function join(asked) {
    joining += 1;
    try {
      const answer = await usual(...asked);
      const { event_id: id } = await answer.clone().json().catch(() => ({}));
      if (id && !early.delete(id)) owed.add(id);
      return answer;
    } finally {
      joining -= 1;
    }
  }

  function note(message) {
    const id = COMPLETED.exec(message)?.[1];
    if (id && !owed.delete(id)) early.add(id);
  }

  async function stream([address, options = {}]) {
    const leaving = new AbortController();
    const asked = [address, { ...options, signal: leaving.signal }];
    let ending = false; // the word of the end has been passed on
    const leave = () => ending || leaving.abort();
    if (options.signal?.aborted) leave();
    options.signal?.addEventListener("abort", leave);

    const first = await usual(...asked);
    if (!first.ok || !first.body) return first;
    const encoder = new TextEncoder();
    let [reader, decoder, rest] = [first.body.getReader(), new TextDecoder(), ""];

    async function readToTheEnd() {
      while (!(await reader.read()).done);
    }

    async function goOn() {
      await readToTheEnd();
      const next = await usual(...asked);
      [reader, decoder, rest] = [next.body.getReader(), new TextDecoder(), ""];
    }

    // Whole messages that came next; nothing at the end.
    async function read() {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "";
        rest += decoder.decode(value, { stream: true });
        const whole = rest.slice(0, rest.lastIndexOf("\n\n") + 2);
        if (!whole) continue;
        rest = rest.slice(whole.length);
        const messages = whole.split(/(?<=\n\n)/);
        messages.forEach(note);
        const end = messages.findIndex((message) => message.startsWith(END));
        if (end >= 0 && !(owed.size || joining)) ending = true;
        if (end < 0 || ending) return whole;
        const before = messages.slice(0, end).join("");
        await goOn();
        if (before) return before;
      }
    }

    const body = new ReadableStream({
      async pull(controller) {
        const words = await read();
        if (words) controller.enqueue(encoder.encode(words));
        else controller.close();
      },
      cancel: () => (ending ? readToTheEnd().catch(() => {}) : leave()),
    });
    return new Response(body, { status: first.status, headers: first.headers });
  }

  window.fetch = (...asked) => {
    const address = String(asked[0]?.url ?? asked[0]);
    if (address.includes("/queue/join")) return join(asked);
    return address.includes("/queue/data") ? stream(asked) : usual(...asked);
  };
})();
