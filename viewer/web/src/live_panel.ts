/** Training as it goes on: what stage, how fast, the curves, and the splats so far. */
import { Chart } from "./chart";
import { Live, type Message, type Score, type Step } from "./live";
import type { SplatEntry } from "./types";
import { decibels, element } from "./ui";

/** Ends of the work; what was on show then is the result. */
const AT_REST = ["done", "idle"];

export class LivePanel {
  /** Splats of the training so far. */
  splats: (entry: SplatEntry) => Promise<void> = async () => {};
  /** The scene's files have changed. */
  refresh: () => Promise<void> = async () => {};
  private readonly live = new Live();
  private readonly loss = new Chart("Loss", (value) => value.toPrecision(3), { logarithmic: true });
  private readonly psnr = new Chart("Held-out views", decibels, { dotted: true });
  private steps: Step[] = [];
  private scores: Score[] = [];
  private note = "";
  /** Something is being made, or was while this page was open: worth a place in the panel. */
  private lively = false;
  /** At work on a message: they are taken one after the other, and of splats only the latest. */
  private busy: Promise<void> = Promise.resolve();
  private waiting: SplatEntry | null = null;

  constructor() {
    element("training-charts").append(this.loss.root, this.psnr.root);
    this.live.heard = (message) => this.hear(message);
    this.live.connection = (there) => {
      if (!there) element("training-state").textContent = "The server does not answer; trying again.";
      else this.say();
    };
  }

  get socket(): WebSocket | null {
    return this.live.socket;
  }

  connect(): void {
    this.live.connect();
  }

  private hear(message: Message): void {
    switch (message.type) {
      case "state":
        this.note = message.note;
        this.lively ||= !AT_REST.includes(message.stage);
        break;
      case "history":
        this.steps = message.steps;
        this.scores = message.scores;
        break;
      case "step":
        this.forgetFrom(message);
        this.steps.push(message);
        break;
      case "score":
        this.scores.push(message);
        break;
      case "splats":
        this.take(message);
        break;
      case "scene":
        this.waiting = null;
        this.busy = this.busy.then(() => this.refresh()).catch(() => {}); // the next message tries again
    }
    this.draw();
  }

  /** A training that began anew, or went back to its checkpoint: later steps did not happen. */
  private forgetFrom({ shot, step }: Step): void {
    const last = this.steps.at(-1);
    if (!last || (last.shot === shot && last.step < step)) return;
    this.steps = this.steps.filter((each) => each.shot === shot && each.step < step);
    this.scores = this.scores.filter((each) => each.shot === shot && each.step < step);
  }

  private take({ shot, step, url, bytes, gaussians }: Extract<Message, { type: "splats" }>): void {
    const idle = this.waiting === null;
    this.waiting = { id: `live:${url}`, label: `Training, step ${step}`, url, format: "splat", bytes, gaussians, shot };
    if (!idle) return;
    this.busy = this.busy.then(async () => {
      const entry = this.waiting;
      this.waiting = null;
      if (entry) await this.splats(entry);
    });
  }

  private draw(): void {
    const total = this.steps.at(-1)?.total ?? 1;
    this.loss.set(this.steps.map(({ step, loss }) => [step, loss]), total);
    this.psnr.set(this.scores.filter(({ split }) => split === "heldout").map(({ step, psnr }) => [step, psnr]), total);
    element("training").hidden = !this.lively;
    this.say();
  }

  private say(): void {
    const last = this.steps.at(-1);
    const speed = last ? `step ${last.step} of ${last.total} · ${last.steps_per_second.toPrecision(3)} steps/s` : "";
    element("training-state").textContent = [this.note, speed].filter(Boolean).join(" · ");
  }
}
