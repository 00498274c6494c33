#!/usr/bin/env node
// What `spawner` runs where it was installed from npm: says so where Node is too old to load the rest.
const majorNeeded = 24;

if (Number(process.versions.node.split(".")[0]) >= majorNeeded) {
  await import("./main.ts");
} else {
  process.stderr.write(
    `spawner: Node.js ${majorNeeded} or later is needed; this is ${process.versions.node}. https://nodejs.org has it.\n`,
  );
  process.exitCode = 1;
}
