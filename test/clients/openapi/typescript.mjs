/** openapi-typescript works with the compiler's JavaScript API, which TypeScript 7 has not: it gets TypeScript 5. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === 'typescript' && !context.parentURL?.includes('/typescript') ? 'typescript5' : specifier, context),
});
