export type NoticeKind = 'terms' | 'privacy';

/** What people are asked to agree to at a tenant: the newest published one of its kind. */
export interface CurrentNotice {
  id: string;
  kind: NoticeKind;
  /** The version, as people read it. */
  label: string;
  url: string;
}

export interface NoticeCache {
  /** What holds at a tenant now: at most one of each kind. */
  of(tenantId: string): Promise<readonly CurrentNotice[]>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}

/** What somebody agreed to, and whether that still holds. */
export interface Agreement {
  noticeId: string;
  kind: NoticeKind;
  label: string;
  url: string;
  tenantId: string;
  tenantName: string;
  agreedAt: Date;
  withdrawnAt: Date | undefined;
}
