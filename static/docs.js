// The pages of the API document: code can be copied, and calls can be tried. The key that is typed
// in stays in this page, and is gone when the page is left; so is everything that was answered.
import { enableCopying } from "./copy.js";

const DULL = ["content-length", "content-type", "date", "cache-control", "x-content-type-options"];

const bar = document.getElementById("try");
const key = document.getElementById("key");
const forms = document.querySelectorAll("form[data-path]");
let leaving = new AbortController();

enableCopying();

// The folded list of sections has done its work once one is chosen.
document.querySelector(".contents details").addEventListener("click", (event) => {
  if (event.target.closest("a")) event.currentTarget.open = false;
});

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The request that a form describes.
function request(form) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let path = form.dataset.path;
  let body;
  const credential = key?.value.trim();
  if (credential) headers.set("Authorization", `Bearer ${credential}`);
  for (const field of form.querySelectorAll("[data-in]")) {
    const value = field.value.trim();
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (field.dataset.in === "query") query.append(field.name, value);
    else if (field.dataset.in === "header") headers.set(field.name, value);
    else {
      headers.set("Content-Type", form.dataset.type);
      body = value;
    }
  }
  const asked = query.toString();
  const url = asked ? `${path}?${asked}` : path;
  const { method } = form.dataset;
  return new Request(url, {
    method, headers, body, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", signal: leaving.signal,
  });
}

function readable(text, type) {
  if (!/json/.test(type)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function show(place, answer, text) {
  const named = [...answer.headers].filter(([name]) => !DULL.includes(name));
  if (named.length) {
    const list = element("dl", "", "headers");
    for (const [name, value] of named) list.append(element("dt", name), element("dd", value));
    place.append(list);
  }
  if (text) {
    const body = element("pre", "", "block");
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", "Body of the answer");
    body.append(element("code", readable(text, answer.headers.get("content-type") ?? "")));
    place.append(body);
  }
}

// Takes away what an earlier request has left.
function clear(form) {
  const place = form.nextElementSibling;
  const says = place.querySelector("[role=status]");
  says.textContent = "";
  says.className = "";
  place.replaceChildren(says);
  return { place, says };
}

async function send(form) {
  const { place, says } = clear(form);
  const button = form.querySelector("button");
  button.disabled = true;
  const began = performance.now();
  try {
    const answer = await fetch(request(form));
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    says.className = answer.ok ? "good" : "bad";
    says.textContent = `${answer.status} ${answer.statusText} in ${took} ms`;
    show(place, answer, text);
  } catch (why) {
    if (why.name === "AbortError") return;
    says.className = "bad";
    says.textContent = `No answer: ${why.message}`;
  } finally {
    button.disabled = false;
  }
}

for (const form of forms) {
  form.parentElement.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
if (bar) {
  bar.hidden = false;
  bar.addEventListener("submit", (event) => event.preventDefault());
}

addEventListener("pagehide", () => {
  leaving.abort();
  leaving = new AbortController();
  if (key) key.value = "";
  for (const form of forms) {
    form.reset();
    clear(form);
  }
});
