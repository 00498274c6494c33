import { Agent, type IncomingMessage, request as sendRequest } from "node:http";
import { WebSocket } from "ws";
import { seededRandom } from "./random.ts";
import { spawnSession } from "./spawn-session.ts";

/** What became of one client: the program served it, its backend was over and it was told so, or what must not be. */
type Outcome = "served" | "refused" | { readonly fault: string };

export interface Race {
  /** How often each kind of client was served and refused. */
  readonly counts: Record<string, { served: number; refused: number }>;
  readonly faults: string[];
}

export interface RaceOptions {
  /** Address of the gateway. */
  readonly url: string;
  readonly rounds: number;
  /** How many rounds go on at once, each with a backend of its own. */
  readonly atOnce: number;
  readonly seed: number;
}

/** One backend that is about to be swept, and what its clients share. */
interface Session {
  readonly id: string;
  readonly base: string;
  readonly pid: number;
  /** A connection that was used before, and is kept alive. */
  readonly keptAlive: Agent;
}

const graceMs = 1_000;
/** Clients come this much before or after the moment in which the sweep is awaited: close to it, and farther to find it. */
const spreadsMs = [3, 6, 30] as const;
/** How much the awaited moment moves by one round: more each time until it is found, however slow a machine is, and less since. */
const stepMs = { first: 5, least: 0.5, most: 100 };
/** What is served may take longer than the grace period, and the backend must live as long. */
const longMs = graceMs + 300;
/** After this a client that has got no answer takes it for a hang. */
const patienceMs = 10_000;

/**
 * Has clients arrive at backends at the moment in which these are swept. Where the last round met a living backend the
 * next one comes a little later, and where it met the end a little earlier, so that half of them meet either.
 */
