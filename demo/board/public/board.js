// The page of the board: draws what the socket says and says what is drawn. Every address is relative, since the board
// lives under a path that it does not know.
const colors = ["#25262b", "#e03131", "#f08c00", "#2f9e44", "#1098ad", "#1c7ed6", "#7048e8", "#d6336c"];
const darkInk = "#eceae4";
const eraser = colors.length;
const widths = [3, 7, 14];
const cursorEveryMs = 50;

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = document.documentElement;
const canvas = /** @type {HTMLCanvasElement} */ ($("canvas"));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
const isDark = matchMedia("(prefers-color-scheme: dark)");

/** @type {Map<number, { color: number, width: number, points: number[] }>} */
const strokes = new Map();
/** @type {Map<number, { id: number, name: string, color: number }>} */
const people = new Map();
/** @type {Map<number, HTMLElement>} */
const cursors = new Map();
const tool = { color: 5, width: 1, isErasing: false };
/** @type {WebSocket | undefined} */
let socket;
let retryMs = 500;
let myId = 0;
let lastStroke = 0;

// Drawing.

/** Everything is drawn around the middle of the window, so that windows of all sizes see the same centre. */
const toBoard = (/** @type {{ clientX: number, clientY: number }} */ { clientX, clientY }) => [
  Math.round((clientX - innerWidth / 2) * 10) / 10,
  Math.round((clientY - innerHeight / 2) * 10) / 10,
];

function inkOf(/** @type {number} */ color) {
  return color === 0 && isDark.matches ? darkInk : (colors[color] ?? "#000");
}

function paint({ color, width, points }, /** @type {number} */ from = 0) {
  context.globalCompositeOperation = color === eraser ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = inkOf(color);
  context.lineWidth = color === eraser ? width * 3 : width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  const start = Math.max(0, from - 4);
  context.moveTo(points[start], points[start + 1]);
  if (points.length === 2) context.lineTo(points[0] + 0.01, points[1]);
  for (let i = start + 2; i < points.length - 2; i += 2) {
    const [x, y, nextX, nextY] = points.slice(i, i + 4);
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(points.at(-2), points.at(-1));
  context.stroke();
}

function repaint() {
  canvas.width = innerWidth * devicePixelRatio;
  canvas.height = innerHeight * devicePixelRatio;
  context.scale(devicePixelRatio, devicePixelRatio);
  context.translate(innerWidth / 2, innerHeight / 2);
  for (const stroke of strokes.values()) paint(stroke);
}

function extend(
  /** @type {number} */ id,
  /** @type {number} */ color,
  /** @type {number} */ width,
  /** @type {number[]} */ points,
) {
  const stroke = strokes.get(id) ?? { color, width, points: [] };
  const from = stroke.points.length;
  stroke.points.push(...points);
  strokes.set(id, stroke);
  paint(stroke, from);
  showCounts();
}

/** Points that were not sent yet go with the next frame. @type {number[]} */
const unsent = [];
/** The stroke being drawn, and the pointer that draws it: further fingers draw nothing meanwhile. @type {number | undefined} */
let drawing;
/** @type {number | undefined} */
let drawingPointer;
/** A stroke that grows beyond this goes on as another. */
const pointsPerStroke = 10_000;
let pointsOfStroke = 0;

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || drawing !== undefined) return;
  canvas.setPointerCapture(event.pointerId);
  drawingPointer = event.pointerId;
  drawing = ++lastStroke;
  pointsOfStroke = 0;
  addPoints([event]);
});
canvas.addEventListener("pointermove", (event) => {
  sendCursor(event);
  if (event.pointerId === drawingPointer) addPoints(event.getCoalescedEvents?.() ?? [event]);
});
for (const type of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(type, (event) => {
    if (/** @type {PointerEvent} */ (event).pointerId !== drawingPointer) return;
    while (unsent.length > 0) flush();
    drawing = drawingPointer = undefined;
  });
}

function addPoints(/** @type {PointerEvent[]} */ events) {
  if (unsent.length === 0) requestAnimationFrame(flush);
  unsent.push(...(events.length > 0 ? events : []).flatMap(toBoard));
}

