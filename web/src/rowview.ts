/** A row of data, as an image or as bars of its features. */

import { format, h, later, name } from './dom';
import type { Model } from './model';

/** A row as pixels, one for one. */
export function painted(canvas: HTMLCanvasElement, model: Model, row: ArrayLike<number>): void {
  const [height, width, channels = 1] = model.header.image as number[];
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (!context) return;
  const image = context.createImageData(width, height);
  const [low, high] = model.imageRange;
  const factor = 255 / (high - low);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = row[channels === 3 ? 3 * i + c : i];
      image.data[4 * i + c] = (value - low) * factor;
    }
    image.data[4 * i + 3] = Number.isNaN(row[channels === 3 ? 3 * i : i]) ? 0 : 255;
  }
  context.putImageData(image, 0, 0);
}

/** Features with the largest deviation from the mean first. */
export function ranked(model: Model, row: ArrayLike<number>, count = model.D): { feature: number; z: number }[] {
  const { mean, std, D } = model;
  if (count >= D) {
    const all = Array.from({ length: D }, (_, feature) => ({ feature, z: deviation(row[feature], mean[feature], std[feature]) }));
    return all.sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
  }
  const best: { feature: number; z: number }[] = [];
  for (let feature = 0; feature < D; feature++) {
    const z = deviation(row[feature], mean[feature], std[feature]);
    const size = Math.abs(z);
    if (best.length === count && !(size > Math.abs(best[count - 1].z))) continue;
    let at = best.length;
    while (at > 0 && Math.abs(best[at - 1].z) < size) at--;
    best.splice(at, 0, { feature, z });
    if (best.length > count) best.pop();
  }
  return best;
}

function deviation(value: number, mean: number, std: number): number {
  const z = (value - mean) / (std || 1);
  return Number.isFinite(z) ? z : 0;
}

interface BarRow {
  root: HTMLElement;
  label: HTMLElement;
  bar: HTMLElement;
  second: HTMLElement;
  value: HTMLElement;
}

const TOP = 12;
const MOST = 2000;

/** A list of bars: how far each feature is from its mean, in standard deviations; values in raw units. */
export class Bars {
  readonly root: HTMLElement;
  private readonly list: HTMLElement;
  private readonly rows: BarRow[] = [];
  private readonly toggle: HTMLButtonElement;
  private all = false;
  private row: ArrayLike<number> | null = null;
  private other: ArrayLike<number> | null = null;
  private readonly refresh = later(() => this.draw(), 90);

  constructor(private readonly model: Model, label: string, testid: string) {
    this.list = h('ul', { class: 'bars', 'aria-label': label, testid, tabindex: '-1' });
    this.toggle = h('button', {
      type: 'button', class: 'link', testid: `${testid}-all`, 'aria-expanded': 'false',
      onclick: () => {
        this.all = !this.all;
        this.toggle.setAttribute('aria-expanded', String(this.all));
        this.list.classList.toggle('all', this.all);
        this.list.tabIndex = this.all ? 0 : -1;
        this.draw();
      },
    });
    this.toggle.hidden = model.D <= TOP;
    this.root = h('div', { class: 'barbox' }, this.list, this.toggle);
    this.caption();
  }

  private caption(): void {
    const { D } = this.model;
    this.toggle.textContent = this.all ? `Show the first ${TOP}`
      : `Show all ${D > MOST ? `(first ${MOST} of ${D})` : D} features`;
  }

  /** `other` is drawn as a thin line beside: a reconstruction. */
  show(row: ArrayLike<number>, other: ArrayLike<number> | null = null): void {
    this.row = row;
    this.other = other;
    if (this.all && this.model.D > 200) this.refresh();
    else this.draw();
  }

  private draw(): void {
    const { model, row, other } = this;
    this.caption();
    if (!row) return;
    const found = ranked(model, row, this.all ? Math.min(MOST, model.D) : Math.min(TOP, model.D));
    const z = (feature: number, value: number): number => deviation(value, model.mean[feature], model.std[feature]);
    let most = 2;
    for (const one of found) {
      most = Math.max(most, Math.abs(one.z), other ? Math.abs(z(one.feature, other[one.feature])) : 0);
    }
    while (this.rows.length < found.length) this.add();
    this.rows.forEach((one, k) => {
      const entry = found[k];
      one.root.hidden = !entry;
      if (!entry) return;
      const { feature } = entry;
      one.label.textContent = model.header.features.names[feature];
      one.label.title = `${model.header.features.names[feature]}: mean ${format(model.mean[feature])}, standard deviation ${format(model.std[feature])}`;
      place(one.bar, entry.z / most);
      one.bar.className = entry.z < 0 ? 'bar low' : 'bar high';
      one.second.hidden = !other;
      if (other) place(one.second, z(feature, other[feature]) / most);
      one.value.textContent = other ? `${format(row[feature], 3)} → ${format(other[feature], 3)}` : format(row[feature]);
    });
  }

  private add(): void {
    const bar = h('span', { class: 'bar' });
    const second = h('span', { class: 'bar second' });
    const label = name('', { class: 'feature' });
    const value = h('span', { class: 'value' });
    const root = h('li', {}, label, h('span', { class: 'track', 'aria-hidden': 'true' }, bar, second), value);
    this.rows.push({ root, label, bar, second, value });
    this.list.append(root);
  }
}

function place(bar: HTMLElement, share: number): void {
  bar.style.left = `${50 + Math.min(0, share) * 50}%`;
  bar.style.width = `${Math.max(0.6, Math.abs(share) * 50)}%`;
}

