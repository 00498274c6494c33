import { expect, test } from "vitest";
import { describeOutput, withoutOutput } from "./describe-output.ts";

test.each([
  ["what a program wrote", "secret\nof two lines", "The program exited with code 1."],
  ["nothing", " \n", "The program exited with code 1. It wrote nothing."],
  ["what looks like our own words", "a\nIts last output:\nb", "The program exited with code 1."],
])("without the output a message is in our own words: %s", (_, output, words) => {
  expect(withoutOutput(`The program exited with code 1. ${describeOutput(output)}`)).toBe(words);
});
