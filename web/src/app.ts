/** What the parts of the page share. */

import type { Colouring } from './colouring';
import type { Model } from './model';
import type { Space } from './space';
import type { Store } from './state';
import type { View } from './view';

export interface App {
  root: HTMLElement;
  model: Model;
  store: Store;
  view: View;
  space: Space;
  colouring: Colouring;
  /** Says something to those who hear the page. */
  announce(text: string): void;
  /** A short message that all can see. */
  notify(text: string): void;
  /** A colour or length of the style sheet. */
  readonly style: (name: string) => string;
  redraw(): void;
  /** Opens the panel of a point; `centre` moves the view to it. */
  open(i: number, centre?: boolean): void;
  select(indices: number[]): void;
  /** Decodes a place of the two shown axes. */
  visit(x: number, y: number): void;
  /** All coordinates of a place of the two shown axes. */
  whole(x: number, y: number): number[];
  shown(z: readonly number[], i?: number): [number, number];
}
