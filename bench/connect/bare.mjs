// What Fastify and a signature alone take: a route that reads the same request, and answers with a token for it.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createSigner } from "fast-jwt";
import { fastify } from "fastify";

const sign = createSigner({ algorithm: "HS256", key: randomBytes(32).toString("base64url"), kid: "1" });
const app = fastify();

app.post("/api/connect", ({ body }) => {
  const iat = Math.floor(Date.now() / 1000);
  const backend = createHash("sha256").update(body.key).digest("hex").slice(0, 24);
  const claims = { aud: "bare", jti: randomUUID(), sub: body.user, backend, iat, exp: iat + 3600 };
  const token = sign(claims);
  return { backend, key: body.key, url: `http://127.0.0.1/${backend}/?_spawner_token=${token}`, token };
});

await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`http://127.0.0.1:${app.server.address().port}/ listens`);
process.stdin.on("end", () => process.exit(0)).resume();
