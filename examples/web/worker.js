// SPDX-License-Identifier: MIT
// Runs the library beside the page, which stays responsive: a message is { id, method, args }, its answer { id, result } or
// { id, error }, and while it learns there are messages { step: [done, total] }.
import { Moeclip } from './moeclip.js';

const ready = Moeclip.load({ onStep: (done, total) => postMessage({ step: [done, total] }) });

/** One after the other, in the order of the messages. */
let last = Promise.resolve();
onmessage = ({ data: { id, method, args } }) => {
  last = last.then(async () => {
    try {
      const moeclip = await ready;
      postMessage({ id, result: await moeclip[method](...args) });
    } catch (error) {
      postMessage({ id, error: { code: error.code || 'broken', message: error.message } });
    }
  });
};
