/** What colours the points and which are shown. */

import type { Numbers } from './arrays';
import { categoryColours, MISSING_COLOUR, onDark, ramp, SINGLE_COLOUR } from './colours';
import type { Model } from './model';

const BINS = 255;

export interface Choice { key: string; name: string; group: 'Labels' | 'Measures' | 'Features' | '' }

export interface Scale {
  key: string;
  name: string;
  about: string;
  values: Numbers;
  log: boolean;
  low: number;
  high: number;
  missing: number;
}

export class Colouring {
  readonly choices: Choice[] = [];
  codes: Uint32Array;
  palette: string[] = [SINGLE_COLOUR];
  scale: Scale | null = null;
  /** The ground is dark. */
  dark = false;
  counts: number[] = [];
  /** Hidden categories, and ranges by key; both hide points at the same time. */
  readonly hidden = new Set<number>();
  readonly limits = new Map<string, [number, number]>();
  private readonly scales = new Map<string, Scale>();

  constructor(private readonly model: Model) {
    const { header } = model;
    this.codes = new Uint32Array(model.n);
    if (header.labels) this.choices.push({ key: 'label', name: header.labels.name || 'label', group: 'Labels' });
    for (const one of header.measures) {
      this.choices.push({ key: `measure:${one.key}`, name: one.name, group: 'Measures' });
    }
    for (const { feature } of header.columns) {
      this.choices.push({ key: `feature:${feature}`, name: header.features.names[feature], group: 'Features' });
    }
    this.choices.push({ key: 'none', name: 'one colour', group: '' });
    if (header.labels && model.codes) {
      this.counts = new Array<number>(header.labels.values.length).fill(0);
      for (const code of model.codes) this.counts[code]++;
    }
  }

  /** Names of labels, and the colour of each. */
  labelColours(): string[] {
    const values = this.model.header.labels?.values ?? [];
    const colours = categoryColours(values.filter((one) => one !== '(missing)').length);
    let next = 0;
    const own = values.map((one) => (one === '(missing)' ? MISSING_COLOUR : colours[next++]));
    return this.dark ? own.map(onDark) : own;
  }

  /** Labels come first, as classes or as numbers. */
  first(): string {
    const wanted = this.choices.find(({ key }) => key === 'label' || key === 'measure:label');
    return (wanted ?? this.choices[0]).key;
  }

  ramp(size = BINS): string[] {
    return this.dark ? ramp(size).map(onDark) : ramp(size);
  }

  choose(key: string): void {
    const { model } = this;
    this.scale = null;
    if (key === 'label' && model.codes) {
      this.codes = Uint32Array.from(model.codes);
      this.palette = this.labelColours();
      return;
    }
    const scale = this.scaleOf(key);
    if (!scale) {
      this.codes = new Uint32Array(model.n);
      this.palette = [SINGLE_COLOUR];
      return;
    }
    this.scale = scale;
    this.palette = [...this.ramp(), MISSING_COLOUR];
    const codes = new Uint32Array(model.n);
    const { low, high, log, values } = scale;
    const [a, b] = log ? [Math.log(low), Math.log(high)] : [low, high];
    const factor = BINS / (b - a || 1);
    for (let i = 0; i < codes.length; i++) {
      const value = log ? Math.log(Math.max(values[i], low)) : values[i];
      codes[i] = Number.isFinite(values[i]) ? Math.min(BINS - 1, Math.max(0, Math.floor((value - a) * factor))) : BINS;
    }
    this.codes = codes;
  }

  scaleOf(key: string): Scale | null {
    const known = this.scales.get(key);
    if (known) return known;
    const [kind, which] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)];
    const { header } = this.model;
    const measure = kind === 'measure' ? header.measures.find((one) => one.key === which) : undefined;
    const column = kind === 'feature' ? header.columns.find((one) => String(one.feature) === which) : undefined;
    const ref = measure?.values ?? column?.values;
    if (!ref) return null;
    const values = this.model.array(ref);
    let [low, high, positive, missing] = [Infinity, -Infinity, Infinity, 0];
    for (const value of values) {
      if (!Number.isFinite(value)) { missing++; continue; }
      if (value < low) low = value;
      if (value > high) high = value;
      if (value > 0 && value < positive) positive = value;
    }
    if (low > high) [low, high] = [0, 1];
    const log = measure?.scale === 'log' && positive < high && low >= 0;
    const scale: Scale = {
      key,
      name: measure?.name ?? header.features.names[column?.feature ?? 0],
      about: measure?.about ?? 'Values of this feature in the data.',
      values, log, low: log ? Math.max(positive, high * 1e-9) : low, high, missing,
    };
    this.scales.set(key, scale);
    return scale;
  }

  get filters(): boolean {
    return this.hidden.size > 0 || this.limits.size > 0;
  }

  /** 1 for each point that is shown, null where all are. */
  visible(): Uint8Array | null {
    if (!this.filters) return null;
    const { codes, n } = this.model;
    const result = new Uint8Array(n).fill(1);
    if (this.hidden.size && codes) {
      for (let i = 0; i < n; i++) if (this.hidden.has(codes[i])) result[i] = 0;
    }
    for (const [key, [low, high]] of this.limits) {
      const scale = this.scaleOf(key);
      if (!scale) continue;
      const { values } = scale;
      for (let i = 0; i < n; i++) if (!(values[i] >= low && values[i] <= high)) result[i] = 0;
    }
    return result;
  }

  clear(): void {
    this.hidden.clear();
    this.limits.clear();
  }
}
