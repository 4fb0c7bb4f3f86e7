// Text that a reader cannot see whole: cut off, spilling out of its box, or a word broken in two.
// What is meant to scroll may: code, what is typed, and tables of figures, which the keyboard reaches.
const SCROLLS = "pre, textarea, input, select, .table[tabindex]:not(:has(.rows))";
const found = new Set();

function complain(what, element) {
  const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 60);
  found.add(`${what}: <${element.localName} class="${element.className}"> ${text}`);
}

function checkBoxes(element) {
  for (let box = element; box !== document.documentElement; box = box.parentElement) {
    if (box.clientWidth && box.scrollWidth > box.clientWidth + 1) complain("cut off", box);
  }
}

function checkWords(text, element) {
  const place = element.closest("td, th, li, dd, p, section, main")?.getBoundingClientRect();
  // Whole words; an endless address or name has to be broken somewhere.
  for (const word of text.data.matchAll(/(?<!\S{30})(?<![\p{L}\d])\p{L}{2,24}(?![\p{L}\d])(?!\S{30})/gu)) {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    const right = range.getBoundingClientRect().right;
    if (place && right > place.right + 1 && !element.closest(SCROLLS)) complain("spills", element);
    const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
    if (lines.size > 1) complain(`“${word[0]}” broken`, element);
  }
}

const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode;
  const element = text.parentElement;
  if (!text.data.trim() || !element.checkVisibility()) continue;
  if (element.closest(".hidden-label, .skip, svg, thead")) continue;
  if (!element.closest(SCROLLS)) checkBoxes(element);
  if (!element.closest("pre, .secret")) checkWords(text, element);
}
return [...found];
