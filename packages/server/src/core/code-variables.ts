/**
 * Variables by which an environment changes which code a program runs: what it is loaded with, where it finds its parts, and what
 * it starts itself. `*` at the end stands for anything. Programs read others as well, so that this keeps out what is known and is
 * no sandbox. Sources: the manuals that are named.
 */
const codeVariables: readonly string[] = [
  // Which program a name is, and what shells read before what they are told to run: environ(7), bash(1), POSIX sh, zsh(1).
  ...["PATH", "HOME", "XDG_CONFIG_HOME", "ENV", "BASH_ENV", "BASH_FUNC_*", "BASHOPTS", "SHELLOPTS", "PS4", "IFS"],
  ...["PROMPT_COMMAND", "CDPATH", "ZDOTDIR"],
  // Programs that others start for us.
  ...["SHELL", "EDITOR", "VISUAL", "PAGER", "BROWSER", "LESSOPEN", "LESSCLOSE"],
  // ld.so(8), dyld(1), glibc's tunables and character sets.
  ...["LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH"],
  // node --help, npm-config(7), Deno and Bun. NODE_ENV is left to callers: Node itself does nothing with it.
  ...["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_REPL_*"],
  ...["NODE_V8_COVERAGE", "NODE_COMPILE_CACHE", "NODE_REDIRECT_WARNINGS", "NODE_ICU_DATA", "NODE_CHANNEL_*"],
  ...["npm_config_*", "NPM_CONFIG_*", "DENO_*", "BUN_*"],
  // python(1), perlrun(1), ruby(1) with RubyGems and Bundler, php(1), lua(1), R's Startup, Julia.
  ...["PYTHON*", "PERL*", "RUBY*", "GEM_*", "BUNDLE_*", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_*", "JULIA_*"],
  ...["R_PROFILE*", "R_ENVIRON*", "R_LIBS*", "R_HOME"],
  // java(1), the tool interface of the JVM, .NET's runtime, Erlang's erl(1).
  ...[
    "JAVA_*",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "DOTNET_*",
    "COMPlus_*",
    "CORECLR_*",
    "COR_*",
    "ERL_*",
  ],
  // git(1), curl(1), and what OpenSSL loads and trusts: config(5), SSL_CTX_load_verify_locations(3).
  ...["GIT_*", "CURL_HOME", "OPENSSL_*", "SSL_CERT_*", "SSLKEYLOGFILE"],
];

/** Whether a variable may change which code a program runs, or how that is loaded. */
export function choosesCode(name: string): boolean {
  return codeVariables.some((pattern) => matchesVariable(pattern, name));
}

/** Whether `name` is `pattern`, or begins with it where that ends in `*`. */
export function matchesVariable(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
