// A file beside main.js.
exports.shout = text => `${String(text).toUpperCase()}!`;
exports.where = __filename;
