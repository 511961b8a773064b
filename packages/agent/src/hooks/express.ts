import type { Observer } from '../observer.ts';
import { mountedAt } from '../requests/mounts.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

/** Express 4 has a router of its own, 5 the package. */
export const express: Library = { packages: { express: ['4.0', '5.0'], router: ['2.0', '3.0'] }, files: hookExpress };

/** Express tells the pattern of a request's route, and where its router is mounted only as the path that was asked for: mounts are noted as they are made. */
function hookExpress(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('express');
  const noting = (owner: object): void => {
    patchMethod(owner, 'use', (original) => {
      return function use(this: unknown, ...args: unknown[]) {
        try {
          for (const path of [args[0]].flat()) if (typeof path === 'string') mountedAt(path);
        } catch (error) {
          hook.failed(error);
        }
        return Reflect.apply(original, this, args);
      } satisfies Method;
    });
  };
  return [
    {
      path: 'express/lib/router/index.js',
      meet(exported) {
        noting(exported as object);
        return exported;
      },
    },
    {
      path: 'router/index.js',
      meet(exported) {
        noting((exported as { readonly prototype: object }).prototype);
        return exported;
      },
    },
  ];
}
