import { expect, it, vi } from 'vitest';

interface Mount {
  box: Box;
  data: unknown;
  done: (explorer: unknown) => void;
  failed: (error: unknown) => void;
}
const mounts: Mount[] = [];
vi.mock('../src/mount', () => ({
  mount: (box: Box, data: unknown) => new Promise((done, failed) => {
    mounts.push({ box, data, done, failed });
  }),
  failure: (box: Box) => { box.children = ['failure']; },
}));

/** As much of an element as the widget uses. */
class Box {
  children: unknown[] = [];
  parent: Box | null = null;

  append(...children: Box[]): void {
    for (const one of children) one.parent = this;
    this.children.push(...children);
  }

  replaceWith(other: Box): void {
    const { parent } = this;
    if (!parent) return;
    parent.children[parent.children.indexOf(this)] = other;
    other.parent = parent;
  }
}

it('keeps what the latest data gave, whichever is done first', async () => {
  vi.stubGlobal('document', { createElement: () => new Box() });
  const { default: widget } = await import('../src/widget');
  const explorer = () => ({ selection: () => [], select: vi.fn(), resize: vi.fn(), destroy: vi.fn() });
  for (const order of [[0, 1], [1, 0]]) {
    for (const fails of [false, true]) {
      mounts.length = 0;
      const listeners = new Map<string, () => void>();
      const data = [Uint8Array.of(1), Uint8Array.of(2)];
      let given = data[0];
      const model = {
        get: (name: string) => ({ data: given, height: 300, selected: [7] })[name],
        set: vi.fn(),
        save_changes: vi.fn(),
        on: (name: string, listener: () => void) => { listeners.set(name, listener); },
        off: (name: string) => { listeners.delete(name); },
      };
      const el = new Box();
      const close = widget.render({ model, el: el as unknown as HTMLElement });
      given = data[1];
      listeners.get('change:data')?.();
      expect(mounts.map((one) => one.data)).toEqual(data);

      const made = [explorer(), explorer()];
      for (const k of order) {
        if (fails && k === 0) mounts[k].failed(new Error('broken'));
        else mounts[k].done(made[k]);
        await new Promise((resolve) => { setTimeout(resolve); });
      }
      expect(made[0].destroy).toHaveBeenCalledTimes(fails ? 0 : 1);
      expect(made[0].select).not.toHaveBeenCalled();
      expect(made[1].destroy).not.toHaveBeenCalled();
      expect(made[1].select).toHaveBeenCalledWith([7]);
      // Beside the style sheet, the widget has the box of the latest data alone.
      expect(el.children.slice(1)).toEqual([mounts[1].box]);
      expect(mounts[1].box.children).toEqual([]);
      close();
      expect(made[1].destroy).toHaveBeenCalledTimes(1);
      expect(listeners.size).toBe(0);
    }
  }
});
