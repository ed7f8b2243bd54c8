/** Draws the points, by WebGL where there is some. */

import createScatterplot, { createRenderer } from 'regl-scatterplot';
import type { Space } from './space';
import type { Seen, View } from './view';

type Plot = ReturnType<typeof createScatterplot>;
type Renderer = ReturnType<typeof createRenderer>;

const IDLE = 90;

/** Null where WebGL does not do what is needed; `soft` where the processor draws. */
function available(): { soft: boolean } | null {
  const probe = document.createElement('canvas').getContext('webgl');
  if (!probe) return null;
  const fits = ['OES_texture_float', 'OES_element_index_uint'].every((one) => probe.getExtension(one));
  const info = probe.getExtension('WEBGL_debug_renderer_info');
  const by = info ? String(probe.getParameter(info.UNMASKED_RENDERER_WEBGL)) : '';
  probe.getExtension('WEBGL_lose_context')?.loseContext();
  return fits ? { soft: /swiftshader|llvmpipe|software|basic render/i.test(by) } : null;
}

export class Scatter {
  readonly webgl: boolean;
  private plot: Plot | null = null;
  private renderer: Renderer | null = null;
  private space: Space | null = null;
  private codes: Uint32Array = new Uint32Array(0);
  private palette: string[] = ['#888888'];
  private visible: Uint8Array | null = null;
  private selected: number[] = [];
  private background = '#ffffff';
  private dirty = false;
  private busy = false;
  private closed = false;
  private shown: number[] | null = null;
  private framed = 0;
  private resolution = '';
  private soft = false;
  /** Pixels that are drawn beyond each edge. */
  private margin: [number, number] = [0, 0];
  private sent: Seen = { k: 1, tx: 0, ty: 0 };
  private drawn: Seen = this.sent;
  private timer = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement, private readonly view: View, private readonly onLost: () => void,
  ) {
    let plot: Plot | null = null;
    try {
      const webgl = available();
      if (webgl) {
        this.soft = webgl.soft;
        plot = this.started();
        plot.subscribe('drawing', () => {
          this.drawn = this.sent;
          this.place();
        });
      }
    } catch (error) {
      console.warn('WebGL cannot draw the points:', error);
      this.renderer?.destroy();
      this.renderer = null;
    }
    this.plot = plot;
    this.webgl = plot !== null;
    view.on(() => this.moved());
  }

  private started(): Plot {
    const own = document.createElement('canvas');
    [own.width, own.height] = [64, 64];
    this.renderer = createRenderer({ canvas: own });
    // Browsers take contexts back, as where many maps are open.
    own.addEventListener('webglcontextlost', () => this.lost());
    return createScatterplot({
      renderer: this.renderer,
      canvas: this.canvas,
      width: 64,
      height: 64,
      cameraIsFixed: true,
      deselectOnEscape: false,
      deselectOnDblClick: false,
      lassoInitiator: false,
      lassoOnLongPress: false,
      showReticle: false,
      pointScaleMode: 'constant',
      colorBy: 'category',
      opacityInactiveMax: 0.25,
      opacityInactiveScale: 0.6,
      pointSizeSelected: 1.5,
      pointOutlineWidth: 0,
    } as unknown as Parameters<typeof createScatterplot>[0]);
  }

  private lost(): void {
    if (this.closed || !this.plot) return;
    const { plot } = this;
    this.plot = null;
    try {
      plot.destroy();
    } catch { /* of what is lost, nothing is left to be freed */ }
    Object.assign(this.canvas.style, { left: '0', top: '0', width: '100%', height: '100%', transform: '' });
    this.busy = false;
    this.onLost();
    this.moved();
  }

  setPoints(space: Space): void {
    this.space = space;
    this.update();
  }

  setColours(codes: Uint32Array, palette: string[], background: string): void {
    [this.codes, this.palette, this.background] = [codes, palette, background];
    this.update();
  }

  setVisible(visible: Uint8Array | null): void {
    this.visible = visible;
    this.shown = null;
    this.update();
  }

  setSelected(selected: number[]): void {
    this.selected = selected;
    this.update();
  }

  /** Several changes of one turn are drawn once; drawing is never begun twice at a time. */
  private update(): void {
    this.dirty = true;
    if (this.busy || this.closed) return;
    this.busy = true;
    void this.flush();
  }

  private async flush(): Promise<void> {
    await Promise.resolve();
    while (this.dirty && !this.closed) {
      this.dirty = false;
      const { space, plot } = this;
      if (!space || this.codes.length !== space.x.length) continue;
      if (!plot) {
        this.moved();
        continue;
      }
      if (this.visible && !this.shown) this.shown = listed(this.visible);
      void plot.set({
        backgroundColor: this.background,
        pointColor: this.palette,
        pointColorActive: this.palette,
        pointColorHover: this.palette,
        pointSize: this.pointSize(),
        opacity: this.opacity(),
        pointSizeSelected: this.codes.length > 60000 ? 0.5 : 1.5,
      } as never);
      this.resized();
      this.look();
      await plot.draw(
        { x: space.x, y: space.y, z: this.codes },
        {
          spatialIndex: space.index.data as ArrayBuffer,
          zDataType: 'categorical',
          ...(this.shown ? { filter: this.shown } : {}),
          select: [],
        },
      ).then(() => {
        if (this.selected.length > 1) plot.select(this.selected, { preventEvent: true });
        else plot.deselect({ preventEvent: true });
      }, () => undefined);
    }
    this.busy = false;
  }

  private count(): number {
    return this.shown ? this.shown.length : this.codes.length;
  }

  private pointSize(): number {
    const n = this.count();
    const base = n > 4e5 ? 1.5 : n > 6e4 ? 2.2 : n > 1.5e4 ? 3 : n > 4000 ? 4 : n > 800 ? 5.5 : 7;
    return base * Math.min(2.2, Math.max(1, this.view.k ** 0.35));
  }

  private opacity(): number {
    const n = this.count();
    return n > 4e5 ? 0.5 : n > 6e4 ? 0.7 : 0.85;
  }

  private resized(): void {
    const { width, height } = this.view;
    const resolution = `${width}×${height}×${window.devicePixelRatio}×${this.slow}`;
    if (resolution === this.resolution || !this.plot || !this.renderer) return;
    this.resolution = resolution;
    this.margin = this.slow ? [Math.round(width * 0.12), Math.round(height * 0.12)] : [0, 0];
    const [w, t] = [Math.floor(width) + 2 * this.margin[0], Math.floor(height) + 2 * this.margin[1]];
    this.renderer.resize(w, t);
    void this.plot.set({ width: w, height: t } as never);
    this.renderer.refresh();
    this.canvas.style.left = `${-this.margin[0]}px`;
    this.canvas.style.top = `${-this.margin[1]}px`;
  }

  /** Frames would come too late: the picture moves, and is drawn anew when the view rests. */
  private get slow(): boolean {
    return this.soft || this.codes.length > 400000;
  }

  private look(): void {
    if (!this.plot) return;
    clearTimeout(this.timer);
    this.timer = 0;
    const { view } = this;
    this.resized();
    const size = this.pointSize();
    if (Math.abs(size - Number(this.plot.get('pointSize'))) > 0.02) void this.plot.set({ pointSize: size } as never);
    this.sent = view.seen();
    const height = Math.floor(view.height) + 2 * this.margin[1];
    void this.plot.view(view.matrix(height / view.height), { preventEvent: true } as never);
  }

  private place(): void {
    this.canvas.style.transform = this.slow ? this.view.transform(this.drawn, -this.margin[0], -this.margin[1]) : '';
  }

  private uncovered(): boolean {
    const { view, drawn, margin } = this;
    const s = view.k / drawn.k;
    const [dx, dy] = [(view.tx - s * drawn.tx) * view.height / 2, (view.ty - s * drawn.ty) * view.height / 2];
    return s > 2 || s < 0.8 || Math.abs(dx) > margin[0] || Math.abs(dy) > margin[1];
  }

  private moved(): void {
    if (this.closed || !this.space) return;
    if (this.plot) {
      if (!this.slow || (this.drawn === this.sent && this.codes.length < 200000 && this.uncovered())) this.look();
      else {
        clearTimeout(this.timer);
        if (!this.view.isHeld) this.timer = window.setTimeout(() => this.look(), IDLE);
      }
      if (this.slow) this.place();
      return;
    }
    if (!this.framed) this.framed = requestAnimationFrame(() => { this.framed = 0; this.plain(); });
  }

  /** Without WebGL. */
  private plain(): void {
    const { canvas, view, space } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
    const context = canvas.getContext('2d');
    if (!context || !space) return;
    context.scale(ratio, ratio);
    const size = this.pointSize();
    const chosen = this.selected.length > 1 ? new Set(this.selected) : null;
    const buckets: number[][] = this.palette.map(() => []);
    for (let i = 0; i < space.x.length; i++) {
      if (this.visible && !this.visible[i]) continue;
      const [x, y] = [view.pixelX(space.x[i]), view.pixelY(space.y[i])];
      if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
      buckets[this.codes[i]]?.push(i, x, y);
    }
    buckets.forEach((bucket, code) => {
      context.fillStyle = this.palette[code];
      for (let j = 0; j < bucket.length; j += 3) {
        context.globalAlpha = chosen && !chosen.has(bucket[j]) ? 0.2 : this.opacity();
        context.fillRect(bucket[j + 1] - size / 2, bucket[j + 2] - size / 2, size, size);
      }
    });
  }

  destroy(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.plot?.destroy();
    this.renderer?.destroy();
  }
}

function listed(visible: Uint8Array): number[] {
  const result: number[] = [];
  for (let i = 0; i < visible.length; i++) if (visible[i]) result.push(i);
  return result;
}
