/** What to do about an address that cannot be had; anything else comes back as it is. */
export function explainListenFailure(
  error: unknown,
  { host, port, flag = "--port" }: { host: string; port: number; flag?: string },
): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new Error(`Port ${port} on ${host} is in use. Choose another one: ${flag} 8181, or 0 for any.`, {
        cause: error,
      });
    case "EACCES":
      return new Error(`Port ${port} on ${host} may not be used by this user. Choose one above 1023: ${flag} 8080.`, {
        cause: error,
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new Error(`${host} is no address of this machine. Choose one that is: --host 127.0.0.1.`, {
        cause: error,
      });
    default:
      return error;
  }
}
