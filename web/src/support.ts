/** Shades places of the map that have no points near them. */

import type { App } from './app';
import { sized } from './dom';
import type { Seen } from './view';

const CELL = 5;
const REST = 110;

interface Mask { seen: Seen; left: number; top: number; size: string }

export class Support {
  private running = 0;
  private turn = 0;
  private timer = 0;
  private waitsFor = '';
  private mask: Mask | null = null;

  /** Its own canvas, which moves with the view: hatching again for each frame would take too long. */
  constructor(private readonly app: App, private readonly canvas: HTMLCanvasElement) {}

  get possible(): boolean {
    return Boolean(this.app.model.header.support) && this.app.model.d <= 2;
  }

  forget(): void {
    this.mask = null;
    this.running = 0;
    this.turn++;
    this.waitsFor = '';
  }

  /** Shows what is known, and finds out the rest in slices of time. */
  draw(shown: boolean): void {
    const { view } = this.app;
    const { mask, canvas } = this;
    canvas.hidden = !shown || !mask;
    if (!shown || view.width <= 1) return;
    let fits = false;
    if (mask) {
      canvas.style.transform = view.transform(mask.seen, mask.left, mask.top);
      const s = view.k / mask.seen.k;
      const half = view.height / 2;
      fits = mask.size === `${view.width}×${view.height}` && s > 0.999 && s < 1.001
        && Math.abs((view.tx - s * mask.seen.tx) * half) <= -mask.left
        && Math.abs((view.ty - s * mask.seen.ty) * half) <= -mask.top;
    }
    if (fits || this.running) return;
    // It waits until the view rests.
    const now = `${view.k},${view.tx},${view.ty},${view.width},${view.height}`;
    if (now === this.waitsFor) return;
    this.waitsFor = now;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.compute(), REST);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.forget();
  }

  private compute(): void {
    const { app } = this;
    const { view, model } = app;
    const { support } = model.header;
    if (!support) return;
    const turn = ++this.turn;
    this.waitsFor = '';
    this.running = turn;
    const margin = 0.25;
    const seen = view.seen();
    const [left, top] = view.scaled(-margin * view.width, -margin * view.height);
    const [right, bottom] = view.scaled((1 + margin) * view.width, (1 + margin) * view.height);
    const columns = Math.ceil((view.width * (1 + 2 * margin)) / CELL);
    const rows = Math.ceil((view.height * (1 + 2 * margin)) / CELL);
    const image = document.createElement('canvas');
    [image.width, image.height] = [columns, rows];
    const context = image.getContext('2d');
    if (!context) return;
    const pixels = context.createImageData(columns, rows);
    const radius = support.distance / view.scale[0];
    const ink = app.style('--hatch');
    const { width, height } = view;
    const size = `${width}×${height}`;
    let row = 0;
    const slice = (): void => {
      if (turn !== this.turn) return;
      const end = performance.now() + 5;
      while (row < rows && performance.now() < end) {
        const y = top + ((row + 0.5) / rows) * (bottom - top);
        for (let column = 0; column < columns; column++) {
          const x = left + ((column + 0.5) / columns) * (right - left);
          const dense = model.d === 1
            ? app.space.supported([x * view.scale[0] + view.center[0]], 1, [0, 0])
            : app.space.denseAt(x, y, radius, support.k);
          if (!dense) pixels.data[4 * (row * columns + column) + 3] = 255;
        }
        row++;
      }
      if (row < rows) {
        setTimeout(slice, 4);
        return;
      }
      context.putImageData(pixels, 0, 0);
      const [w, t] = [width * (1 + 2 * margin), height * (1 + 2 * margin)];
      const own = sized(this.canvas, w, t);
      if (own) {
        own.globalCompositeOperation = 'copy';
        own.drawImage(image, 0, 0, w, t);
        own.globalCompositeOperation = 'source-in';
        own.fillStyle = hatching(own, ink) ?? ink;
        own.fillRect(0, 0, w, t);
        own.globalCompositeOperation = 'source-over';
      }
      this.mask = { seen, left: -margin * width, top: -margin * height, size };
      for (const [side, value] of [['left', -margin * width], ['top', -margin * height], ['width', w], ['height', t]] as const) {
        this.canvas.style[side] = `${value}px`;
      }
      this.running = 0;
      app.overlay.redraw();
    };
    slice();
  }
}

function hatching(context: CanvasRenderingContext2D, ink: string): CanvasPattern | null {
  const tile = document.createElement('canvas');
  [tile.width, tile.height] = [8, 8];
  const own = tile.getContext('2d');
  if (!own) return null;
  own.strokeStyle = ink;
  own.lineWidth = 1;
  for (const shift of [-8, 0, 8]) {
    own.beginPath();
    own.moveTo(shift - 1, 9);
    own.lineTo(shift + 9, -1);
    own.stroke();
  }
  return context.createPattern(tile, 'repeat');
}
