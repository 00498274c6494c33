import { Argument, Command, Option } from "commander";
import { expect, test } from "vitest";
import { completionOf } from "./completion-candidates.ts";

const program = new Command("spawner");
program
  .command("dev")
  .description("Run")
  .argument("<command...>")
  .option("-p, --port <port>", "a port")
  .option("--watch", "a switch")
  .addOption(new Option("--level <level>", "what to log").choices(["debug", "info"]));
program.command("stop").description("End").argument("<id>").option("--url <url>");
program
  .command("completion")
  .description("Print")
  .addArgument(new Argument("<shell>").choices(["bash", "fish"]));
program.command("secret", { hidden: true });

function complete(line: string) {
  const completion = completionOf(program, line.split(" "));
  return completion.kind === "words" ? completion.candidates.map(({ word }) => word) : completion.kind;
}

test.each([
  ["", ["dev", "stop", "completion", "help"]],
  ["st", ["dev", "stop", "completion", "help"]],
  ["-", ["--help"]],
  ["dev --", ["--port", "--watch", "--level", "--help"]],
  ["dev --level ", ["debug", "info"]],
  ["dev --level=", ["--level=debug", "--level=info"]],
  ["dev --level de", ["debug", "info"]],
  ["dev --watch --level ", ["debug", "info"]],
  ["dev -p ", "files"],
  ["dev ", "files"],
  ["dev -- node ", "files"],
  ["dev -- node --", "files"],
  ["dev -- dev --level ", "files"],
  ["stop ", "id"],
  ["stop --url stop ", "id"],
  ["stop --url=http://x -- ", "id"],
  ["stop x ", ["--url", "--help"]],
  ["completion ", ["bash", "fish"]],
])("what can follow %j", (line, expected) => {
  expect(complete(line)).toEqual(expected);
});

test("candidates are described, and those for ids come with the flags before them", () => {
  expect(completionOf(program, [""])).toMatchObject({ candidates: [{ word: "dev", description: "Run" }, {}, {}, {}] });
  const completion = completionOf(program, ["stop", "--url", "http://there", ""]);
  const flags = completion.kind === "id" ? [...completion.flags] : [];
  expect(flags.map(([option, value]) => [option.attributeName(), value])).toEqual([["url", "http://there"]]);
});
