/** What the parts of the page share. */

import { Colouring } from './colouring';
import { Tabs, type Elements } from './layout';
import type { Model } from './model';
import { Overlay } from './overlay';
import { Space } from './space';
import { Store } from './state';
import { View } from './view';

export class App {
  readonly root: HTMLElement;
  readonly store: Store;
  readonly view = new View();
  readonly tabs = new Tabs();
  readonly colouring: Colouring;
  readonly overlay: Overlay;
  space: Space;
  private readonly styles = new Map<string, string>();
  private toastTimer = 0;

  constructor(
    readonly model: Model, readonly elements: Elements, dark: boolean,
    private readonly onSelect?: (indices: number[]) => void,
  ) {
    this.root = elements.root;
    this.colouring = new Colouring(model);
    this.store = new Store({
      axes: model.d > 1 ? [0, 1] : [0, -1],
      colour: this.colouring.first(),
      visible: null, selection: [], point: null, hover: null, place: null,
      mode: 'pan', path: [], drawing: false, others: [...model.medians], support: true, ellipses: true,
      arrows: [], placed: [], dark,
    });
    this.recolour();
    // Before others that listen: the legend draws what is chosen.
    this.store.on(['colour', 'dark'], () => this.recolour());
    this.space = this.spaceOfAxes();
    this.overlay = new Overlay(this, elements.canvas, elements.shade);
  }

  private recolour(): void {
    const { colour, dark } = this.store.state;
    this.root.dataset.theme = dark ? 'dark' : 'light';
    this.styles.clear();
    this.colouring.dark = dark;
    this.colouring.choose(colour);
  }

  spaceOfAxes(): Space {
    const { x, y } = this.view.positions(this.model, this.store.state.axes);
    return new Space(this.model, x, y);
  }

  /** Says something to those who hear the page. */
  announce(text: string): void {
    this.elements.live.textContent = text;
  }

  /** A short message that all can see. */
  notify(text: string): void {
    const { toast } = this.elements;
    toast.textContent = text;
    toast.hidden = false;
    this.announce(text);
    clearTimeout(this.toastTimer);
    this.toastTimer = window.setTimeout(() => { toast.hidden = true; }, 2500);
  }

  /** A colour or length of the style sheet. */
  readonly style = (property: string): string => {
    let value = this.styles.get(property);
    if (value === undefined) {
      value = getComputedStyle(this.root).getPropertyValue(property).trim();
      this.styles.set(property, value);
    }
    return value;
  };

  /** Opens the panel of a point; `center` moves the view to it. */
  open(i: number, center = false): void {
    const { model, store } = this;
    const others = model.place(i);
    store.set({ others, point: i });
    this.select([i]);
    if (center) this.view.centerOn(...this.shown(others, i));
    store.set({ place: others, hover: null });
    this.tabs.open('point');
    const label = model.label(i);
    this.announce(`Row ${model.id(i)} selected${label === null ? '' : `, ${label}`}.`);
  }

  select(indices: number[]): void {
    this.store.set({ selection: indices });
    this.onSelect?.(indices);
  }

  /** Decodes a place of the two shown axes. */
  visit(x: number, y: number): void {
    this.store.set({ place: this.whole(x, y) });
  }

  /** All coordinates of a place of the two shown axes. */
  whole(x: number, y: number): number[] {
    const { axes, others } = this.store.state;
    const z = [...others];
    z[axes[0]] = x;
    if (axes[1] >= 0) z[axes[1]] = y;
    return z;
  }

  shown(z: readonly number[], i?: number): [number, number] {
    const [p, q] = this.store.state.axes;
    if (q >= 0) return [z[p], z[q]];
    const own = i === undefined ? null : this.space.y[i];
    return [z[p], own ?? this.view.data(0, this.overlay.crosshair?.[1] ?? this.view.height / 2)[1]];
  }
}
