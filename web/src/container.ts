/** Reads the file format of maps: a gzip stream of a header and arrays. */

import { allocate, bytesOf, sizeOf, type Dtype, type Numbers, type Tensor } from './arrays';
import type { ProgramSpec } from './program';

export interface Ref { dtype: Dtype; shape: number[]; offset: number }

export interface ProgramRef extends ProgramSpec { constants: Record<string, Ref> }
export interface ProbeRef { given: Ref; expected: Ref; tolerance: Ref }
export interface Measure { key: string; name: string; about: string; values: Ref; scale: 'linear' | 'log' }

export interface Header {
  title: string;
  model: { estimator: string; isthmus: string; facts: [string, string][] };
  n: number;
  d: number;
  D: number;
  coordinates: Ref;
  axes: string[];
  features: { names: string[]; mean: Ref; std: Ref; low: Ref; high: Ref };
  labels: null | { name: string; values: string[]; codes: Ref };
  measures: Measure[];
  columns: { feature: number; values: Ref }[];
  rows: { which: null | Ref; values: Ref };
  neighbours: null | { which: null | Ref; indices: Ref; k: number };
  ids: null | string[];
  image: null | number[];
  covariance: null | Ref;
  deviation: null | Ref;
  support: null | { distance: number; k: number };
  programs: null | { encode: ProgramRef; decode: ProgramRef };
  why_no_programs: string;
  probes: null | { encode: ProbeRef; decode: ProbeRef };
}

export class Container {
  constructor(
    readonly header: Header,
    private readonly buffer: ArrayBuffer,
    private readonly start: number,
  ) {}

  array(ref: Ref): Numbers {
    const size = sizeOf(ref.shape);
    const at = this.start + ref.offset;
    if (ref.offset % 8 || at + size * bytesOf(ref.dtype) > this.buffer.byteLength) {
      throw new Error('an array of the file is not where the header says');
    }
    switch (ref.dtype) {
      case 'bool': case 'uint8': return new Uint8Array(this.buffer, at, size);
      case 'uint16': return new Uint16Array(this.buffer, at, size);
      case 'uint32': return new Uint32Array(this.buffer, at, size);
      case 'int32': return new Int32Array(this.buffer, at, size);
      case 'float32': return new Float32Array(this.buffer, at, size);
      case 'float64': return new Float64Array(this.buffer, at, size);
      case 'int64': {
        const exact = new BigInt64Array(this.buffer, at, size);
        const result = allocate('int64', size);
        for (let i = 0; i < size; i++) result[i] = Number(exact[i]);
        return result;
      }
      default: throw new Error(`unknown type of numbers: ${String(ref.dtype)}`);
    }
  }

  tensor(ref: Ref): Tensor {
    return { dtype: ref.dtype, shape: ref.shape, data: this.array(ref), constant: true };
  }
}

export async function opened(bytes: Uint8Array): Promise<Container> {
  return parsed(await unzipped(bytes));
}

async function unzipped(bytes: Uint8Array): Promise<ArrayBuffer> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

function parsed(buffer: ArrayBuffer): Container {
  const view = new DataView(buffer);
  const magic = buffer.byteLength < 12 ? '' : new TextDecoder().decode(new Uint8Array(buffer, 0, 4));
  if (magic !== 'ISTH') throw new Error('this is not a map of isthmus');
  const version = view.getUint32(4, true);
  if (version !== 1) throw new Error(`this page reads version 1 of the format, the map has version ${version}`);
  const length = view.getUint32(8, true);
  if (12 + length > buffer.byteLength) throw new Error('the map is cut off');
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 12, length))) as Header;
  return new Container(header, buffer, Math.ceil((12 + length) / 8) * 8);
}

export function fromBase64(text: string): Uint8Array {
  const given = text.trim();
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (native) return native.call(Uint8Array, given);
  const pieces = atob(given);
  const bytes = new Uint8Array(pieces.length);
  for (let i = 0; i < pieces.length; i++) bytes[i] = pieces.charCodeAt(i);
  return bytes;
}
