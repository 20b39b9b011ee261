// Makes the clock of a process run faster than it should, to be preloaded (`node --require`).
// FAST_CLOCK_FROM is when it was right, in milliseconds since 1970; FAST_CLOCK_BY is how many of its
// seconds are one of ours.
const from = Number(process.env.FAST_CLOCK_FROM);
const by = Number(process.env.FAST_CLOCK_BY);
const real = Date.now;
const fast = () => from + (real() - from) * by;

globalThis.Date = new Proxy(Date, {
  construct: (made, given, what) => Reflect.construct(made, given.length ? given : [fast()], what),
  get: (it, name) => (name === "now" ? fast : Reflect.get(it, name)),
});
