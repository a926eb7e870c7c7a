/** Source frames, decoded ahead of time so that playing does not flicker. */

/** Decoded pictures kept: a second of video, about. */
const KEPT = 32;

export class Pictures {
  private readonly images = new Map<string, HTMLImageElement>();

  /** The picture when it is decoded, else null (and it is fetched; `then` is called when it is there). */
  get(url: string, then: () => void = () => {}): HTMLImageElement | null {
    const known = this.images.get(url);
    if (known) {
      this.images.delete(url); // to the end: most recently used
      this.images.set(url, known);
      return known.complete && known.naturalWidth > 0 ? known : null;
    }
    const image = new Image();
    image.src = url;
    this.images.set(url, image);
    image.decode().then(then, () => {}); // a frame that is gone leaves the render as it is
    for (const [old] of this.images) {
      if (this.images.size <= KEPT) break;
      this.images.delete(old);
    }
    return null;
  }
}
