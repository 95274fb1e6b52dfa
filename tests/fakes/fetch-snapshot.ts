/** @file A process that fetches a repository: `node fetch-snapshot.ts ID CACHE FILE…`. Prints the folder. */
import { openHub } from '../../src/files/hub.ts';
import { fetchSnapshot } from '../../src/files/hub-fetch.ts';

const [id = '', cache = '', ...files] = process.argv.slice(2);
const { folder } = await fetchSnapshot(
  openHub({ cache }),
  { kind: 'model', id },
  { choose: () => files },
);
console.log(folder);
