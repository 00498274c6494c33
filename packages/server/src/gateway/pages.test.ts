import { expect, test } from "vitest";
import type { Backend, BackendSpec, BackendStatus } from "../core/resource.ts";
import { waitingPage } from "./pages.ts";

const backend = (status: BackendStatus, spec: Partial<BackendSpec> = {}): Backend => ({
  metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: {} },
  spec: { template: { containers: [{}] }, ...spec },
  status,
});
const pageOf = (of: Backend) => waitingPage(of, { prefix: "", stream: undefined }).body;

test("a browser is shown how far a start has come", () => {
  const page = pageOf(backend({ running: true }));
  expect(page).toContain('<li data-state="Running" class="done">');
  expect(page).toContain('<li data-state="Ready" aria-current="step">');
  expect(page).toContain("The session is starting.");
});

test("a browser is shown that a start was asked to end, and waits for no step", () => {
  const page = pageOf(backend({ running: true }, { stopRequested: true, stopRequestedAt: "2026-01-01T00:00:01.000Z" }));
  expect(page).toContain("<title>Ending…</title>");
  expect(page).toContain("The session is ending.");
  expect(page).not.toContain("aria-current");
});
