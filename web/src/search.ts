/** The field that finds a row by its id. */

import type { App } from './app';
import { h } from './dom';

export function search(app: App): HTMLElement {
  const input = h('input', {
    type: 'search', placeholder: app.model.header.ids ? 'Find a row id' : 'Find a row number',
    'aria-label': 'Find a row by its id', testid: 'search', autocomplete: 'off', spellcheck: 'false', dir: 'auto',
  });
  const form = h('form', { class: 'search', role: 'search' }, input);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    const found = app.model.found(input.value);
    input.classList.toggle('wrong', found === null);
    if (found === null) {
      app.notify('No row has an id that begins so.');
      return;
    }
    const { visible } = app.store.state;
    if (visible && !visible[found]) {
      app.notify('This row is hidden by a filter.');
      return;
    }
    app.open(found, true);
  });
  input.addEventListener('input', () => input.classList.remove('wrong'));
  return form;
}
