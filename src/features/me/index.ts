export type ContactKind = 'email' | 'phone';

/** A change of somebody's address or number that waits for the code which was sent there. */
export interface ContactStarted {
  /** Names the change; worth nothing without the code. */
  changeToken: string;
  expiresAt: Date;
}

/** A browser that the person has signed in with, or an application that signed them in by itself. */
export interface KnownDevice {
  id: string;
  /** Its User-Agent at the last sign-in, and from where that was; undefined where it is from before they were kept. */
  device: string | undefined;
  address: string | undefined;
  /** Of an application that signs people in by itself. */
  clientId: string | undefined;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** Until when it stands in for a second factor; undefined where it does not. */
  trustedUntil: Date | undefined;
}

/** What somebody is told of by mail, by name; `security` cannot be switched off. */
export type Notifications = Readonly<Record<string, boolean>>;
