/** Shades places of the map that have no points near them. */

import type { App } from './app';
import { sized } from './dom';
import type { Seen } from './view';

const CELL = 5;
const REST = 110;
/** Beyond each edge of the view, as a share of it. */
const MARGIN = 0.25;

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
    const { view } = app;
    const { support } = app.model.header;
    if (!support) return;
    const turn = ++this.turn;
    this.waitsFor = '';
    this.running = turn;
    const { width, height } = view;
    const mask: Mask = { seen: view.seen(), left: -MARGIN * width, top: -MARGIN * height, size: `${width}×${height}` };
    const [w, t] = [width * (1 + 2 * MARGIN), height * (1 + 2 * MARGIN)];
    const [columns, rows] = [Math.ceil(w / CELL), Math.ceil(t / CELL)];
    const image = document.createElement('canvas');
    [image.width, image.height] = [columns, rows];
    const context = image.getContext('2d');
    if (!context) return;
    const pixels = context.createImageData(columns, rows);
    const bare = bareCell(app, support, columns, rows);
    const ink = app.style('--hatch');
    let row = 0;
    const slice = (): void => {
      if (turn !== this.turn) return;
      const end = performance.now() + 5;
      for (; row < rows && performance.now() < end; row++) {
        for (let column = 0; column < columns; column++) {
          if (bare(column, row)) pixels.data[4 * (row * columns + column) + 3] = 255;
        }
      }
      if (row < rows) {
        setTimeout(slice, 4);
        return;
      }
      context.putImageData(pixels, 0, 0);
      hatch(this.canvas, image, w, t, ink);
      this.mask = mask;
      for (const [side, value] of [['left', mask.left], ['top', mask.top], ['width', w], ['height', t]] as const) {
        this.canvas.style[side] = `${value}px`;
      }
      this.running = 0;
      app.overlay.redraw();
    };
    slice();
  }
}

/** Whether a cell has no points near, of a grid over the present view and its margin. */
function bareCell(
  app: App, support: { distance: number; k: number }, columns: number, rows: number,
): (column: number, row: number) => boolean {
  const { model, view } = app;
  const [left, top] = view.scaled(-MARGIN * view.width, -MARGIN * view.height);
  const [right, bottom] = view.scaled((1 + MARGIN) * view.width, (1 + MARGIN) * view.height);
  const radius = support.distance / view.scale[0];
  return (column, row) => {
    const x = left + ((column + 0.5) / columns) * (right - left);
    const y = top + ((row + 0.5) / rows) * (bottom - top);
    return !(model.d === 1
      ? app.space.supported([x * view.scale[0] + view.center[0]], 1, [0, 0])
      : app.space.denseAt(x, y, radius, support.k));
  };
}

/** Hatches what an image covers. */
function hatch(canvas: HTMLCanvasElement, image: HTMLCanvasElement, width: number, height: number, ink: string): void {
  const context = sized(canvas, width, height);
  if (!context) return;
  context.globalCompositeOperation = 'copy';
  context.drawImage(image, 0, 0, width, height);
  context.globalCompositeOperation = 'source-in';
  context.fillStyle = hatching(context, ink) ?? ink;
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = 'source-over';
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
