// An application around the board, as it would be in front of a Spawner: people have names, boards have names, and who was
// the first on a board may take others off it. It asks for each visitor to be connected, and sends the browser there.
import { createServer } from "node:http";
import { SpawnerClient } from "@spawner/client";

const client = new SpawnerClient({
  url: process.env.SPAWNER_URL ?? "http://127.0.0.1:8080/api",
  token: process.env.SPAWNER_TOKEN,
});

/** @typedef {{ owner: string, backend: string, people: Set<string>, removed: Set<string> }} Board */
/** @type {Map<string, Board>} by its name */
const boards = new Map();
const boardsMax = 1_000;
const nameFormat = /^[a-z0-9][a-z0-9-]{0,39}$/;

const server = createServer(async (request, response) => {
  try {
    const { status, headers, body } = await answer(request);
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", ...headers }).end(body);
  } catch (error) {
    console.error(error);
    response.writeHead(503, { "retry-after": "1" }).end("The boards cannot be reached. Is Spawner running?\n");
  }
});

/** @param {import("node:http").IncomingMessage} request */
async function answer(request) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const [, board = "", action = ""] = /^\/boards\/([^/]*)\/?(.*)$/.exec(pathname) ?? [];
  const user = userOf(request);
  if (request.method === "POST") {
    const form = await formOf(request);
    if (pathname === "/enter") return enter(form);
    if (action === "remove") return remove(board, { by: user, user: form.get("user") ?? "" });
  } else if (pathname === "/") return page(home(user, searchParams.get("board") ?? "lobby"));
  else if (action === "" && nameFormat.test(board)) return connect(board, user);
  return page("<h1>There is nothing here</h1>", 404);
}

/** Who somebody is: here by what they say. A real application asks for more, and signs what it remembers. */
function enter(/** @type {URLSearchParams} */ form) {
  const [user, board] = ["user", "board"].map((field) => (form.get(field) ?? "").trim().toLowerCase());
  if (!nameFormat.test(user) || !nameFormat.test(board)) {
    return page("<h1>Names have letters, digits and hyphens, 40 at most</h1><a href='/'>Back</a>", 400);
  }
  return redirect(`/boards/${board}`, { "set-cookie": `user=${user}; Path=/; HttpOnly; SameSite=Lax` });
}

/** Everybody with the name of a board comes to the same one: its name is the key. */
async function connect(/** @type {string} */ name, /** @type {string | undefined} */ user) {
  if (user === undefined) return redirect(`/?board=${name}`);
  const known = boards.get(name);
  if (known?.removed.has(user)) return takenOff();
  if (known === undefined && boards.size >= boardsMax) return page("<h1>There are too many boards</h1>", 503);
  const { backend, url = "" } = await client.connect({
    key: name,
    user,
    env: { BOARD_LINK: `${origin}/boards/${name}` },
  });
  const board = boards.get(name) ?? { owner: user, backend, people: new Set(), removed: new Set() };
  boards.set(name, board);
  if (board.removed.has(user)) return takenOff(); // while it was connected, which may take seconds
  board.people.add(user);
  return redirect(url);
}

function takenOff() {
  return page("<h1>You were taken off this board</h1><a href='/'>Other boards</a>", 403);
}

/** Ends somebody's access, and closes what is open: it is not left to the board's program. */
async function remove(
  /** @type {string} */ name,
  /** @type {{ by: string | undefined, user: string }} */ { by, user },
) {
  const board = boards.get(name);
  if (board === undefined || by !== board.owner || !board.people.has(user))
    return page("<h1>That is not yours to do</h1>", 403);
  board.removed.add(user); // first, so that no new way in is given meanwhile
  board.people.delete(user);
  await client.revoke(board.backend, { user });
  return redirect("/");
}

function home(/** @type {string | undefined} */ user, /** @type {string} */ wanted) {
  const list = [...boards].map(([name, { owner, people }]) => {
    const buttons = [...people].map((each) =>
      user === owner && each !== owner
        ? `<form method="post" action="/boards/${name}/remove"><button name="user" value="${each}">Take ${each} off</button></form>`
        : `<span>${each}</span>`,
    );
    return `<li><a href="/boards/${name}">${name}</a> ${buttons.join(" ")}</li>`;
  });
  return `<h1>Boards</h1>
    <form method="post" action="/enter">
      <label>Your name <input name="user" value="${user ?? ""}" required></label>
      <label>Board <input name="board" value="${nameFormat.test(wanted) ? wanted : "lobby"}" required></label>
      <button>Draw</button>
    </form>
    <ul>${list.join("\n")}</ul>`;
}

/** @param {import("node:http").IncomingMessage} request */
function userOf({ headers }) {
  const [, user] = /(?:^|; )user=([^;]*)/.exec(headers.cookie ?? "") ?? [];
  return user !== undefined && nameFormat.test(user) ? user : undefined;
}

/** @param {import("node:http").IncomingMessage} request */
async function formOf(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) if (text.length < 10_000) text += chunk;
  return new URLSearchParams(text);
}

const style = `:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
  main { max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  form { display: inline-flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; }
  label { display: grid; }
  input, button { font: inherit; padding: .4rem .8rem; }
  li { margin: .8rem 0; }`;

function page(/** @type {string} */ content, status = 200) {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>Boards</title><link rel="icon" href="data:,"><style>${style}</style><main>${content}</main></html>`;
  return { status, headers: { "cache-control": "no-store" }, body };
}

function redirect(/** @type {string} */ location, headers = {}) {
  return {
    status: 303,
    headers: { location, "cache-control": "no-store", "referrer-policy": "no-referrer", ...headers },
    body: "",
  };
}

let origin = "";
const port = Number(process.env.APP_PORT ?? 3000);
server.once("error", (error) => {
  console.error(`Port ${port} cannot be served: ${error.message}. Give another one: APP_PORT=3001 npm run demo`);
  process.exit(1);
});
server.listen(port, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  origin = process.env.APP_URL ?? `http://127.0.0.1:${port}`;
  console.log(`Boards with names are at ${origin}/`);
});
