import { expect, test } from "vitest";
import { choosesCode, matchesVariable } from "./code-variables.ts";

test.each([
  ...["PATH", "NODE_OPTIONS", "NODE_PATH", "BASH_ENV", "ENV", "SHELLOPTS", "PS4", "IFS", "BASH_FUNC_ls%%"],
  ...["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES", "GCONV_PATH"],
  ...["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PERL5LIB", "PERL5OPT", "RUBYOPT", "RUBYLIB", "OPENSSL_CONF"],
  ...[
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "SSL_CERT_FILE",
    "GIT_SSH_COMMAND",
    "npm_config_node_options",
  ],
])("%s may choose code", (name) => {
  expect(choosesCode(name)).toBe(true);
});

test.each(["DOCUMENT", "THEME", "NODE_ENV", "path", "MY_PATH", "LANG", "TZ", "LD", "GITHUB", "DEBUG", "PORT"])(
  "%s chooses none",
  (name) => {
    expect(choosesCode(name)).toBe(false);
  },
);

test.each([
  ["THEME", "THEME", true],
  ["THEME", "THEMES", false],
  ["USER_*", "USER_NAME", true],
  ["USER_*", "USER_", true],
  ["USER_*", "OTHER_USER_NAME", false],
])("%s matches %s: %s", (pattern, name, matches) => {
  expect(matchesVariable(pattern, name)).toBe(matches);
});
