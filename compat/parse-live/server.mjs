// The real binary, and the SDK that this folder installs.
import Parse from 'parse/node';
import { serverFor } from '../lib/server.mjs';

export * from '../lib/server.mjs';

/** A server for a whole test file, with the SDK pointed at it. */
export const parseServer = options => serverFor(Parse, options);

export { Parse };
