/** Where the data comes from: the local server, or the page itself when it is an exported file. */
import { type Manifest, Problem } from "./types";

export type Progress = (loaded: number, total: number) => void;

const SCENE = document.getElementById("embedded-scene");

export async function loadManifest(): Promise<Manifest> {
  if (SCENE) return JSON.parse(SCENE.textContent ?? "") as Manifest;
  const response = await get("api/scene");
  const value = (await response.json()) as Manifest & { error?: string };
  if (value.error !== undefined) throw new Problem(value.error);
  return value;
}

/** All bytes of a splat file, with progress. */
export async function loadBytes(url: string, expected: number, progress: Progress, signal: AbortSignal) {
  if (url.startsWith("embedded:")) {
    const text = document.getElementById(`embedded-${url.slice("embedded:".length)}`)?.textContent ?? "";
    progress(0, expected);
    await new Promise((resolve) => setTimeout(resolve)); // let the progress bar appear first
    const response = await fetch(`data:application/octet-stream;base64,${text}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    progress(bytes.length, expected);
    return bytes;
  }
  const response = await get(url, signal);
  // A retrained scene may have another size than the manifest said.
  const total = Number(response.headers.get("Content-Length")) || expected;
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array(await response.arrayBuffer());
  const parts: Uint8Array[] = [];
  let loaded = 0;
  progress(0, total);
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new Problem("The file stopped arriving before its end.", "Is the splatreel server still running?");
    });
    if (done) break;
    parts.push(value);
    loaded += value.length;
    progress(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(
      "The splatreel server does not answer.",
      "Start it again with “splatreel view”, then reload this page.",
    );
  }
  if (response.ok || response.status === 409) return response;
  const name = decodeURIComponent(url.split("/").pop() ?? url);
  if (response.status === 404) {
    throw new Problem(`The file ${name} is not there any more.`, "It may be being written again: try again shortly.");
  }
  const text = (await response.text()).trim();
  throw new Problem(`The server did not give ${name} (${response.status}). ${text}`);
}
