/** What the server tells while a scene is being trained, over a WebSocket that comes back by itself. */

export interface Step {
  shot: number;
  step: number;
  total: number;
  loss: number;
  gaussians: number;
  seconds: number;
  steps_per_second: number;
}

export interface Score {
  shot: number;
  step: number;
  split: string;
  psnr: number;
  ssim: number;
}

export type Message =
  | { type: "state"; stage: string; note: string }
  | { type: "history"; steps: Step[]; scores: Score[] }
  | ({ type: "step" } & Step)
  | ({ type: "score" } & Score)
  | { type: "splats"; shot: number; step: number; url: string; bytes: number; gaussians: number }
  | { type: "scene" };

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

export class Live {
  heard: (message: Message) => void = () => {};
  /** The connection is there, or gone (and tried again). */
  connection: (there: boolean) => void = () => {};
  socket: WebSocket | null = null;
  private pause = FIRST_PAUSE;

  connect(): void {
    const url = new URL("api/live", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.pause = FIRST_PAUSE;
      this.connection(true);
    });
    socket.addEventListener("message", (event) => this.heard(JSON.parse(String(event.data)) as Message));
    socket.addEventListener("close", () => {
      this.connection(false);
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
    });
  }
}
