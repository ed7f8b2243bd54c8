/** The map in a notebook, for anywidget. */

import { failure, mount, type Explorer } from './mount';
import style from './style.css?inline';

interface Widget {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(name: string, listener: () => void): void;
  off(name: string, listener: () => void): void;
}

function bytesOf(data: unknown): Uint8Array {
  if (data instanceof DataView) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return data as Uint8Array;
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((one, k) => one === b[k]);

function render({ model, el }: { model: Widget; el: HTMLElement }): () => void {
  let explorer: Explorer | null = null;
  let closed = false;
  const sheet = document.createElement('style');
  sheet.textContent = style;
  let box = document.createElement('div');
  el.append(sheet, box);
  const chosen = (): number[] => Array.from((model.get('selected') as number[] | null) ?? []);
  const height = (): number => Number(model.get('height')) || 640;
  const followSelection = (): void => {
    if (explorer && !same(chosen(), explorer.selection())) explorer.select(chosen());
  };
  const followHeight = (): void => explorer?.resize(height());
  const start = (): void => {
    explorer?.destroy();
    explorer = null;
    // Each set of data has its own box, so that what was made of an older one never enters the page.
    const mine = document.createElement('div');
    box.replaceWith(mine);
    box = mine;
    const outdated = (): boolean => closed || box !== mine;
    mount(mine, bytesOf(model.get('data')), {
      embedded: true,
      height: height(),
      onSelect: (indices) => {
        if (same(indices, chosen())) return;
        model.set('selected', indices);
        model.save_changes();
      },
    }).then((made) => {
      if (outdated()) {
        made.destroy();
        return;
      }
      explorer = made;
      followSelection();
    }, (error: unknown) => { if (!outdated()) failure(mine, error); });
  };
  model.on('change:selected', followSelection);
  model.on('change:height', followHeight);
  model.on('change:data', start);
  start();
  return () => {
    closed = true;
    model.off('change:selected', followSelection);
    model.off('change:height', followHeight);
    model.off('change:data', start);
    explorer?.destroy();
  };
}

export default { render };
