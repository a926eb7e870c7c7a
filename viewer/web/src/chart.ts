/** A small line chart: one curve over the training steps, with its latest value in words. */
import { make } from "./ui";

const WIDTH = 260;
const HEIGHT = 46;
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  readonly root = make("figure", "chart");
  private readonly value = make("b");
  private readonly svg = document.createElementNS(SVG, "svg");
  private readonly line = document.createElementNS(SVG, "polyline");
  private readonly dots = document.createElementNS(SVG, "g");

  /** `logarithmic`: of a value that falls by factors; `dotted`: of few values, each a dot. */
  constructor(
    private readonly title: string,
    private readonly inWords: (value: number) => string,
    private readonly options: { logarithmic?: boolean; dotted?: boolean } = {},
  ) {
    const caption = make("figcaption", "", title);
    caption.append(" ", this.value);
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.append(this.line, this.dots);
    this.root.append(caption, this.svg);
    this.root.hidden = true;
  }

  /** Points in order of their steps, of `total` steps. */
  set(points: readonly (readonly [step: number, value: number])[], total: number): void {
    const last = points.at(-1);
    this.root.hidden = !last;
    if (!last) return;
    this.value.textContent = this.inWords(last[1]);
    this.svg.setAttribute("aria-label", `${this.title} over the steps, ${this.inWords(last[1])} at step ${last[0]} of ${total}`);
    const scale = (value: number) => (this.options.logarithmic ? Math.log(Math.max(1e-9, value)) : value);
    const values = points.map(([, value]) => scale(value));
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const at = points.map(([step], i) => [(step / total) * (WIDTH - 6) + 3, HEIGHT - 4 - (((values[i] ?? low) - low) / span) * (HEIGHT - 8)] as const);
    this.line.setAttribute("points", at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
    this.dots.textContent = "";
    if (!this.options.dotted) return;
    for (const [x, y] of at) {
      const dot = document.createElementNS(SVG, "circle");
      for (const [name, value] of Object.entries({ cx: x, cy: y, r: 3 })) dot.setAttribute(name, String(value));
      this.dots.append(dot);
    }
  }
}
