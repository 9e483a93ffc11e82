export type ContactKind = 'email' | 'phone';

/** A change of somebody's address or number that waits for the code which was sent there. */
export interface ContactStarted {
  /** Names the change; worth nothing without the code. */
  changeToken: string;
  expiresAt: Date;
}

/** A browser that the person has signed in with. */
export interface KnownDevice {
  id: string;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** Until when it stands in for a second factor; undefined where it does not. */
  trustedUntil: Date | undefined;
}

/** What somebody is told of by mail, by name; `security` cannot be switched off. */
export type Notifications = Readonly<Record<string, boolean>>;
