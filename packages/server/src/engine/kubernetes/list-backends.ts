import { formatLabelSelector } from "../../core/label-selector.ts";
import type { Backend } from "../../core/resource.ts";
import type { BackendPage, ListQuery } from "../engine.ts";
import { backendError } from "./backend-errors.ts";
import { type BackendResource, backendOf } from "./backend-resource.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import type { KubeList } from "./objects.ts";

/** What is read at once where all are asked for. */
const pageSize = 500;

interface Collection {
  readonly client: KubeClient;
  readonly path: string;
}

interface PageQuery {
  readonly labelSelector: string | undefined;
  readonly limit: number;
  readonly continue: string | undefined;
}

/** The backends as the API server has them, in order of their names. */
export async function listBackends(query: ListQuery, collection: Collection): Promise<BackendPage> {
  const { selector = [], limit } = query;
  const labelSelector = selector.length > 0 ? formatLabelSelector(selector) : undefined;
  const items: Backend[] = [];
  let next = query.continue;
  do {
    const page = await readPage({ labelSelector, limit: limit ?? pageSize, continue: next }, collection);
    items.push(...page.items.map(backendOf));
    next = page.metadata.continue || undefined;
  } while (limit === undefined && next !== undefined);
  return next === undefined ? { items } : { items, continue: next };
}

async function readPage(query: PageQuery, collection: Collection): Promise<KubeList<BackendResource>> {
  try {
    return await askForPage(query, collection);
  } catch (error) {
    throw backendError(error, "Listing the backends");
  }
}

async function askForPage(query: PageQuery, { client, path }: Collection): Promise<KubeList<BackendResource>> {
  const ask = (from: string | undefined) =>
    client.json<KubeList<BackendResource>>({ method: "GET", path, query: { ...query, continue: from } });
  try {
    return await ask(query.continue);
  } catch (error) {
    // The list as it was when it was begun is forgotten; from the same name on, as it is now, is as good.
    if (isKubeError(error, "Expired") && error.continue !== undefined) return ask(error.continue);
    throw error;
  }
}
