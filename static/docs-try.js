// Calls are tried on the pages of the API document. What was answered is gone when the page is left.

const DULL = ["content-length", "content-type", "date", "cache-control", "x-content-type-options"];

let leaving = new AbortController();

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
  const credential = document.getElementById("key")?.value.trim();
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

// Shows the forms of the section at hand.
export function enableTrying() {
  for (const form of document.querySelectorAll("form[data-path]")) {
    form.parentElement.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
}

// Stops what is under way and empties the forms.
export function forgetAnswers() {
  leaving.abort();
  leaving = new AbortController();
  for (const form of document.querySelectorAll("form[data-path]")) {
    form.reset();
    clear(form);
  }
}