function flush() {
  if (unsent.length === 0 || drawing === undefined) return;
  const points = unsent.splice(0, 4000);
  const color = tool.isErasing ? eraser : tool.color;
  const width = widths[tool.width];
  extend(myId * 2 ** 32 + drawing, color, width, points);
  send({ type: "draw", stroke: drawing, color, width, points });
  if (unsent.length > 0) requestAnimationFrame(flush);
  pointsOfStroke += points.length / 2;
  if (pointsOfStroke < pointsPerStroke) return;
  drawing = ++lastStroke;
  pointsOfStroke = 0;
}

let cursorSentMs = 0;
function sendCursor(/** @type {PointerEvent} */ event) {
  if (event.timeStamp - cursorSentMs < cursorEveryMs) return;
  cursorSentMs = event.timeStamp;
  send({ type: "cursor", at: toBoard(event) });
}

// Talking to the board.

function send(/** @type {object} */ message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  const url = new URL("socket", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url);
  socket.addEventListener("message", ({ data }) => hear(JSON.parse(data)));
  socket.addEventListener("close", reconnect);
}

/** Tries again after a while, unless the board is over. */
async function reconnect() {
  setConnection("connecting", "Connecting…");
  const answer = await fetch("./", { method: "HEAD" }).catch(() => undefined);
  const status = answer?.status ?? 0;
  if (status === 410 || status === 404) return leave("ended", "Ended");
  if (status === 401 || status === 403) return leave("removed", "Not let in");
  setTimeout(connect, retryMs * (0.5 + Math.random() / 2));
  retryMs = Math.min(retryMs * 2, 10_000);
}

/** Stays as it is: its only way on is out of it. */
function leave(/** @type {"ended" | "removed"} */ state, /** @type {string} */ text) {
  setConnection(state, text);
  /** @type {HTMLDialogElement} */ ($(state)).showModal();
}

function hear(/** @type {any} */ message) {
  switch (message.type) {
    case "hello":
      retryMs = 500;
      myId = message.you.id;
      strokes.clear();
      for (const { id, ...stroke } of message.strokes) strokes.set(id, stroke);
      people.clear();
      cursors.clear();
      $("cursors").replaceChildren();
      for (const person of [...message.people, message.you]) people.set(person.id, person);
      if (message.link !== undefined) useLink(message.link);
      $("process").textContent = `process ${message.pid}, since ${new Date(message.startedAt).toLocaleTimeString()}`;
      setConnection("live", "Live");
      repaint();
      break;
    case "joined":
      people.set(message.person.id, message.person);
      break;
    case "left":
      people.delete(message.id);
      cursors.get(message.id)?.remove();
      cursors.delete(message.id);
      break;
    case "drawn":
      extend(message.stroke, message.color, message.width, message.points);
      break;
    case "cursor":
      moveCursor(message.id, message.at);
      break;
    case "dropped":
      strokes.delete(message.stroke);
      repaint();
      break;
    case "cleared":
      strokes.clear();
      repaint();
      break;
  }
  showCounts();
}

// What is shown around the drawing.

/** What lets others onto this board. */
let link = location.href;

/** Where an application has a page of its own for this board, all ways lead there. */
function useLink(/** @type {string} */ given) {
  link = given;
  const home = new URL("/", given).href;
  for (const anchor of document.querySelectorAll("a")) anchor.href = anchor.dataset.to === "board" ? given : home;
}

function setConnection(/** @type {string} */ state, /** @type {string} */ text) {
  page.dataset.connection = state;
  /** @type {HTMLElement} */ ($("status").querySelector("span")).textContent = text;
}

function showCounts() {
  page.dataset.strokes = String(strokes.size);
  page.dataset.people = String(people.size);
  $("hint").hidden = strokes.size > 0;
  const shown = [...people.values()].map(({ id, name, color }) => {
    const initials = name
      .split(" ")
      .map((word) => word[0])
      .join("");
    return avatar(initials, colors[color], id === myId ? `${name} (you)` : name);
  });
  $("people").replaceChildren(...shown.slice(-6));
}

