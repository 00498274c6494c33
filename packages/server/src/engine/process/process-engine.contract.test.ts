import { describeEngineContract } from "../contract.ts";
import { makeProcessHarness } from "./fixtures/harness.ts";

describeEngineContract("process", () => makeProcessHarness());
