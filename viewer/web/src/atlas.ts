/** Small pictures of all frames in one texture, filled in as they arrive. */
import * as THREE from "three";

/** Pixels of the texture along each side. */
const SIDE = 2048;
const MAX_TILE = 160;

export class Atlas {
  readonly texture: THREE.CanvasTexture;
  private readonly columns: number;
  private readonly rows: number;
  private gone = false;

  /** `aspect`: width over height of the pictures. */
  constructor(urls: (string | undefined)[], aspect: number, arrived: () => void) {
    const canvas = document.createElement("canvas");
    // The largest tiles of this shape of which all fit.
    let height = MAX_TILE;
    while (height > 8 && Math.floor(SIDE / (height * aspect)) * Math.floor(SIDE / height) < urls.length) height -= 4;
    const width = Math.max(1, Math.floor(height * aspect));
    this.columns = Math.max(1, Math.floor(SIDE / width));
    this.rows = Math.max(1, Math.ceil(urls.length / this.columns));
    canvas.width = Math.min(urls.length, this.columns) * width;
    canvas.height = this.rows * height;
    this.columns = Math.min(urls.length, this.columns);
    this.texture = new THREE.CanvasTexture(canvas);
    this.texture.colorSpace = THREE.NoColorSpace; // as the splats: the colours of the video, unchanged
    this.texture.generateMipmaps = false;
    this.texture.minFilter = THREE.LinearFilter;
    const context = canvas.getContext("2d");
    urls.forEach((url, i) => {
      if (!url) return;
      const image = new Image();
      image.onload = () => {
        if (this.gone) return;
        context?.drawImage(image, (i % this.columns) * width, Math.floor(i / this.columns) * height, width, height);
        this.texture.needsUpdate = true;
        arrived();
      };
      image.src = url;
    });
  }

  /** Texture coordinates of a picture's corners: left top, right top, right bottom, left bottom; 8 numbers. */
  corners(i: number): number[] {
    const x = i % this.columns;
    const y = Math.floor(i / this.columns);
    const u = [x / this.columns, (x + 1) / this.columns] as const;
    const v = [1 - y / this.rows, 1 - (y + 1) / this.rows] as const;
    return [u[0], v[0], u[1], v[0], u[1], v[1], u[0], v[1]];
  }

  dispose(): void {
    this.gone = true;
    this.texture.dispose();
  }
}
