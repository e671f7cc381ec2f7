"use strict";
// Keeps the page as new as the daemon is. Asks every two seconds; when nobody answers it says so, says how old what
// is shown is, and greys it out. Without it the page works as it was served.
(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 5000;
  const SILENT_MS = 7000; // since the last answer
  const silence = document.getElementById("silence");
  let heardMs = performance.now();
  let wrong = "";

  const age = (ms) => {
    const seconds = Math.round(ms / 1000);
    return seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
  };

  // A list that is open, or a button that a finger is on, is not taken away.
  const isInUse = (part) => {
    const active = document.activeElement;
    return part.contains(active) && active.tagName === "SELECT";
  };

  const put = (fresh) => {
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (!next || isInUse(part) || part.outerHTML === next.outerHTML) continue;
      const active = part.contains(document.activeElement) ? document.activeElement.id : "";
      const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
      const chosen = [...part.querySelectorAll("select")].map((one) => [one.id, one.value]);
      part.replaceWith(document.adoptNode(next));
      [...next.querySelectorAll(".scroll")].forEach((one, i) => { one.scrollLeft = scrolled[i] || 0; });
      for (const [id, value] of chosen) {
        const one = document.getElementById(id);
        if (one) one.value = value;
      }
      if (active) document.getElementById(active)?.focus({ preventScroll: true });
    }
    // Read aloud only when the words change, never because a figure did.
    const said = document.getElementById("verdict");
    const now = fresh.getElementById("verdict").textContent;
    if (said.textContent !== now) said.textContent = now;
    document.title = fresh.title;
  };

  const tell = () => {
    const quietMs = performance.now() - heardMs;
    const silent = wrong !== "" || quietMs >= SILENT_MS;
    document.body.classList.toggle("silent", silent);
    silence.hidden = !silent;
    if (!silent) return;
    const words = wrong || "The daemon does not answer.";
    const text = `${words} What is shown below is ${age(quietMs)} old.`;
    if (silence.textContent !== text) silence.textContent = text;
    document.title = `NO ANSWER - ${document.title.replace(/^NO ANSWER - /, "")}`;
  };

  const look = async () => {
    try {
      const reply = await fetch("/", { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (reply.redirected) {
        wrong = "You are logged out: load the page again to log in.";
      } else if (reply.ok) {
        const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
        if (fresh.getElementById("verdict")) {
          heardMs = performance.now();
          wrong = "";
          put(fresh);
        }
      } else if (performance.now() - heardMs >= SILENT_MS) {
        wrong = `The daemon refuses to answer (${reply.status}).`;
      }
    } catch {
      if (wrong && performance.now() - heardMs >= SILENT_MS) wrong = "";
    }
    tell();
    setTimeout(look, EVERY_MS);
  };

  setTimeout(look, EVERY_MS);
  setInterval(tell, 1000);
  // A phone that was in a pocket shows what it had: look before anybody believes it.
  document.addEventListener("visibilitychange", tell);
})();
