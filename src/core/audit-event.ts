/**
 * One thing that happened. Who did it, in which tenant, from where and in which request come from the `Scope` it is
 * recorded with. Never put a secret, a name, an address or free text into `data`: rows are kept for years and cannot be changed.
 */
export interface AuditEvent {
  /** `noun.verb_in_past`, e.g. `user.created`, `login.refused`. */
  type: string;
  outcome: 'success' | 'failure';
  target?: { type: string; id: string } | undefined;
  /** A stable code, e.g. `password.wrong`; never free text. */
  reason?: string | undefined;
  /** Ids, numbers and codes only. */
  data?: Readonly<Record<string, unknown>> | undefined;
  /** Free text that may identify a person; sealed under the person's key. */
  note?: string | undefined;
  /**
   * Whom it is about: it is part of their own activity, and their key seals the address and device. Where nothing is said, the target where that is a
   * person, else the actor, or the owner of the API key that acts; an empty text is nobody's.
   */
  personId?: string | undefined;
}
