/** Where the data comes from: the local server, or the page itself when it is an exported file. */
import type { Edits } from "./edits";
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

/** Store the edits; returns where they lie. */
export async function saveEdits(edits: Edits, splats: string): Promise<string> {
  return ((await send("PUT", `api/edits?splats=${encodeURIComponent(splats)}`, edits)) as { saved: string }).saved;
}

export interface VideoOrder {
  splats: string;
  /** world_from_camera, 16 numbers row by row, OpenCV axes. */
  frames: number[][];
  /** Focal length of each frame, pixels of the video. */
  focals: number[];
  width: number;
  height: number;
  fps: number;
  background: string;
  edits: Edits;
}

export interface VideoState {
  state: "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number;
  error: string;
  url: string;
  path: string;
}

export async function startVideo(order: VideoOrder): Promise<string> {
  return ((await send("POST", "api/videos", order)) as { id: string }).id;
}

export async function videoState(id: string): Promise<VideoState> {
  return (await (await get(`api/videos/${id}`)).json()) as VideoState;
}

export async function cancelVideo(id: string): Promise<void> {
  await send("DELETE", `api/videos/${id}`);
}

async function ask(url: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(
      "The splatreel server does not answer.",
      "Start it again with “splatreel view”, then reload this page.",
    );
  }
}

async function send(method: string, url: string, body?: unknown): Promise<unknown> {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await ask(url, { method, ...content });
  const text = await response.text();
  let value: { error?: string } = {};
  try {
    value = JSON.parse(text || "{}") as { error?: string };
  } catch {
    value = { error: text.trim() };
  }
  if (!response.ok) throw new Problem(value.error ?? `The server refused (${response.status}).`);
  return value;
}

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  const response = await ask(url, signal ? { signal } : {});
  if (response.ok || response.status === 409) return response;
  const name = decodeURIComponent(url.split("/").pop() ?? url);
  if (response.status === 404) {
    throw new Problem(`The file ${name} is not there any more.`, "It may be being written again: try again shortly.");
  }
  const text = (await response.text()).trim();
  throw new Problem(`The server did not give ${name} (${response.status}). ${text}`);
}
