// What a reader would see of the page, measured: run in the browser, returns one object.
// Lengths in CSS px; contrast as WCAG 2 defines it (1 to 21).
const slack = 1; // rounding of layout

function channels(text) {
  const found = text.match(/[\d.]+/g)?.map(Number);
  return found && !text.startsWith("none") ? found : null;
}

function luminance([r, g, b]) {
  const part = (value) => {
    const x = value / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const found = channels(getComputedStyle(at).backgroundColor);
    if (found && (found[3] ?? 1) > 0) return found;
  }
  return [255, 255, 255];
}

// Where a box is cut: at the edge of the page, of what hides its overflow, of an SVG. What scrolls
// in a box of its own can be reached, so only that box has to be on the page.
function isCut(box, element) {
  for (let at = element; at && at !== document.body; at = at.parentElement) {
    const style = getComputedStyle(at);
    const edge = at.getBoundingClientRect();
    const svg = at.localName === "svg";
    if (!svg && ["auto", "scroll"].includes(style.overflowX)) return isCut(edge, at.parentElement);
    if (svg || ["hidden", "clip"].includes(style.overflowX)) {
      if (box.left < edge.left - slack || box.right > edge.right + slack) return true;
      if (box.top < edge.top - slack || box.bottom > edge.bottom + slack) return true;
    }
  }
  return box.left < -slack || box.right > document.documentElement.clientWidth + slack;
}

function ownText(element) {
  return [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
    .map((node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      return { text: node.data.trim(), box: range.getBoundingClientRect() };
    });
}

function overlap(a, b) {
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return wide > slack && high > slack;
}

const said = {
  page: { scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth },
  background: ground(document.body),
  text: document.body.innerText,
  invisible: [], cut: [], pale: [], broken: [], sections: [], figures: [], tables: [],
};

for (const element of document.body.querySelectorAll("*:not(style)")) {
  const style = getComputedStyle(element);
  const drawn = element.closest("svg");
  for (const { text, box } of ownText(element)) {
    if (!box.width || !box.height || style.visibility !== "visible") said.invisible.push(text);
    if (isCut(box, element)) said.cut.push(text);
    const ink = channels(drawn ? style.fill : style.color);
    const ratio = contrast(ink, ground(element));
    if (ratio < 4.5) said.pale.push(`${ratio.toFixed(2)}: ${text}`);
    // More lines than words: broken within one. What is long has no other place to be broken.
    const lines = Math.round(box.height / parseFloat(style.lineHeight));
    if (!drawn && text.length <= 40 && lines > text.split(/[\s-]+/).length) said.broken.push(text);
  }
  if (drawn && !element.closest("defs")) {
    const stroke = channels(style.stroke);
    if (stroke && contrast(stroke, ground(element)) < 3) said.pale.push(`stroke ${style.stroke}`);
  }
}

for (const section of document.querySelectorAll("section")) {
  const heading = section.querySelector("h2, h4");
  said.sections.push({ name: section.id, heading: heading.innerText });
}
for (const svg of document.querySelectorAll("svg")) {
  const { width, height } = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll("text")].map((element) => ({
    text: element.textContent.trim(), box: element.getBoundingClientRect(),
  }));
  said.figures.push({
    width, height,
    section: svg.closest("section").id,
    marks: [...svg.querySelectorAll("path, use")].filter((it) => !it.closest("defs")).length,
    smallest: Math.min(...words.map((word) => word.box.height)),
    clash: words.flatMap((a, i) =>
      words.slice(i + 1).filter((b) => overlap(a.box, b.box)).map((b) => `${a.text} / ${b.text}`)),
  });
}
for (const table of document.querySelectorAll("table")) {
  said.tables.push({
    section: table.closest("section").id,
    caption: table.caption.innerText,
    names: [...table.tBodies[0].rows].map((row) => row.cells[0].innerText),
  });
}
return said;
