#!/usr/bin/env node
/** An older Node would end with a syntax error of some library before a line of ours runs. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Anneal needs Node 22.19 or later, and this is ${process.version}.\n`);
  process.exitCode = 2;
} else {
  await import('./command-line.ts');
}
