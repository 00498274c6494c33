/** What `spawner` exits with: for scripts, and therefore never to be changed. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  noSuchBackend: 3,
  backendEnded: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

/** Part of `spawner --help`. */
export const exitCodesHelp = `
Exit codes:
  ${exitCodes.ok}    done
  ${exitCodes.failure}    failed: the line on stderr says why
  ${exitCodes.usage}    a wrong flag or argument
  ${exitCodes.noSuchBackend}    there is no such backend, or its record is gone
  ${exitCodes.backendEnded}    the backend that was waited for has ended or failed before it was ready
  ${exitCodes.unreachable}    no Spawner API has answered at that URL
  ${exitCodes.interrupted}  interrupted by Ctrl-C (dev and serve, which are meant to end by it, exit with ${exitCodes.ok})`;