function avatar(/** @type {string} */ text, /** @type {string} */ color, /** @type {string} */ title) {
  const element = document.createElement("span");
  element.textContent = text;
  element.title = title;
  element.style.background = color;
  return element;
}

function moveCursor(/** @type {number} */ id, /** @type {number[]} */ [x, y]) {
  const person = people.get(id);
  if (person === undefined) return;
  const cursor = cursors.get(id) ?? makeCursor(person);
  cursors.set(id, cursor);
  cursor.style.translate = `${x + innerWidth / 2}px ${y + innerHeight / 2}px`;
}

function makeCursor(/** @type {{ name: string, color: number }} */ { name, color }) {
  const element = document.createElement("div");
  element.className = "cursor";
  element.style.setProperty("--person", colors[color]);
  element.innerHTML = `<svg viewBox="0 0 18 18"><path d="M2 2l5 14 2.5-6.5L16 7z"/></svg><span class="cursor-name"></span>`;
  /** @type {HTMLElement} */ (element.querySelector("span")).textContent = name;
  $("cursors").append(element);
  return element;
}

// The tools.

function choice(
  /** @type {string} */ label,
  /** @type {Partial<CSSStyleDeclaration>} */ style,
  /** @type {() => void} */ choose,
) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = label;
  button.setAttribute("role", "radio");
  button.setAttribute("aria-label", label);
  const mark = document.createElement("b");
  Object.assign(mark.style, style);
  button.append(mark);
  button.addEventListener("click", choose);
  return button;
}

/** Arrows choose within a group, and Tab goes past it: https://www.w3.org/WAI/ARIA/apg/patterns/radio/. */
function chooseByArrows(/** @type {HTMLElement} */ group) {
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = /** @type {HTMLElement[]} */ ([...group.children]);
    const at = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
}

function showTools() {
  for (const [index, button] of /** @type {HTMLElement[]} */ ([...$("colors").children]).entries()) {
    button.setAttribute("aria-checked", String(index === tool.color && !tool.isErasing));
    button.tabIndex = index === tool.color ? 0 : -1;
    const mark = /** @type {HTMLElement} */ (button.firstElementChild);
    mark.style.background = inkOf(index);
  }
  for (const [index, button] of /** @type {HTMLElement[]} */ ([...$("widths").children]).entries()) {
    button.setAttribute("aria-checked", String(index === tool.width));
    button.tabIndex = index === tool.width ? 0 : -1;
  }
  $("eraser").setAttribute("aria-pressed", String(tool.isErasing));
}

function use(/** @type {Partial<typeof tool>} */ change) {
  Object.assign(tool, change);
  showTools();
}

const colorNames = ["Ink", "Red", "Orange", "Green", "Teal", "Blue", "Violet", "Pink"];
$("colors").append(
  ...colorNames.map((name, color) => choice(`${name} (${color + 1})`, {}, () => use({ color, isErasing: false }))),
);
$("widths").append(
  ...widths.map((width, index) =>
    choice(["Thin", "Medium", "Thick"][index], { width: `${width + 2}px`, height: `${width + 2}px` }, () =>
      use({ width: index }),
    ),
  ),
);
for (const id of ["colors", "widths"]) chooseByArrows($(id));
$("eraser").addEventListener("click", () => use({ isErasing: !tool.isErasing }));
$("clear").addEventListener("click", () => send({ type: "clear" }));
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    // There is no clipboard for pages by http from another machine, nor where it is not allowed.
    prompt("Copy this link:", link);
    return;
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy link"), 1_500);
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("cancel", (event) => event.preventDefault());
}
addEventListener("keydown", ({ key: pressed, ctrlKey, metaKey }) => {
  const key = pressed.toLowerCase();
  if (ctrlKey || metaKey) return;
  const color = Number(key) - 1;
  if (color >= 0 && color < colors.length) use({ color, isErasing: false });
  if (key === "e") use({ isErasing: !tool.isErasing });
  if (key === "c") send({ type: "clear" });
});

addEventListener("resize", repaint);
isDark.addEventListener("change", () => {
  showTools();
  repaint();
});
setConnection("connecting", "Connecting…");
showTools();
showCounts();
repaint();
connect();
