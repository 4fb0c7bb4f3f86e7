// The pages of the API document. From one section to another the page is not left, only its content
// is replaced: so a key that was pasted is kept in this variable, and stored nowhere.
import { enableCopying } from "./copy.js";
import { enableTrying, forgetAnswers } from "./docs-try.js";

let pasted = "";
let language = "request";
let shown = location.pathname;
let loading = new AbortController();

// Marks the language that was chosen last in every example, and has the button copy that one.
function applyLanguage() {
  for (const figure of document.querySelectorAll(".examples")) {
    figure.querySelector(`input[value=${language}]`).checked = true;
    figure.querySelector("[data-copy]").dataset.copy = figure.querySelector(`.${language} code`).id;
  }
}

function chooseLanguage({ target }) {
  if (!target.closest(".languages")) return;
  language = target.value;
  // Examples above may become longer or shorter; the one at hand stays where it is.
  const before = target.getBoundingClientRect().top;
  applyLanguage();
  scrollBy(0, target.getBoundingClientRect().top - before);
}

function prepare() {
  enableCopying();
  enableTrying();
  applyLanguage();
  const bar = document.getElementById("try");
  const key = document.getElementById("key");
  if (bar) {
    bar.hidden = false;
    bar.addEventListener("submit", (event) => event.preventDefault());
    key.value = pasted;
    key.addEventListener("input", () => {
      pasted = key.value;
    });
  }
  // The folded list of sections has done its work once one is chosen.
  document.querySelector(".contents details").addEventListener("click", (event) => {
    if (event.target.closest("a")) event.currentTarget.open = false;
  });
}

const sections = () => document.querySelector(".contents.wide");

// Puts another section in the place of this one.
async function load(url) {
  loading.abort();
  loading = new AbortController();
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: loading.signal });
  if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const scrolled = sections().scrollTop;
  forgetAnswers();
  document.title = page.title;
  document.body.replaceChildren(...page.body.childNodes);
  shown = new URL(url).pathname;
  prepare();
  sections().scrollTop = scrolled;
  document.getElementById("main").focus({ preventScroll: true });
}

// Tries to show an address without leaving the page; what cannot be shown so is opened as usual.
async function open(url, settle) {
  try {
    await load(url);
    settle();
  } catch (why) {
    if (why.name !== "AbortError") location.assign(url);
  }
}

document.addEventListener("change", chooseLanguage);

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  const within = url.origin === location.origin && /^\/docs(\/|$)/.test(url.pathname);
  if (!within || (url.pathname === shown && url.hash)) return;
  event.preventDefault();
  const top = scrollY;
  open(url, () => {
    history.replaceState({ top }, "");
    history.pushState(null, "", url);
    if (url.hash) location.replace(url.hash);
    else scrollTo(0, 0);
  });
});

addEventListener("popstate", ({ state }) => {
  if (location.pathname === shown) return;
  open(new URL(location.href), () => {
    if (location.hash) location.replace(location.hash);
    if (state) scrollTo(0, state.top);
  });
});

addEventListener("pagehide", () => {
  loading.abort();
  pasted = "";
  const key = document.getElementById("key");
  if (key) key.value = "";
  forgetAnswers();
});

prepare();
