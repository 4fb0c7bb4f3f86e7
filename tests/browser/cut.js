// Text that a reader cannot see whole: cut off, spilling out of its box, or a word broken in two.
// What is meant to scroll scrolls: code, what is typed, and tables that can be reached by keyboard.
const SCROLLS = "pre, textarea, input, select, .table[tabindex], .contents.wide";
const found = new Set();
const complain = (what, element) =>
  found.add(`${what}: <${element.localName} class="${element.className}"> ${element.textContent.trim().replace(/\s+/g, " ").slice(0, 60)}`);
const isSeen = (element) => element.checkVisibility() && !element.closest(".hidden-label, .skip, svg, thead");

const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode;
  const element = text.parentElement;
  if (!text.data.trim() || !isSeen(element)) continue;
  if (!element.closest(SCROLLS)) {
    for (let box = element; box !== document.documentElement; box = box.parentElement) {
      if (box.clientWidth && box.scrollWidth > box.clientWidth + 1) complain("cut off", box);
    }
  }
  const place = element.closest("td, th, li, dd, p, section, main")?.getBoundingClientRect();
  for (const word of text.data.matchAll(/(?<![\p{L}\d])\p{L}{2,24}(?![\p{L}\d])/gu)) {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    if (element.closest(SCROLLS)) continue;
    if (place && range.getBoundingClientRect().right > place.right + 1) complain("beyond its place", element);
    const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
    if (lines.size > 1 && !element.closest("code")) complain(`“${word[0]}” broken`, element);
  }
}
return [...found];
