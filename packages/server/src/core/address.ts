import type { Backend, BackendStatus } from "./resource.ts";

/** Where a backend's relay host is reached, and what runs it. */
export interface WorkloadAddress {
  /** Address of the relay's serve port. */
  readonly ip: string;
  readonly port: number;
  readonly nodeName: string;
  /** Identity of the workload: another one after a restart of it. */
  readonly workloadUID: string;
  /** 0: the relay host is a sidecar of 0.1.9, which knows `/_events` on its serve port and nothing else. Default: one of ours. */
  readonly relayProtocol?: 0;
  /** Where 0.1.9's routers and sweepers find it, where there is a Service for them. */
  readonly service?: ServiceAddress;
}

export interface ServiceAddress {
  readonly ip: string;
  readonly url: string;
}

/** The serve port of every sidecar of 0.1.9. */
export const legacyServePort = 9090;

/** Where the relay host is, as far as the status says. */
export function addressOf(backend: Backend): WorkloadAddress | undefined {
  const { podIP, port, nodeName = "", podUID, relayProtocol } = backend.status;
  if (podIP === undefined || port === undefined || podUID === undefined) return legacyAddressOf(backend);
  return { ip: podIP, port, nodeName, workloadUID: podUID, ...(relayProtocol === 0 ? { relayProtocol } : {}) };
}

/** What 0.1.9's controller wrote names the Service, and nothing that tells one Pod from another. */
function legacyAddressOf({ status }: Backend): WorkloadAddress | undefined {
  const { ip, url, nodeName = "" } = status;
  if (ip === undefined || url === undefined) return undefined;
  return { ip, port: legacyServePort, nodeName, workloadUID: "", relayProtocol: 0 };
}

/** What the status says of it: our fields, and those in which 0.1.9 looks. */
export function addressFields(address: WorkloadAddress): Partial<BackendStatus> {
  const { ip, port, nodeName, workloadUID, relayProtocol } = address;
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const { service = { ip, url: `http://${host}:${port}/` } } = address;
  const shown = { podIP: ip, podUID: workloadUID, nodeName, ip: service.ip, port, url: service.url };
  return relayProtocol === undefined ? shown : { ...shown, relayProtocol };
}

/** Whether the status says so already. A Service outlives the switch by which it was made. */
export function isAddressWritten(
  { ip, port, workloadUID, relayProtocol, service }: WorkloadAddress,
  { status }: Backend,
): boolean {
  const isPod = status.podIP === ip && status.port === port && status.podUID === workloadUID;
  const isService = service === undefined || (status.ip === service.ip && status.url === service.url);
  return isPod && isService && status.relayProtocol === relayProtocol;
}
