/** What the page shows at the moment; parts of it follow changes of what they need. */

export type Mode = 'pan' | 'lasso' | 'path';

export interface Placed {
  /** The number of the row in its file, from 1. */
  row: number;
  file: string;
  place: number[];
}

export interface State {
  /** Shown axes; of a map with one coordinate, the second is −1. */
  axes: [number, number];
  /** "label", "measure:KEY", "feature:J" or "none". */
  colour: string;
  /** 1 for points that are shown; null where all are. */
  visible: Uint8Array | null;
  selection: number[];
  /** The point whose panel is open. */
  point: number | null;
  hover: number | null;
  /** The decoded place, all coordinates. */
  place: number[] | null;
  mode: Mode;
  path: number[][];
  drawing: boolean;
  others: number[];
  support: boolean;
  ellipses: boolean;
  arrows: number[];
  placed: Placed[];
  dark: boolean;
}

type Key = keyof State;

export class Store {
  private readonly listeners: [readonly Key[], (state: State) => void][] = [];

  constructor(readonly state: State) {}

  on(keys: readonly Key[], listener: (state: State) => void): void {
    this.listeners.push([keys, listener]);
  }

  set(changes: Partial<State>): void {
    const changed = (Object.keys(changes) as Key[]).filter((key) => changes[key] !== this.state[key]);
    if (!changed.length) return;
    Object.assign(this.state, changes);
    for (const [keys, listener] of this.listeners) {
      if (keys.some((key) => changed.includes(key))) listener(this.state);
    }
  }
}
