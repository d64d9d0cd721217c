// The live board: the stream brings each changed call as a piece of page, rendered once for everyone.
"use strict";
(() => {
  const board = document.getElementById("board");
  const said = document.getElementById("said");
  const broken = document.getElementById("broken");
  const LONGEST_LIST = 100;

  const tidy = () => {
    const live = document.getElementById("live");
    const ended = document.getElementById("ended");
    while (ended.children.length > LONGEST_LIST) ended.lastElementChild.remove();
    document.getElementById("live-count").textContent = live.children.length;
    document.getElementById("quiet").hidden = live.children.length > 0;
    document.getElementById("none-ended").hidden = ended.children.length > 0;
    const ringing = live.querySelectorAll("article.ringing").length;
    document.title = `${ringing ? `(${ringing}) ` : ""}Board · Trunkline`;
    tick();
  };

  const tick = () => {
    const now = Date.now() / 1000;
    for (const timer of document.querySelectorAll(".timer[data-since]")) {
      const seconds = Math.max(0, Math.floor(now - Number(timer.dataset.since || now)));
      timer.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    }
  };

  // The newest first; a call keeps its place while it changes.
  const place = (article) => {
    const list = document.getElementById(article.dataset.place);
    const at = Number(article.dataset.at);
    const next = [...list.children].find((other) => Number(other.dataset.at) < at);
    list.insertBefore(article, next ?? null);
  };

  const show = (html) => {
    const piece = document.createElement("template");
    piece.innerHTML = html;
    const article = piece.content.querySelector("article");
    const old = document.getElementById(article.id);
    if (old && Number(old.dataset.version) > Number(article.dataset.version)) return;
    const focused = old?.contains(document.activeElement);
    if (old && old.dataset.place === article.dataset.place) old.replaceWith(article);
    else {
      old?.remove();
      place(article);
      article.classList.add("new");
      if (article.matches(".ringing, .waiting")) said.textContent = article.getAttribute("aria-label");
    }
    if (focused) article.focus();
    tidy();
  };

  // Whoever is no longer signed in is led to the sign-in page.
  const again = () => fetch("/api/v1/ping").then(
    (answer) => { if (answer.status === 401) location.reload(); else setTimeout(open, 2000); },
    () => setTimeout(open, 2000),
  );
  // A browser opens a broken stream again by itself, but gives up on one that is answered with an error.
  const open = () => {
    const source = new EventSource(board.dataset.stream);
    source.addEventListener("board", (event) => {
      const focused = document.activeElement?.closest("#board article")?.id;
      board.innerHTML = event.data;
      if (focused) document.getElementById(focused)?.focus();
      broken.hidden = true;
      tidy();
    });
    source.addEventListener("call", (event) => show(event.data));
    source.addEventListener("gone", (event) => {
      document.getElementById(`call-${event.data}`)?.remove();
      tidy();
    });
    source.addEventListener("error", () => {
      broken.hidden = false;
      if (source.readyState === EventSource.CLOSED) again();
    });
  };
  open();
  setInterval(tick, 1000);
  tidy();
})();
