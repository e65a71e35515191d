// What the tests share.

const OPS = ['create', 'enter', 'update', 'leave', 'delete'];

/** Records every event of a subscription of the SDK, in order. */
export function recorder(subscription) {
  const events = [];
  for (const op of OPS) {
    subscription.on(op, (object, ...rest) => {
      const original = rest.length === 2 ? rest[0] : undefined;
      events.push({ op, object, original });
    });
  }
  return events;
}

/** Waits until a condition holds. */
export async function until(condition, what = condition.toString()) {
  const end = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
