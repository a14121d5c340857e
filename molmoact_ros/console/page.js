// What the server cannot do: notice that it is gone, beat, and take keys. Everything else is Python.
window.molmoact = (() => {
  const LOST_AFTER = 800; // ms without a tick; the server sends five a second
  const BEAT_PERIOD = 150; // ms
  const state = { n: 0, at: performance.now() };
  const isLost = () => performance.now() - state.at > LOST_AFTER;
  const isConnected = () => Boolean(window.socket && window.socket.connected);

  setInterval(() => {
    document.body.classList.toggle("lost", isLost());
    // Nothing is sent without a connection: it would be kept, and arrive as if it were new.
    if (isConnected()) emitEvent("beat", state.n);
  }, BEAT_PERIOD);

  function halt() {
    document.body.classList.toggle("unsent", isLost() || !isConnected());
    if (isConnected()) emitEvent("halt", state.n);
  }

  document.addEventListener("keydown", (event) => {
    const types = event.target.closest && event.target.closest("input, textarea");
    if (event.key !== "Escape" && (event.key !== " " || types)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) halt();
  }, true);

  return {
    halt,
    tick: (n) => {
      state.n = n;
      state.at = performance.now();
      document.body.classList.remove("unsent");
    },
    // With a command: the tick that the page had when it was given, so that the server can refuse
    // what was on its way for too long.
    stamp: () => (isLost() ? -1 : state.n),
  };
})();
