/** An answer that the published document does not allow. */
export interface Violation {
  route: string;
  status: number;
  problem: string;
}

/** What was found while answering strictly; the test run fails where it is not empty. */
export const violations: Violation[] = [];
