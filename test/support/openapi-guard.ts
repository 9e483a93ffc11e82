import { type Violation, violations } from '#src/http/guard.ts';

/** What answered otherwise than the published document says, since the last call; tests that provoke some take them out with it. */
export const takeViolations = (): Violation[] => violations.splice(0);

/** For the root hook: throws where any answer of the run was not as documented. */
export function checkViolations(): void {
  const found = takeViolations();
  if (found.length > 0)
    throw new Error(
      `answers that the OpenAPI document does not allow:\n${found.map(({ route, status, problem }) => `  ${route} ${status}: ${problem}`).join('\n')}`,
    );
}
