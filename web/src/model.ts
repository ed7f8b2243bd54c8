/** What the file holds, as the page asks for it. */

import type { Numbers } from './arrays';
import type { Container, Header, ProbeRef, ProgramRef } from './container';
import { Program } from './program';

export class Model {
  readonly header: Header;
  readonly n: number;
  readonly d: number;
  readonly D: number;
  readonly coordinates: Float32Array;
  readonly mean: Numbers;
  readonly std: Numbers;
  readonly low: Numbers;
  readonly high: Numbers;
  readonly codes: Numbers | null;
  /** Of each coordinate over all points. */
  readonly ranges: [number, number][];
  readonly medians: number[];
  readonly covariance: Numbers | null;
  readonly deviation: Numbers | null;
  /** Gray values of images go from here to there. */
  readonly imageRange: [number, number];
  readonly decoder: Program | null = null;
  readonly encoder: Program | null = null;
  /** Why there is no decoder or encoder; empty if there are. */
  readonly trouble: string = '';
  /** That trouble is an error, not a property of the model. */
  readonly alarming: boolean = false;

  private readonly rowValues: Numbers;
  private readonly rowPlaces: Map<number, number> | null;
  private readonly near: Numbers | null;
  private readonly nearPlaces: Map<number, number> | null;
  private byId: Map<string, number> | null = null;

  constructor(private readonly file: Container) {
    const { header } = file;
    this.header = header;
    ({ n: this.n, d: this.d, D: this.D } = header);
    this.coordinates = file.array(header.coordinates) as Float32Array;
    const { features } = header;
    this.mean = file.array(features.mean);
    this.std = file.array(features.std);
    this.low = file.array(features.low);
    this.high = file.array(features.high);
    this.codes = header.labels && file.array(header.labels.codes);
    this.covariance = header.covariance && file.array(header.covariance);
    this.deviation = header.deviation && file.array(header.deviation);
    this.rowValues = file.array(header.rows.values);
    this.rowPlaces = placesOf(header.rows.which && file.array(header.rows.which));
    this.near = header.neighbours && file.array(header.neighbours.indices);
    this.nearPlaces = placesOf(header.neighbours?.which ? file.array(header.neighbours.which) : null);
    this.imageRange = extremes(this.low, this.high);
    this.ranges = [];
    this.medians = [];
    for (let axis = 0; axis < this.d; axis++) {
      const column = this.coordinate(axis).filter(Number.isFinite).sort();
      this.ranges.push(column.length ? [column[0], column[column.length - 1]] : [0, 1]);
      this.medians.push(column.length ? column[column.length >> 1] : 0);
    }
    if (!header.programs) {
      this.trouble = header.why_no_programs || 'This map has no decoder in the page.';
      return;
    }
    try {
      const encoder = this.program(header.programs.encode);
      const decoder = this.program(header.programs.decode);
      const wrong = header.probes
        ? [
            differs(encoder, header.probes.encode, file) && 'encoder',
            differs(decoder, header.probes.decode, file) && 'decoder',
          ].filter(Boolean)
        : ['file has no probes of the encoder and the decoder'];
      if (!wrong.length) {
        this.encoder = encoder;
        this.decoder = decoder;
        return;
      }
      this.trouble = header.probes
        ? `The ${wrong.join(' and the ')} of this page does not compute what the model computes: `
          + 'results for the probes of the file differ. Nothing is decoded here.'
        : `The ${wrong[0]}, so that they cannot be checked. Nothing is decoded here.`;
    } catch (error) {
      this.trouble = `The decoder of this file cannot be used: ${messageOf(error)}`;
    }
    this.alarming = true;
  }

  array(ref: Parameters<Container['array']>[0]): Numbers {
    return this.file.array(ref);
  }

  coordinate(axis: number): Float32Array {
    const result = new Float32Array(this.n);
    for (let i = 0, at = axis; i < this.n; i++, at += this.d) result[i] = this.coordinates[at];
    return result;
  }

  place(i: number): number[] {
    return Array.from(this.coordinates.subarray(i * this.d, (i + 1) * this.d));
  }

  /** A coordinate as short as single precision lets it be. */
  rounded(i: number): number[] {
    return this.place(i).map((one) => Number(one.toPrecision(9)));
  }

  decode(z: ArrayLike<number>, count = 1, double = false): Numbers {
    if (!this.decoder) throw new Error(this.trouble);
    return this.decoder.run(z, count, double);
  }

  encode(x: ArrayLike<number>, count = 1): Numbers {
    if (!this.encoder) throw new Error(this.trouble);
    return this.encoder.run(x, count);
  }

  id(i: number): string {
    return this.header.ids?.[i] ?? String(i);
  }

  label(i: number): string | null {
    return this.header.labels && this.codes ? this.header.labels.values[this.codes[i]] : null;
  }

  row(i: number): Numbers | null {
    const at = this.rowPlaces ? this.rowPlaces.get(i) : i;
    if (at === undefined || (at + 1) * this.D > this.rowValues.length) return null;
    return this.rowValues.subarray(at * this.D, (at + 1) * this.D);
  }

  get rowCount(): number {
    return this.D ? this.rowValues.length / this.D : 0;
  }

  neighbours(i: number): number[] | null {
    if (!this.near || !this.header.neighbours) return null;
    const at = this.nearPlaces ? this.nearPlaces.get(i) : i;
    if (at === undefined) return null;
    const { k } = this.header.neighbours;
    return Array.from(this.near.subarray(at * k, (at + 1) * k));
  }

  /** The point with this id, or the first whose id begins so. */
  found(text: string): number | null {
    const wanted = text.trim();
    if (!wanted) return null;
    const { ids } = this.header;
    if (!ids) {
      return /^\d+$/.test(wanted) && Number(wanted) < this.n ? Number(wanted) : null;
    }
    if (!this.byId) {
      this.byId = new Map();
      for (let i = ids.length - 1; i >= 0; i--) this.byId.set(ids[i], i);
    }
    const exact = this.byId.get(wanted);
    if (exact !== undefined) return exact;
    let first = ids.findIndex((id) => id.startsWith(wanted));
    if (first < 0) {
      const lower = wanted.toLowerCase();
      first = ids.findIndex((id) => id.toLowerCase().startsWith(lower));
    }
    return first < 0 ? null : first;
  }

  private program(ref: ProgramRef): Program {
    const constants = new Map(Object.entries(ref.constants).map(([name, one]) => [name, this.file.tensor(one)]));
    return new Program(ref, constants);
  }
}

function placesOf(which: Numbers | null): Map<number, number> | null {
  if (!which) return null;
  const result = new Map<number, number>();
  which.forEach((i: number, at: number) => result.set(i, at));
  return result;
}

function extremes(low: Numbers, high: Numbers): [number, number] {
  let [a, b] = [Infinity, -Infinity];
  for (const x of low) if (x < a) a = x;
  for (const x of high) if (x > b) b = x;
  return a < b ? [a, b] : [Number.isFinite(a) ? a : 0, (Number.isFinite(a) ? a : 0) + 1];
}

function differs(program: Program, probe: ProbeRef, file: Container): boolean {
  const given = file.array(probe.given);
  const expected = file.array(probe.expected);
  const tolerance = file.array(probe.tolerance);
  const count = probe.given.shape[0];
  const found = program.run(given, count);
  if (found.length !== expected.length) return true;
  for (let i = 0; i < found.length; i++) {
    const a = found[i];
    const b = expected[i];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (!(Math.abs(a - b) <= tolerance[i % tolerance.length])) return true;
  }
  return false;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