export async function raceArrivals({ url, rounds, atOnce, seed }: RaceOptions): Promise<Race> {
  const random = seededRandom(seed);
  const race: Race = { counts: {}, faults: [] };
  let left = rounds;
  let lagMs = 0;
  let stepOfRoundMs = stepMs.first;
  let livedBefore: boolean | undefined;
  const lane = async () => {
    let session: Session | undefined;
    while (left > 0) {
      left -= 1;
      session ??= await openSession(url);
      const lastActiveMs = performance.now();
      const spreadMs = spreadsMs[Math.floor(random() * spreadsMs.length)] ?? 0;
      const comesMs = lastActiveMs + graceMs + lagMs + (2 * random() - 1) * spreadMs;
      await new Promise((resolve) => setTimeout(resolve, comesMs - performance.now()));
      const outcomes = await Promise.all(clientsOf(session, random).map((client) => client()));
      for (const { kind, outcome } of outcomes) note(race, { kind, outcome, session });
      const lives = outcomes.some(({ outcome }) => outcome === "served");
      const isPassed = livedBefore !== undefined && lives !== livedBefore;
      stepOfRoundMs = Math.min(Math.max(stepOfRoundMs * (isPassed ? 0.5 : 1.2), stepMs.least), stepMs.most);
      livedBefore = lives;
      lagMs += lives ? stepOfRoundMs : -stepOfRoundMs;
      if (lives) continue;
      session.keptAlive.destroy();
      session = undefined;
    }
    session?.keptAlive.destroy();
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return race;
}

export function totals({ counts }: Race): { served: number; refused: number } {
  const all = Object.values(counts);
  return {
    served: all.reduce((sum, { served }) => sum + served, 0),
    refused: all.reduce((sum, { refused }) => sum + refused, 0),
  };
}

function note(race: Race, { kind, outcome, session }: { kind: string; outcome: Outcome; session: Session }): void {
  race.counts[kind] ??= { served: 0, refused: 0 };
  if (typeof outcome === "string") race.counts[kind][outcome] += 1;
  else race.faults.push(`${kind} at ${session.id}: ${outcome.fault}`);
}

async function openSession(url: string): Promise<Session> {
  const { name: id } = await spawnSession(url, { gracePeriodSeconds: graceMs / 1000 });
  const base = `${url}/${id}/`;
  const keptAlive = new Agent({ keepAlive: true, maxSockets: 1 });
  const { status, body } = await exchange(`${base}echo`, { agent: keptAlive });
  if (status !== 200) throw new Error(`${base} answered ${status}: ${body}`);
  return { id, base, pid: (JSON.parse(body) as { pid: number }).pid, keptAlive };
}

/** Of every kind one, all within two milliseconds, in any order. */
function clientsOf(session: Session, random: () => number) {
  const isLong = random() < 0.1;
  const kinds: [string, () => Promise<Outcome>][] = [
    ["GET", () => get(session, {})],
    ["GET, kept alive", () => get(session, { agent: session.keptAlive })],
    ["GET, slow", () => download(session, isLong ? Math.ceil(longMs / 100) : 2)],
    ["POST", () => post(session)],
    ["WebSocket", () => talk(session, isLong ? longMs : 50)],
  ];
  return kinds.map(([kind, act]) => async () => {
    await new Promise((resolve) => setTimeout(resolve, random() * 2));
    const outcome = await act().catch((error: Error) => ({ fault: `${error.name}: ${error.message}` }));
    return { kind, outcome };
  });
}

async function get({ base, pid }: Session, options: { agent?: Agent }): Promise<Outcome> {
  return judge(await exchange(`${base}echo`, options), (body) => (JSON.parse(body) as { pid: number }).pid === pid);
}

async function download({ base }: Session, kilobytes: number): Promise<Outcome> {
  const answer = await exchange(`${base}download?kilobytes=${kilobytes}`, {});
  return judge(answer, (body) => body.length === kilobytes * 1024);
}

/** A body that comes in two parts, so that one may be sent before the end is known. */
async function post({ base }: Session): Promise<Outcome> {
  return judge(await exchange(`${base}upload`, { body: ["half ", "a body"] }), (body) => body === "thanks");
}

/** An answer is the program's, whole, or says that the backend is over, and why. */
function judge({ status, body }: { status: number; body: string }, isWhole: (body: string) => boolean): Outcome {
  if (status === 200 && isWhole(body)) return "served";
  if (status === 410 && saysWhy(body)) return "refused";
  return { fault: `${status} ${body.slice(0, 300)}` };
}

function saysWhy(body: string): boolean {
  const { code, message } = JSON.parse(body) as { code: string; message: string };
  return code === "backend_ended" && message.includes("(Idle): Nobody was connected for 1 s");
}

/** One request; rejects where it gets no answer, or a part of one. */
function exchange(
  url: string,
  { agent, body = [] }: { agent?: Agent; body?: string[] },
): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const sent = sendRequest(url, {
    agent: agent ?? new Agent({ keepAlive: false }),
    method: body.length > 0 ? "POST" : "GET",
    headers: body.length > 0 ? { "content-length": body.join("").length } : {},
    signal: AbortSignal.timeout(patienceMs),
  });
  sent.on("error", reject).on("response", (response) => {
    readBody(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
  });
  const [first = "", ...rest] = body;
  sent.write(first);
  setTimeout(() => sent.end(rest.join("")), body.length > 0 ? 3 : 0);
  return promise;
}

/** Rejects where the response is cut short. */
async function readBody(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

/** Opens a WebSocket, and after a while sends a message and wants it back: nothing may have ended meanwhile. */
function talk({ base }: Session, whileMs: number): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const socket = new WebSocket(base.replace("http", "ws"), { handshakeTimeout: patienceMs });
  socket.on("error", reject);
  socket.on("unexpected-response", (_, response) => {
    readBody(response).then((body) => resolve(judge({ status: response.statusCode ?? 0, body }, () => false)), reject);
  });
  socket.on("open", () => setTimeout(() => socket.send("still there?"), whileMs));
  let isServed = false;
  socket.on("message", () => {
    isServed = true;
    socket.close();
  });
  socket.on("close", (code) => resolve(isServed ? "served" : { fault: `closed with ${code} while it was in use` }));
  return promise;
}
