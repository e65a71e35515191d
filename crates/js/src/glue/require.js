// Files of the bundle as CommonJS modules, and the way to ES modules.
(function (kit) {
  'use strict';
  const { host, create } = kit;
  const cache = create(null);
  const EXTENSIONS = ['', '.js', '.cjs', '.json', '/index.js', '/index.cjs'];

  const normal = (path) => {
    const parts = [];
    for (const part of path.split('/')) {
      if (part === '..') parts.pop();
      else if (part && part !== '.') parts.push(part);
    }
    return parts.join('/');
  };
  const folder = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

  // The file that a path means, if there is one.
  const found = (path) => {
    for (const extension of EXTENSIONS) {
      const name = path + extension;
      if (name && host.file(name) !== undefined) return name;
    }
    const manifest = host.file(normal(`${path}/package.json`));
    if (manifest !== undefined) {
      const main = JSON.parse(manifest).main;
      if (typeof main === 'string' && normal(main)) return found(normal(`${path}/${main}`));
    }
    return undefined;
  };

  const missing = (name, from) => {
    const error = new Error(
      `Cannot find module '${name}'${from ? ` (required by ${from})` : ''}. Isolates have the files of the ` +
      'bundle and a few built-in modules; what needs Node itself belongs into the process tier, which is to come.');
    error.code = 'MODULE_NOT_FOUND';
    return error;
  };

  const BARE = /^(?:node:)?/;
  const require = (from) => {
    const own = (name) => {
      if (typeof name !== 'string') throw new TypeError('require needs a name');
      if (name.startsWith('.') || name.startsWith('/')) {
        const path = found(normal(name.startsWith('/') ? name : `${folder(from)}/${name}`));
        if (path === undefined) throw missing(name, from);
        return load(path);
      }
      if (name === 'parse' || name.startsWith('parse/') || name === 'parse-server') return kit.g.Parse;
      const builtin = kit.use('node').module(name.replace(BARE, ''));
      if (builtin !== undefined) return builtin;
      for (let at = folder(from); ; at = folder(at)) {
        const path = found(normal(`${at}/node_modules/${name}`));
        if (path !== undefined) return load(path);
        if (!at) throw missing(name, from);
      }
    };
    own.resolve = (name) => name;
    own.cache = cache;
    return own;
  };

  const load = (path) => {
    if (cache[path]) return cache[path].exports;
    const module = { id: path, filename: `/${path}`, loaded: false, exports: {} };
    cache[path] = module;
    try {
      const source = host.file(path);
      if (path.endsWith('.json')) {
        module.exports = JSON.parse(source);
      } else {
        // On the first line of the file, so that lines are counted as in it.
        const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
        const run = host.script(wrapped, path);
        run.call(module.exports, module.exports, require(path), module, `/${path}`, `/${folder(path)}`);
      }
      module.loaded = true;
      return module.exports;
    } catch (error) {
      delete cache[path];
      throw error;
    }
  };

  const isModule = (entry, source) => {
    if (entry.endsWith('.mjs')) return true;
    const manifest = host.file('package.json');
    let type;
    try { type = manifest && JSON.parse(manifest).type; } catch { /* no reason to refuse the code */ }
    return type === 'module' || /^\s*(import\s*[\w{*'"]|export\s+(default|const|let|class|function|async|\{|\*))/m.test(source);
  };

  // Runs the bundle; a promise where it is an ES module.
  const run = (entry) => {
    const source = host.file(entry);
    if (source === undefined) throw missing(entry);
    return isModule(entry, source) && !/\bmodule\.exports\b|(^|[^.\w])require\s*\(/.test(source)
      ? host.import(`./${entry}`)
      : load(entry);
  };

  // An error with its place: FILE:LINE:COLUMN: TEXT.
  const described = (error, entry) => {
    if (!(error instanceof Error)) return `${entry}: ${kit.shown(error)}`;
    const stack = String(error.stack || '');
    const frames = stack.split('\n').map((line) => /(?:at |\()([^\s()]+:\d+(?::\d+)?)\)?\s*$/.exec(line));
    const frame = frames.find((match) => match && !match[1].startsWith('basalt:'));
    let place = frame ? frame[1] : entry;
    if (frame) {
      // The wrapper stands before the first line's code.
      place = place.replace(/:1:(\d+)$/, (all, column) => (+column > 61 ? `:1:${column - 61}` : all));
    }
    return `${place}: ${error.name}: ${error.message}`;
  };

  return { require, run, described };
})
