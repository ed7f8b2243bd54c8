// Builds the page's template and the widget's module into the Python package.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { build, transformWithEsbuild } from 'vite';

const target = new URL('../src/isthmus/explorer/built/', import.meta.url);
const csp = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

async function bundled(entry, format) {
  const result = await build({
    logLevel: 'warn',
    configFile: false,
    root: new URL('.', import.meta.url).pathname,
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      target: 'es2022',
      minify: 'esbuild',
      lib: { entry, formats: [format], name: 'isthmusExplorer' },
      rollupOptions: { output: { inlineDynamicImports: true } },
    },
  });
  const { code } = (Array.isArray(result) ? result[0] : result).output[0];
  // Vite leaves the white space of ES modules.
  return format === 'es' ? (await transformWithEsbuild(code, 'w.js', { minify: true, format: 'esm' })).code : code;
}

// Backslashes keep an end of the element out of the text; within strings they change nothing.
const inline = (code) => code.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');

const script = inline(await bundled('src/page.ts', 'iife'));
const style = (await transformWithEsbuild(
  await readFile(new URL('src/style.css', import.meta.url), 'utf8'), 'style.css', { minify: true, loader: 'css' },
)).code;
const licences = await readFile(new URL('LICENCES.txt', import.meta.url), 'utf8');
// regl compiles its draw calls with Function(). Its scatter plot adds an empty style element.
const policy = [
  "default-src 'none'",
  `script-src ${csp(script)} 'unsafe-eval'`,
  `style-src ${csp(style)} ${csp('')}`,
  'img-src data: blob:',
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
const template = await readFile(new URL('page.html', import.meta.url), 'utf8');
const parts = { POLICY: policy, STYLE: style, SCRIPT: script, LICENCES: licences };
const page = template.replace(/%%([A-Z]+)%%/g, (whole, name) => parts[name] ?? whole);
for (const mark of ['@@TITLE@@', '@@DATA@@']) {
  if (page.split(mark).length !== 2) throw new Error(`${mark} is to be in the page once`);
}
await mkdir(target, { recursive: true });
await writeFile(new URL('page.html', target), page);
const module = await bundled('src/widget.ts', 'es');
await writeFile(new URL('widget.js', target), `/*\n${licences}*/\n${module}`);

// A test of the package compares these with the sources and the built files that it finds.
const sources = ['LICENCES.txt', 'build.mjs', 'package-lock.json', 'page.html',
  ...(await readdir(new URL('src/', import.meta.url))).sort().map((name) => `src/${name}`)];
const digest = createHash('sha256');
for (const name of sources) {
  const text = (await readFile(new URL(name, import.meta.url), 'latin1')).replace(/\r\n/g, '\n');
  digest.update(`${name}\n${text.length}\n`).update(text, 'latin1');
}
await writeFile(new URL('source.sha256', target), `${digest.digest('hex')}\n`);
let made = '';
for (const name of ['page.html', 'widget.js']) {
  const hash = createHash('sha256').update(await readFile(new URL(name, target))).digest('hex');
  made += `${name} ${hash}\n`;
}
await writeFile(new URL('files.sha256', target), made);
console.log(`page.html ${(page.length / 1024).toFixed(0)} kB, widget.js ${(module.length / 1024).toFixed(0)} kB`);
