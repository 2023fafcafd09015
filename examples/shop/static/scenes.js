// What Harken decided about the visitor, below each scene; asked again every two seconds.
"use strict";

const said = JSON.parse(document.getElementById("said").textContent);
let shown = "";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function clock(time) {
  return new Date(time).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function told(journeys) {
  if (journeys === null) return [element("p", said.down, "quiet")];
  if (!journeys.length) return [element("p", said.nothing, "quiet")];
  return journeys.flatMap((one) => {
    const story = element("ol");
    for (const line of one.story) {
      const row = element("li");
      row.append(element("time", clock(line.at)), element("span", line.text));
      story.append(row);
    }
    return [element("h3", one.journey), element("p", one.answer), story];
  });
}

async function refresh() {
  try {
    const answer = await fetch("/scenes/data");
    const text = await answer.text();
    // What did not change is left alone, so that focus and selection stay where they are.
    if (!answer.ok || text === shown) return;
    shown = text;
    const scenes = JSON.parse(text).scenes;
    document.querySelectorAll(".told").forEach((place, number) => {
      place.replaceChildren(...told(scenes === null ? null : scenes[number]));
    });
  } catch {
    // The shop does not answer: what was last seen stays, and the next look may succeed.
  }
}

// Each card below the last one of its column, whatever stands beside it; the columns stay theirs.
const grid = document.querySelector(".scenes");
const GAP = 20, ROW = 4;

function pack() {
  grid.classList.add("packed");
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  [...grid.children].forEach((card, number) => {
    const rows = Math.ceil((card.offsetHeight + GAP) / ROW);
    card.style.gridArea = `auto / ${(number % columns) + 1} / span ${rows} / auto`;
  });
}

pack();
const sizes = new ResizeObserver(pack);
for (const card of grid.children) sizes.observe(card);
refresh();
setInterval(refresh, 2000);
